# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Pictures that show a rollout beside its reference."""

from __future__ import annotations

import cv2
import numpy as np

_REFERENCE_ONLY = (220, 60, 60)
_ROLLOUT_ONLY = (60, 90, 220)
_BOTH = (150, 150, 150)


def side_by_side(
    reference_frames: np.ndarray,
    reference_masks: np.ndarray,
    rollout_frames: np.ndarray,
    size: int = 256,
    captions: tuple[str, str, str] = ("reference", "rollout", "masks"),
) -> np.ndarray:
    """Reference, rollout, and both masks over each other (red: reference only, blue: rollout only, grey: both).

    Args:
        reference_frames: (T, S, S, 3) uint8.
        reference_masks: (T, S, S) bool.
        rollout_frames: (T', S', S', 3) uint8, robot on pure white; T' <= T.
        size: side of each of the three pictures [px].
        captions: text above them.

    Returns:
        (T', size, 3 * size, 3) uint8.
    """
    return np.stack(
        [
            np.concatenate(
                [
                    _captioned(cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA), captions[0]),
                    _captioned(cv2.resize(rolled, (size, size), interpolation=cv2.INTER_NEAREST), captions[1]),
                    _captioned(_overlay(mask, (rolled < 255).any(axis=-1), size), captions[2]),
                ],
                axis=1,
            )
            for frame, mask, rolled in zip(reference_frames, reference_masks, rollout_frames, strict=False)
        ]
    )


def _overlay(reference: np.ndarray, rollout: np.ndarray, size: int) -> np.ndarray:
    reference, rollout = (
        cv2.resize(mask.astype(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST).astype(bool)
        for mask in (reference, rollout)
    )
    picture = np.full((size, size, 3), 255, np.uint8)
    picture[reference & ~rollout] = _REFERENCE_ONLY
    picture[rollout & ~reference] = _ROLLOUT_ONLY
    picture[rollout & reference] = _BOTH
    return picture


def _captioned(picture: np.ndarray, text: str) -> np.ndarray:
    picture = picture.copy()
    cv2.putText(picture, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (90, 90, 90), 1, cv2.LINE_AA)
    return picture
