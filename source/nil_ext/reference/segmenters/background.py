# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Background key: the robot is what differs from a plain background."""

from __future__ import annotations

import numpy as np

from nil_ext.errors import ClipError
from nil_ext.reference.segmenters.segmentation import Segmentation, clean_mask

BORDER = 0.03
"""Width of the frame's rim from which the background is read, as a share of the shorter side (ours)."""

PLAIN_SHARE = 0.6
"""Share of the rim that must be near one colour for the background to count as plain (ours)."""

WEAK, STRONG = 16.0, 40.0
"""Least distance to the background's colour of the robot's pixels, and of at least one pixel of each of its pieces, in
8-bit levels of the channel that differs most. Compression haze in generated clips reaches about 15 (ours)."""


def segment(frames: np.ndarray) -> Segmentation:
    """Find the robot on a plain background.

    Args:
        frames: (T, H, W, 3) uint8.

    Raises:
        ClipError: When the background is not plain.
    """
    background, plain = read_background(frames)
    if plain < PLAIN_SHARE:
        raise ClipError(
            f"the background is not plain (only {plain:.0%} of its rim has one colour): generate it on a white "
            "background, or have SAM2 cut the robot out (generate.py --generator file --first_frame_mask)."
        )
    results = []
    for frame in frames:
        distance = np.abs(frame - background).max(axis=-1)
        results.append(clean_mask(distance > WEAK, sure=distance >= STRONG))
    return Segmentation(
        masks=np.stack([mask for mask, _ in results]),
        second=np.array([second for _, second in results]),
        name="background",
        reason=f"{plain:.0%} of the picture's rim has one colour",
        about={},
        background=tuple(int(c) for c in background),
    )


def read_background(frames: np.ndarray) -> tuple[np.ndarray, float]:
    """Median colour (3,) of the rim over all frames, and the share of the rim that is near it.

    Args:
        frames: (T, H, W, 3) uint8.
    """
    height, width = frames.shape[1:3]
    rim = max(2, round(BORDER * min(height, width)))
    inner = np.ones((height, width), dtype=bool)
    inner[rim:-rim, rim:-rim] = False
    pixels = frames[:, inner]  # (T, P, 3)
    colour = np.median(pixels.reshape(-1, 3), axis=0)
    return colour, float((np.abs(pixels - colour).max(axis=-1) < STRONG).mean())
