# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What a clip looks like beside the task's robot: numbers without a judgement (see ``verdict``)."""

from __future__ import annotations

import cv2
import numpy as np

from nil_ext.reference.alignment import trunk_x
from nil_ext.reference.video import constant_rate

MIN_REACHABLE = 0.6
"""IoU of a mask with the best pose found below which the frame does not show that pose (ours)."""

SIDE_SHARE = 0.1
"""A side of the picture is named as cutting the robot if it does so in this share of the frames (ours)."""


def clip_numbers(masks: np.ndarray, second: np.ndarray, start_mask: np.ndarray) -> dict:
    """What the segmented clip says before it is aligned.

    Args:
        masks: (T, H, W) bool.
        second: (T,) area of the largest piece left out, as a share of the robot's.
        start_mask: (S, S) bool, the robot at its start pose.
    """
    area = masks.mean(axis=(1, 2))
    rim = np.stack([masks[:, 0].any(1), masks[:, -1].any(1), masks[:, :, 0].any(1), masks[:, :, -1].any(1)])
    sides = ("top", "bottom", "left", "right")
    seen = masks[area > 0]
    return {
        "empty_frames": float((area == 0).mean()),
        "cut_frames": float(rim.any(axis=0).mean()),
        "cut_sides": [side for side, cut in zip(sides, rim, strict=True) if cut.mean() > SIDE_SHARE],
        "second_figure": float(np.median(second)),
        "aspect": _aspect(seen) / _aspect(start_mask[None]) if len(seen) else None,
    }


def aligned_numbers(
    masks: np.ndarray, areas: np.ndarray, start_mask: np.ndarray, fit: np.ndarray, times: np.ndarray
) -> dict:
    """What the aligned reference looks like beside the robot at its start pose.

    Args:
        masks: (T, S, S) bool.
        areas: (T,) area that the whole robot should have in the camera's picture [pixel].
        start_mask: (S, S) bool.
        fit: (T,) IoU of each frame with the start mask over small shifts.
        times: (T,) of the frames [s].
    """
    area = masks.sum(axis=(1, 2)).astype(float)
    if not masks.any(axis=(1, 2)).all():
        return {"kept": 0.0}  # the figure leaves the picture altogether: nothing else can be said
    change = (masks[1:] ^ masks[:-1]).sum(axis=(1, 2)) / area.mean()
    period, regularity = gait(masks, constant_rate(times))
    return {
        "kept": float(np.median(area / areas)),
        "area": float(area.mean() / start_mask.sum()),
        "area_variation": float(area.std() / area.mean()),
        "components": float(np.mean([cv2.connectedComponents(mask.astype(np.uint8))[0] - 1 for mask in masks])),
        "change": float(change.mean()),
        "frozen_frames": float((change < 0.1 * np.median(change)).mean()) if np.median(change) > 0 else 1.0,
        "gait_period": period,
        "gait_regularity": regularity,
        "start_iou": _iou(masks[0], start_mask),
        "best_iou": max(_iou(mask, start_mask) for mask in masks),
        "best_fit": float(fit.max()),
        "best_fit_at": float(times[fit.argmax()]),
        "best_iou_upside_down": max(_iou(_centred(mask), _centred(_upside_down(start_mask))) for mask in masks),
        "best_iou_mirrored": max(_iou(mask, _mirrored(start_mask)) for mask in masks),
    }


def reachable_numbers(iou: np.ndarray, rate: float) -> dict:
    """How nearly poses of the robot make the masks of a clip.

    The poses are those that a lift found, one for each frame, turning in the picture's plane and smooth over time: the
    best pose of all may be nearer, so these are lower bounds.

    Args:
        iou: (T,) of each mask with the silhouette of the pose found for it.
        rate: frames per second [Hz].

    Returns:
        ``median``, ``low`` (a twentieth of the frames is below), ``least`` and ``least_at`` [s], and ``unreached``: the
        frames below :data:`MIN_REACHABLE`.
    """
    return {
        "median": float(np.median(iou)),
        "low": float(np.percentile(iou, 5.0)),
        "least": float(iou.min()),
        "least_at": float(iou.argmin() / rate),
        "unreached": np.flatnonzero(iou < MIN_REACHABLE).tolist(),
    }


def gait_period(masks: np.ndarray, rate: float) -> float | None:
    """Time after which the lower half of the silhouette repeats [s], or None where nothing repeats; see ``gait``."""
    return gait(masks, rate)[0]


def gait(masks: np.ndarray, rate: float) -> tuple[float | None, float]:
    """Period of the lower half of the silhouette [s], and how regular it is.

    The first peak of the autocorrelation of the masks' lower halves that reaches 0.4 of the highest one: one step
    where a step of the left leg looks much like one of the right, as in most side views, else a stride.

    Args:
        masks: (T, H, W) bool.
        rate: frames per second [Hz].

    Returns:
        The period, or None where nothing repeats, and the autocorrelation there: 1 where every step is like the last.
    """
    rows = np.flatnonzero(masks.any(axis=(0, 2)))
    middle = (rows[0] + rows[-1]) // 2
    legs = masks[:, middle : rows[-1] + 1].reshape(len(masks), -1).astype(np.float32)
    legs -= legs.mean(axis=0)
    products = legs @ legs.T
    lags = np.arange(min(len(masks) - 2, int(2.5 * rate)) + 1)
    curve = np.array([np.diagonal(products, lag).mean() for lag in lags]) / max(np.trace(products) / len(masks), 1e-9)
    peaks = [
        lag
        for lag in range(max(2, int(0.15 * rate)), len(curve) - 1)
        if curve[lag] >= curve[lag - 1] and curve[lag] > curve[lag + 1]
    ]
    strong = [lag for lag in peaks if curve[lag] > max(0.15, 0.4 * max(curve[p] for p in peaks))]
    if not strong:
        return None, 0.0
    before, at, after = curve[strong[0] - 1 : strong[0] + 2]
    # The parabola through the peak and its neighbours places it between frames.
    period = (strong[0] + 0.5 * (before - after) / (before - 2 * at + after)) / rate
    return float(period), float(min(at, 1.0))


def _extent(mask: np.ndarray) -> tuple[int, int]:
    """Height and width of the mask's bounding box [pixel]."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def _aspect(masks: np.ndarray) -> float:
    """Median width over height."""
    return float(np.median([width / height for height, width in map(_extent, masks)]))


def _centred(mask: np.ndarray) -> np.ndarray:
    """The mask with its centre of area in the middle column: alignment took an upside-down robot's legs for a trunk."""
    return np.roll(mask, mask.shape[1] // 2 - round(np.nonzero(mask)[1].mean()), axis=1)


def _upside_down(mask: np.ndarray) -> np.ndarray:
    """The mask turned over within its own bounding rows, so that it keeps its place."""
    rows = np.flatnonzero(mask.any(axis=1))
    turned = mask.copy()
    turned[rows[0] : rows[-1] + 1] = mask[rows[0] : rows[-1] + 1][::-1]
    return turned


def _mirrored(mask: np.ndarray) -> np.ndarray:
    """The mask turned left to right about its trunk."""
    return np.roll(mask[:, ::-1], round(2 * trunk_x(mask)) - mask.shape[1], axis=1)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union."""
    return float((a & b).sum() / max((a | b).sum(), 1))
