# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""First numbers about a reference, and the refusal of what cannot be imitated."""

from __future__ import annotations

import cv2
import numpy as np

from nil_ext.errors import InputError
from nil_ext.reference.alignment import trunk_x

MAX_CUT = 0.1
"""Share of frames in which the robot may touch the picture's rim (ours)."""

MAX_EMPTY = 0.02
"""Share of frames without a robot (ours)."""

MAX_SECOND = 0.3
"""Area of a second figure, as a share of the robot's, above which it is another robot (ours)."""

MAX_ASPECT = 2.5
"""Factor by which width over height may differ from the start pose's (ours): a stride is wide, lying is wider."""

MAX_TURNED = 0.05
"""IoU by which the start pose turned over may fit the clip better than as it is (ours). The right way round wins by
0.10 for the real H1 clip, whose gait is not the start pose's, and by 0.6 for the sketch."""

MIN_FIT = 0.3
"""IoU with the start pose that the best frame must reach (ours): the real H1 clip has 0.48, the sketch 0.99, the sketch
upside down 0.24."""

AREA_RANGE = (0.6, 1.4)
"""Area of the figure relative to the start pose's (ours): 1.04 for the real H1 clip; 1.5 for a G1's and 1.75 for a
Talos's brought to the H1's height."""

MAX_FROZEN = 0.5
"""Share of frames that may repeat the one before (ours); generated clips often repeat some."""

MIN_KEPT = 0.95
"""Share of the robot's area that the camera's picture must hold in the median frame (ours)."""


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
        "cut_sides": [side for side, cut in zip(sides, rim, strict=True) if cut.mean() > MAX_CUT],
        "second_figure": float(np.median(second)),
        "aspect": _aspect(seen) / _aspect(start_mask[None]) if len(seen) else None,
    }


def aligned_numbers(masks: np.ndarray, areas: np.ndarray, start_mask: np.ndarray, rate: float) -> dict:
    """What the aligned reference looks like beside the robot at its start pose.

    Args:
        masks: (T, S, S) bool.
        areas: (T,) area that the whole robot should have in the camera's picture [pixel].
        start_mask: (S, S) bool.
        rate: frames per second [Hz].
    """
    area = masks.sum(axis=(1, 2)).astype(float)
    if not masks.any(axis=(1, 2)).all():
        return {"kept": 0.0}  # the figure leaves the picture altogether: nothing else can be said
    heights = np.array([_extent(mask)[0] for mask in masks], dtype=float)
    change = (masks[1:] ^ masks[:-1]).sum(axis=(1, 2)) / area.mean()
    third = max(1, len(masks) // 3)
    return {
        "kept": float(np.median(area / areas)),
        "area": float(area.mean() / start_mask.sum()),
        "area_variation": float(area.std() / area.mean()),
        "scale_drift": float(heights[-third:].mean() / heights[:third].mean() - 1.0),
        "components": float(np.mean([cv2.connectedComponents(mask.astype(np.uint8))[0] - 1 for mask in masks])),
        "change": float(change.mean()),
        "frozen_frames": float((change < 0.1 * np.median(change)).mean()) if np.median(change) > 0 else 1.0,
        "gait_period": gait_period(masks, rate),
        "start_iou": _iou(masks[0], start_mask),
        "best_iou": max(_iou(mask, start_mask) for mask in masks),
        "best_iou_upside_down": max(_iou(_centred(mask), _centred(_upside_down(start_mask))) for mask in masks),
        "best_iou_mirrored": max(_iou(mask, _mirrored(start_mask)) for mask in masks),
    }


def gait_period(masks: np.ndarray, rate: float) -> float | None:
    """Time after which the lower half of the silhouette repeats [s].

    The first peak of the autocorrelation of the masks' lower halves that reaches 0.4 of the highest one: one step
    where a step of the left leg looks much like one of the right, as in most side views, else a stride.

    Args:
        masks: (T, H, W) bool.
        rate: frames per second [Hz].

    Returns:
        The period, or None where nothing repeats.
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
        return None
    before, at, after = curve[strong[0] - 1 : strong[0] + 2]
    # The parabola through the peak and its neighbours places it between frames.
    return float((strong[0] + 0.5 * (before - after) / (before - 2 * at + after)) / rate)


def verify_clip(path: str, numbers: dict) -> None:
    """Refuse a segmented clip that cannot be imitated, with the reason and the remedy."""
    if numbers["empty_frames"] > MAX_EMPTY:
        raise InputError(
            f"{path}: no robot found in {numbers['empty_frames']:.0%} of the frames: give a clip of one robot that "
            "stands out from a plain background."
        )
    if numbers["second_figure"] > MAX_SECOND:
        raise InputError(
            f"{path}: a second figure of {numbers['second_figure']:.0%} of the robot's size: give a clip of one robot."
        )
    if numbers["cut_frames"] > MAX_CUT:
        raise InputError(
            f"{path}: the picture cuts the robot ({', '.join(numbers['cut_sides']) or 'rim'}) in "
            f"{numbers['cut_frames']:.0%} of the frames: give a clip that shows all of it with a margin."
        )
    aspect = numbers["aspect"]
    if not 1 / MAX_ASPECT < aspect < MAX_ASPECT:
        raise InputError(
            f"{path}: the figure's width to height is {aspect:.1f} times that of the robot at its start pose (lying, "
            "or another robot): give an upright side view of the task's robot."
        )


def verify_reference(path: str, numbers: dict) -> None:
    """Refuse an aligned clip whose robot does not stand in the picture as the task's does."""
    if numbers["kept"] < MIN_KEPT:
        raise InputError(
            f"{path}: scaled to the task's robot, the figure leaves the camera's picture ({numbers['kept']:.0%} of it "
            "remains): give a clip whose camera follows the robot at a fixed distance."
        )
    if numbers["frozen_frames"] > MAX_FROZEN:
        raise InputError(f"{path}: the robot stands still: give a clip in which it does what it is to learn.")
    if numbers["best_iou_upside_down"] > numbers["best_iou"] + MAX_TURNED:
        raise InputError(f"{path}: the robot is upside down: flip the clip vertically.")
    if numbers["best_iou_mirrored"] > numbers["best_iou"] + MAX_TURNED:
        raise InputError(f"{path}: the robot faces left, the task's robot faces right: mirror the clip.")
    if not AREA_RANGE[0] < numbers["area"] < AREA_RANGE[1] or numbers["best_iou"] < MIN_FIT:
        raise InputError(
            f"{path}: the figure is not the task's robot, or not upright (area {numbers['area']:.2f} times the start "
            f"pose's, best overlap {numbers['best_iou']:.2f}): give a side view of this robot that faces right."
        )


def summary(quality: dict) -> str:
    """Two lines for a person."""
    period = quality["gait_period"]
    return (
        f"reference quality: area {quality['area']:.2f} of the start pose's (varies {quality['area_variation']:.0%}), "
        f"scale drift {quality['scale_drift']:+.0%}, start IoU {quality['start_iou']:.2f} "
        f"(best {quality['best_iou']:.2f})\n"
        f"  repeats every {'? s' if period is None else f'{period:.2f} s'}, change {quality['change']:.1%} a frame, "
        f"frozen {quality['frozen_frames']:.0%}, pieces {quality['components']:.1f}, "
        f"touches the rim in {quality['cut_frames']:.0%}"
    )


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
