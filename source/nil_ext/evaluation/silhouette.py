# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What the silhouettes of a rollout say beside those of the reference."""

from __future__ import annotations

import cv2
import numpy as np

from ..reference.quality import gait_period as _gait_period

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


class ChamferDistance:
    """Distance between outlines: the mean way from a pixel of one outline to the nearest of the other, both ways.

    Unlike the IoU it tells a leg that misses by a hand's breadth from one that misses by a metre. The reference's
    distance maps are computed once.
    """

    def __init__(self, reference: np.ndarray, metres_per_pixel: float):
        """Prepare the reference.

        Args:
            reference: (T, S, S) bool; no mask is empty.
            metres_per_pixel: size of a pixel at the robot's distance [m].
        """
        self._outlines = [_outline(mask) for mask in reference]
        self._maps = [_distance_to(outline) for outline in self._outlines]
        self._scale = metres_per_pixel
        self._side = reference.shape[-1]

    def __call__(self, masks: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Compare masks (K, S, S) bool with the reference's frames (K,): distances (K,) [m].

        A robot that has left the picture is the picture's side away.
        """
        return np.array([self._between(mask, int(frame)) for mask, frame in zip(masks, frames, strict=True)])

    def _between(self, mask: np.ndarray, frame: int) -> float:
        if not mask.any():
            return self._side * self._scale
        outline = _outline(mask)
        there = self._maps[frame][outline].mean()
        back = _distance_to(outline)[self._outlines[frame]].mean()
        return 0.5 * float(there + back) * self._scale


STILL = 0.02
"""Share of the mask that must change from frame to frame before one speaks of a gait."""


def gait_period(masks: np.ndarray, rate: float) -> float:
    """Time after which the legs' silhouette repeats [s]; NaN where nothing repeats, or not twice.

    :func:`nil_ext.reference.quality.gait_period`, for a rollout and for the reference alike. A robot that falls after
    a second and a half has been seen to repeat nothing that takes longer than half of that.

    Args:
        masks: (T, S, S) bool.
        rate: frames per second [Hz].
    """
    if len(masks) < 4 or not masks.any():
        return float("nan")
    changes = (masks[1:] != masks[:-1]).sum(axis=(1, 2)).mean()
    if changes < STILL * masks.sum(axis=(1, 2)).mean():  # a robot that stands still trembles periodically, too
        return float("nan")
    period = _gait_period(masks, rate)
    return float("nan") if period is None or 2.0 * period * rate > len(masks) else period


def _outline(mask: np.ndarray) -> np.ndarray:
    """Pixels of the mask that touch the background; beyond the picture there is background."""
    inside = cv2.erode(mask.astype(np.uint8), _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return mask & (inside == 0)


def _distance_to(outline: np.ndarray) -> np.ndarray:
    """Euclidean distance of each pixel to the nearest pixel of the outline [pixel]."""
    return cv2.distanceTransform((~outline).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
