# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Alignment: from a clip's pixels to the task's follow camera, and the frame that shows the start pose best."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

FIRST_FRAMES = 5
"""Frames at the start of a clip that show the start pose; their median sets the scale (ours)."""

DRIFT_WINDOW = 0.1
"""Standard deviation of the smoothing of the trunk's place, against a swinging arm or a ragged outline [s] (ours)."""

ZOOM_WINDOW = 0.5
"""Standard deviation of the smoothing of height and foot line where a camera's zoom is taken out [s] (ours): about a
step, so that the robot's own rise and fall stays."""

REACH = 6
"""How far a frame may be shifted to fit the start pose best, each way [pixel of the camera] (ours)."""

TRUNK_BAND = (0.05, 0.35)
"""Rows that show the trunk of a biped and of a quadruped, as shares of the mask's height from its top (ours)."""


@dataclass(frozen=True)
class Alignment:
    """Maps a clip's pixel (x, y) of frame t to (scale[t] x + shift_x[t], scale[t] y + shift_y[t])."""

    scale: np.ndarray
    """(T,)."""
    shift_x: np.ndarray
    """(T,) [pixel of the camera]."""
    shift_y: np.ndarray
    """(T,) [pixel of the camera]."""
    drift: float
    """Range of the horizontal motion that is taken out [pixel of the camera]."""


def align(masks: np.ndarray, start_mask: np.ndarray, rate: float, smoothed: bool = False) -> Alignment:
    """Fit the clip to the camera: height and foot line of its first frames, and the trunk's place in x.

    One scale and one vertical shift hold for the whole clip, because the camera's height and distance are fixed; where
    the clip's camera zooms or climbs they may follow it, smoothed. In x the follow camera is locked to the robot's
    root, so a trunk that drifts or sways in the picture is the clip's camera at work and no pose can match it: the
    trunk's smoothed place is held at the start mask's.

    Args:
        masks: (T, H, W) bool, none of them empty.
        start_mask: (S, S) bool, the robot at its start pose.
        rate: frames per second of the clip [Hz].
        smoothed: whether scale and foot line follow the clip.
    """
    tops, bottoms = np.array([_vertical_extent(mask) for mask in masks]).T
    top, bottom = _vertical_extent(start_mask)
    first = slice(FIRST_FRAMES)
    height = np.full(len(masks), np.median(bottoms[first]) - np.median(tops[first]))
    foot = np.full(len(masks), np.median(bottoms[first]))
    if smoothed:
        course = gaussian_filter1d(bottoms - tops, ZOOM_WINDOW * rate, mode="nearest")
        height = height * course / np.median(course[first])
        foot = foot + gaussian_filter1d(bottoms, ZOOM_WINDOW * rate, mode="nearest")
        foot -= np.median(foot[first]) - np.median(bottoms[first])
    scale = (bottom - top) / height
    trunk = np.array([trunk_x(mask) for mask in masks])
    smooth = gaussian_filter1d(trunk, DRIFT_WINDOW * rate, mode="nearest")
    drift = float(np.median(scale) * np.ptp(smooth))
    return Alignment(scale, trunk_x(start_mask) - scale * smooth, bottom - scale * foot, drift)


def start_fit(masks: np.ndarray, start_mask: np.ndarray) -> np.ndarray:
    """How well each frame shows the start pose: the best IoU (T,) over small shifts.

    The shift takes out what alignment leaves: where the trunk leans, its middle is not the start pose's.

    Args:
        masks: (T, S, S) bool, aligned.
        start_mask: (S, S) bool.
    """
    padded = np.pad(start_mask, REACH).astype(np.float32)
    area, start_area = masks.sum(axis=(1, 2)), start_mask.sum()
    # the number of common pixels for every shift at once
    common = [cv2.matchTemplate(padded, mask.astype(np.float32), cv2.TM_CCORR).max() for mask in masks]
    common = np.rint(common)
    return common / (area + start_area - common)


def apply(alignment: Alignment, frames: np.ndarray, masks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the clip in the camera's framing, the robot on pure white.

    Args:
        alignment: the fit.
        frames: (T, H, W, 3) uint8.
        masks: (T, H, W) bool.
        size: side S of the camera's image [pixel].

    Returns:
        frames (T, S, S, 3) uint8 and masks (T, S, S) bool.
    """
    drawn = [
        _draw(frame, mask, scale, shift_x, shift_y, size)
        for frame, mask, scale, shift_x, shift_y in zip(
            frames, masks, alignment.scale, alignment.shift_x, alignment.shift_y, strict=True
        )
    ]
    return np.stack([frame for frame, _ in drawn]), np.stack([mask for _, mask in drawn])


def trunk_x(mask: np.ndarray) -> float:
    """Mean of the middle half of the trunk's pixels in x: swinging arms hardly move it [pixel]."""
    top, bottom = _vertical_extent(mask)
    low, high = (round(top + share * (bottom - top)) for share in TRUNK_BAND)
    columns = np.sort(np.nonzero(mask[low : high + 1])[1])
    if len(columns) == 0:
        columns = np.sort(np.nonzero(mask)[1])
    quarter = len(columns) // 4
    return float(columns[quarter : len(columns) - quarter].mean()) + 0.5


def _vertical_extent(mask: np.ndarray) -> tuple[float, float]:
    """Upper and lower edge of the mask [pixel]."""
    rows = np.flatnonzero(mask.any(axis=1))
    return float(rows[0]), float(rows[-1] + 1)


def _draw(
    frame: np.ndarray, mask: np.ndarray, scale: float, shift_x: float, shift_y: float, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """One frame in the camera's framing.

    Colour is averaged over the robot's pixels only (premultiplied by the mask), so no background leaks into its edge.
    """
    share = mask.astype(np.float32)
    layers = np.dstack([frame * share[..., None], share])
    if scale < 1.0:
        # Warping samples points: average over the area of a target pixel first, or thin legs break up.
        sigma = 0.5 * np.sqrt(max(1.0 / scale**2 - 1.0, 0.0))
        if sigma > 0.2:
            layers = cv2.GaussianBlur(layers, (0, 0), sigma)
    # OpenCV counts pixel centres from 0, edges count from -0.5.
    matrix = np.array([[scale, 0.0, shift_x + 0.5 * scale - 0.5], [0.0, scale, shift_y + 0.5 * scale - 0.5]])
    layers = cv2.warpAffine(layers, matrix, (size, size), flags=cv2.INTER_LINEAR, borderValue=0)
    drawn = layers[..., 3] >= 0.5
    picture = np.full((size, size, 3), 255, dtype=np.uint8)
    picture[drawn] = np.rint(layers[drawn][:, :3] / layers[drawn][:, 3:]).clip(0, 255).astype(np.uint8)
    return picture, drawn
