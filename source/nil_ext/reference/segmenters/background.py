# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Background key: the robot is what differs from a plain background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from nil_ext.errors import InputError

BORDER = 0.03
"""Width of the frame's rim from which the background is read, as a share of the shorter side (ours)."""

PLAIN_SHARE = 0.6
"""Share of the rim that must be near one colour for the background to count as plain (ours)."""

WEAK, STRONG = 16.0, 40.0
"""Least distance to the background's colour of the robot's pixels, and of at least one pixel of each of its pieces, in
8-bit levels of the channel that differs most. Compression haze in generated clips reaches about 15 (ours)."""

GAP = 0.03
"""Pieces this near to the robot belong to it, as a share of its larger side (ours)."""

HOLE = 0.004
"""Enclosed holes up to this share of the robot's area are highlights, larger ones daylight between limbs (ours)."""

PIECE = 0.001
"""Pieces below this share of the largest piece are specks (ours)."""


@dataclass(frozen=True)
class Segmentation:
    """The robot in each frame."""

    masks: np.ndarray
    """(T, H, W) bool."""
    second: np.ndarray
    """(T,) area of the largest piece that was left out, as a share of the robot's area."""
    background: tuple[int, int, int]
    """The background's colour."""


def segment(frames: np.ndarray) -> Segmentation:
    """Find the robot on a plain background.

    Args:
        frames: (T, H, W, 3) uint8.
    """
    background = _background_colour(frames)
    results = [_segment_frame(frame, background) for frame in frames]
    masks = np.stack([mask for mask, _ in results])
    return Segmentation(masks, np.array([second for _, second in results]), tuple(int(c) for c in background))


def _background_colour(frames: np.ndarray) -> np.ndarray:
    """Median colour (3,) of the rim over all frames; refuses a rim that has no common colour."""
    height, width = frames.shape[1:3]
    rim = max(2, round(BORDER * min(height, width)))
    inner = np.ones((height, width), dtype=bool)
    inner[rim:-rim, rim:-rim] = False
    pixels = frames[:, inner]  # (T, P, 3)
    colour = np.median(pixels.reshape(-1, 3), axis=0)
    plain = (np.abs(pixels - colour).max(axis=-1) < STRONG).mean()
    if plain < PLAIN_SHARE:
        raise InputError(
            f"the background is not plain (only {plain:.0%} of its rim has one colour): generate it on a "
            "white background, or remove the background first."
        )
    return colour


def _segment_frame(frame: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, float]:
    """Mask (H, W) of the robot and the share of the largest piece left out."""
    distance = np.abs(frame - background).max(axis=-1)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((distance > WEAK).astype(np.uint8), connectivity=8)
    if count < 2:
        return np.zeros(frame.shape[:2], dtype=bool), 0.0
    peak = np.zeros(count)
    np.maximum.at(peak, labels.ravel(), distance.ravel())
    areas = stats[:, cv2.CC_STAT_AREA].astype(float)
    areas[0] = 0.0
    areas[peak < STRONG] = 0.0
    areas[areas < PIECE * areas.max()] = 0.0
    if areas.max() == 0.0:
        return np.zeros(frame.shape[:2], dtype=bool), 0.0
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
        near = [label for label in candidates if distance[labels == label].min() <= reach]
        robot += near
        candidates = [label for label in candidates if label not in near]
        joined = bool(near)
    return robot


def _without_small_holes(mask: np.ndarray) -> np.ndarray:
    """The mask with its small enclosed holes filled."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] <= HOLE * mask.sum()
    small[0] = False  # label 0 is the mask itself
    return mask | small[labels]
