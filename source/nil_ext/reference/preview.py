# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Contact sheet of a reference: what a person looks at before hours of training are spent on it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

_COLUMNS, _ROWS = 8, 2
_OUTLINE = (255, 0, 0)
_TEXT = (90, 90, 90)
_DARK = (0, 0, 0)


def write_contact_sheet(
    path: Path, frames: np.ndarray, masks: np.ndarray, rate: float, notes: list[str] | None = None
) -> None:
    """Sixteen frames spread over the clip, the mask's outline in red, the time below; the quality report at the top.

    Args:
        path: PNG file to write.
        frames: (T, H, W, 3) uint8.
        masks: (T, H, W) bool.
        rate: frames per second [Hz].
        notes: lines to write above, the verdict first.
    """
    picks = np.linspace(0, len(frames) - 1, _COLUMNS * _ROWS).round().astype(int)
    tiles = [_tile(frames[i], masks[i], f"{i / rate:.2f} s") for i in picks]
    rows = [np.concatenate(tiles[r * _COLUMNS : (r + 1) * _COLUMNS], axis=1) for r in range(_ROWS)]
    rows.insert(0, _header(notes or [], rows[0].shape[1]))
    if not cv2.imwrite(str(path), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR)):
        raise OSError(f"{path.name} could not be written")


def _header(lines: list[str], width: int) -> np.ndarray:
    """Lines of text on white, (H, W, 3); no rows without lines."""
    header = np.full((16 * len(lines) + 8 * bool(lines), width, 3), 255, dtype=np.uint8)
    for i, line in enumerate(lines):
        place = (4, 16 * (i + 1))
        header = cv2.putText(header, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, _DARK, 1, cv2.LINE_AA)
    return header


def _tile(frame: np.ndarray, mask: np.ndarray, label: str) -> np.ndarray:
    """One frame (H, W, 3) with outline and label."""
    tile = np.ascontiguousarray(frame)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    tile = cv2.drawContours(tile.copy(), contours, -1, _OUTLINE, 1)
    return cv2.putText(tile, label, (4, tile.shape[0] - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.35, _TEXT, 1, cv2.LINE_AA)
