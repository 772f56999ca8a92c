# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What every segmenter gives: one clean mask a frame, and in which frames it failed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

GAP = 0.03
"""Pieces this near to the robot belong to it, as a share of its larger side (ours)."""

HOLE = 0.004
"""Enclosed holes up to this share of the robot's area are highlights, larger ones daylight between limbs (ours)."""

PIECE = 0.001
"""Pieces below this share of the largest piece are specks (ours)."""

AREA_RANGE = (0.6, 1.6)
"""Area of a mask relative to the clip's median beyond which the segmenter has lost parts or taken more than the robot
(ours; the real clips of the four robots stay within 0.81 and 1.19)."""

MAX_SECOND = 0.3
"""Area of a piece that was left out, as a share of the robot's, from which on it may be the robot itself (ours)."""


@dataclass(frozen=True)
class Segmentation:
    """The robot in each frame."""

    masks: np.ndarray
    """(T, H, W) bool."""
    second: np.ndarray
    """(T,) area of the largest piece that was left out, as a share of the robot's area."""
    name: str
    """Which segmenter made it."""
    reason: str
    """Why this one."""
    about: dict
    """What else it says of itself; JSON-able."""
    background: tuple[int, int, int] | None = None
    """The background's colour, where it is plain."""

    @cached_property
    def failures(self) -> dict[int, str]:
        """What went wrong, by frame."""
        area = self.masks.sum(axis=(1, 2)).astype(float)
        usual = np.median(area[area > 0]) if area.any() else 1.0
        found = {}
        for frame, (pixels, second) in enumerate(zip(area, self.second, strict=True)):
            if pixels == 0:
                found[frame] = "no robot"
            elif not AREA_RANGE[0] < pixels / usual < AREA_RANGE[1]:
                found[frame] = f"area {pixels / usual:.0%} of the median"
            elif second > MAX_SECOND:
                found[frame] = f"a second piece of {second:.0%}"
        return found

    def manifest(self) -> dict:
        """What a reference keeps of it; JSON-able."""
        background = {} if self.background is None else {"background": list(self.background)}
        failures = {str(frame): what for frame, what in self.failures.items()}
        return {"name": self.name, "reason": self.reason, **background, **self.about, "failures": failures}


def clean_mask(pixels: np.ndarray, sure: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """One robot out of raw pixels: the largest piece and what hangs on it; specks go, small holes are filled.

    Args:
        pixels: (H, W) bool, what may be the robot.
        sure: (H, W) bool, pixels of which a piece must hold at least one; None for no such demand.

    Returns:
        The mask (H, W) bool, and the area of the largest piece left out as a share of the mask's.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pixels.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].astype(float)
    areas[0] = 0.0
    if sure is not None:
        areas[~np.isin(np.arange(count), labels[sure & pixels])] = 0.0
    areas[areas < PIECE * areas.max()] = 0.0
    if areas.max() == 0.0:
        return np.zeros(pixels.shape, dtype=bool), 0.0
    robot = _joined_pieces(labels, areas)
    left_out = areas.copy()
    left_out[robot] = 0.0
    mask = _without_small_holes(np.isin(labels, robot))
    return mask, float(left_out.max() / mask.sum())


def _joined_pieces(labels: np.ndarray, areas: np.ndarray) -> list[int]:
    """Labels of the largest piece and of all that hang on it across a small gap."""
    robot = [int(areas.argmax())]
    candidates = [int(label) for label in np.flatnonzero(areas) if label != robot[0]]
    joined = True
    while joined and candidates:
        mask = np.isin(labels, robot)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        reach = GAP * max(np.ptp(rows), np.ptp(columns))
        distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
        within = set(np.unique(labels[distance <= reach]).tolist())
        near = [label for label in candidates if label in within]
        robot += near
        candidates = [label for label in candidates if label not in within]
        joined = bool(near)
    return robot


def _without_small_holes(mask: np.ndarray) -> np.ndarray:
    """The mask with its small enclosed holes filled."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] <= HOLE * mask.sum()
    small[0] = False  # label 0 is the mask itself
    return mask | small[labels]
