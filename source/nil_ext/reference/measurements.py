# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What can be measured on a segmented clip, before it is aligned to any task: numbers without a judgement.

Lengths are given as shares of the robot's size, so that they hold for every robot and picture: the size is the median
of the longer side of the mask's box. A change over the clip is the median over its last third against its first.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d, label

from nil_ext.reference.alignment import trunk_x
from nil_ext.reference.video import constant_rate

FLOW_SIDE = 320
"""Longer side of the picture on which motion is measured [pixel]: enough for limbs, and fast."""

LEAST_SIDE = 32
"""Least side of that picture [pixel]: in less (of a clip of 200 x 16, say) OpenCV reads beyond its memory."""

STILL = 0.15
"""A frame that moves less than this share of the median frame repeats the one before (ours: repeated frames of the A1
clip reach 0.05 after compression, the slowest true frames of the four real clips 0.3)."""

JUMP = 1.8
"""A frame that moves more than this times the median of its four neighbours comes after a gap (ours: one lost frame
gives 2; the four real clips stay below 1.75 in 99 % of their frames)."""

CUT_CHANGE = 4.0
"""A step in which the upper body changes more than this times the clip's 90th percentile is a cut (ours)."""

CUT_MOVE = 0.025
"""A step in which the upper body moves further than its neighbours by this share of the robot's size is a cut (ours:
0.01 at most in the four real clips, of which the camera follows the robot)."""

BANDS = 6
"""Horizontal bands of the robot whose colours are compared over time (ours)."""


def measure(
    frames: np.ndarray, masks: np.ndarray, background: np.ndarray | None, times: np.ndarray
) -> tuple[dict, np.ndarray]:
    """Measure a clip.

    Args:
        frames: (T, H, W, 3) uint8.
        masks: (T, H, W) bool, none of them empty.
        background: (3,) colour of a plain background, or None where it is not plain.
        times: (T,) of the frames [s].

    Returns:
        JSON-able numbers (see the functions of this module), and the motion (T - 1,) from frame to frame over its
        median.
    """
    heights, widths = box_sizes(masks)
    rate = constant_rate(times)
    size = float(np.median(np.maximum(heights, widths)))
    flow = flow_between(frames)
    speed = robot_motion(flow, masks) / size
    numbers = {
        **_drifts(frames, masks, background, heights, widths),
        **_pace(speed, upper_body_jumps(flow, masks, size), times),
        "jitter": trunk_jitter(masks, rate) / size,
        "area_jump": area_jump(masks),
        "shadow": ground_shadow(masks, size) / size,
        "marks": [] if background is None else still_marks(frames, masks, background),
        "foot_slide": foot_slide(flow, masks, size) * rate,
    }
    return numbers, speed / max(float(np.median(speed)), 1e-9)


def box_sizes(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heights (T,) and widths (T,) of the masks' boxes [pixel]."""
    rows, columns = masks.any(axis=2), masks.any(axis=1)
    return tuple(
        (lines.shape[1] - lines[:, ::-1].argmax(axis=1) - lines.argmax(axis=1)).astype(float)
        for lines in (rows, columns)
    )


def change(values: np.ndarray, percentile: float = 50.0) -> float:
    """Last third of the values over the first, minus 1."""
    third = max(1, len(values) // 3)
    return float(np.percentile(values[-third:], percentile) / np.percentile(values[:third], percentile) - 1.0)


def _drifts(
    frames: np.ndarray, masks: np.ndarray, background: np.ndarray | None, heights: np.ndarray, widths: np.ndarray
) -> dict:
    """Slow changes: brightness, size, heading, looks.

    ``contrast_change``: distance of the robot's colour to the background's (to white where there is none).
    ``scale_change``: its height. ``width_change``: its greatest width over its height, which is its stride; and
    ``area_change``: its area over its height squared; both change where it turns. ``identity_change``: the colours of
    six bands from head to foot, where fading is taken out [8-bit levels].
    """
    plain = np.full(3, 255.0) if background is None else np.asarray(background, dtype=float)
    contrast = np.array([np.abs(f[m] - plain).mean() for f, m in zip(frames, masks, strict=True)])
    bands = np.stack([_bands(f, m, plain) for f, m in zip(frames, masks, strict=True)]) / contrast[:, None, None]
    third = max(1, len(frames) // 3)
    moved = np.median(bands[-third:], axis=0) - np.median(bands[:third], axis=0)
    return {
        "contrast_change": change(contrast),
        "scale_change": change(heights),
        "width_change": change(widths / heights, 90.0),
        "area_change": change(masks.sum(axis=(1, 2)) / heights**2),
        "identity_change": float(np.abs(moved).mean() * np.median(contrast)),
    }


def _bands(frame: np.ndarray, mask: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """Median difference (B, 3) to the background of bands of equal height."""
    rows = np.flatnonzero(mask.any(axis=1))
    edges = np.linspace(rows[0], rows[-1] + 1, BANDS + 1).round().astype(int)
    result = np.zeros((BANDS, 3))
    for i, (low, high) in enumerate(itertools.pairwise(edges)):
        pixels = frame[low:high][mask[low:high]]
        result[i] = np.median(pixels, axis=0) - plain if len(pixels) else 0.0
    return result


def flow_between(frames: np.ndarray) -> np.ndarray:
    """Optical flow (T - 1, h, w, 2) from each frame to the next [pixel of the clip] on a shrunken picture."""
    height, width = frames.shape[1:3]
    shrink = min(1.0, FLOW_SIDE / max(height, width))
    size = (max(LEAST_SIDE, round(width * shrink)), max(LEAST_SIDE, round(height * shrink)))
    grey = [cv2.resize(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA) for f in frames]
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flows = [method.calc(before, after, None) for before, after in itertools.pairwise(grey)]
    return np.stack(flows) * (np.array([width, height]) / size).astype(np.float32)


def robot_motion(flow: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Mean motion (T - 1,) of the robot's pixels from frame to frame [pixel]."""
    small = _shrunk(masks, flow.shape[1:3])
    return np.array([np.linalg.norm(f[a | b], axis=-1).mean() for f, a, b in zip(flow, small, small[1:], strict=False)])


def _shrunk(masks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Masks (T, h, w) on the flow's picture; nothing of a thin robot is lost."""
    return np.stack([cv2.resize(m.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA) > 0 for m in masks])


def _pace(speed: np.ndarray, jumps: np.ndarray, times: np.ndarray) -> dict:
    """How time passes, from the motion (T - 1,) [sizes], which steps (T - 1,) are cuts, and the frames' times (T,) [s].

    ``motion``: median motion [sizes/s]. ``repeated``: share of frames that repeat the one before. ``frozen_from`` and
    ``frozen_for``: the longest run of them [s]. ``gaps``: share of frames after which some are missing. ``cuts``:
    times of hard cuts [s].
    """
    middle = float(np.median(speed))
    still = speed <= STILL * middle
    runs, count = label(still)
    lengths = np.bincount(runs, np.diff(times), count + 1)[1:]
    longest = int(lengths.argmax()) if count else 0
    moving = np.flatnonzero(~still)
    # what a player repeats hides no gap: neighbours are the nearest frames that move
    steps = speed[moving]
    around = np.stack([np.roll(steps, shift) for shift in (-2, -1, 1, 2)])
    gaps = (steps > JUMP * np.median(around, axis=0)) & ~jumps[moving]
    return {
        "motion": middle * constant_rate(times),
        "repeated": float(still.mean()),
        "frozen_from": float(times[np.flatnonzero(runs == longest + 1)[0] + 1]) if count else 0.0,
        "frozen_for": float(lengths.max()) if count else 0.0,
        "gaps": float(gaps[2:-2].mean()) if len(gaps) > 4 else 0.0,
        "cuts": times[1:][jumps].tolist(),
    }


def upper_body_jumps(flow: np.ndarray, masks: np.ndarray, size: float) -> np.ndarray:
    """Which steps (T - 1,) are cuts: the upper body, steady in a clip whose camera follows, is elsewhere or another."""
    rows = np.flatnonzero(masks.any(axis=(0, 2)))
    upper = masks.copy()
    upper[:, (rows[0] + rows[-1]) // 2 :] = False
    changed = (upper[1:] ^ upper[:-1]).sum(axis=(1, 2)) / max(np.median(upper.sum(axis=(1, 2))), 1.0)
    small = _shrunk(upper, flow.shape[1:3])
    moved = np.array([np.median(f[m], axis=0) if m.any() else (0, 0) for f, m in zip(flow, small, strict=False)])
    moved = np.linalg.norm(moved, axis=-1) / size
    around = np.median(np.stack([np.roll(moved, shift) for shift in (-2, -1, 1, 2)]), axis=0)
    return (changed > CUT_CHANGE * max(np.percentile(changed, 90), 0.02)) | (moved > around + CUT_MOVE)


def trunk_jitter(masks: np.ndarray, rate: float) -> float:
    """Root mean square of the trunk's place about its course, smoothed over 0.1 s [pixel]."""
    place = np.array([trunk_x(mask) for mask in masks])
    return float(np.sqrt(np.mean((place - gaussian_filter1d(place, 0.1 * rate, mode="nearest")) ** 2)))


def area_jump(masks: np.ndarray) -> float:
    """Largest change of the area from one frame to the next, over the median area."""
    area = masks.sum(axis=(1, 2)).astype(float)
    return float(np.abs(np.diff(area)).max() / np.median(area))


def ground_shadow(masks: np.ndarray, size: float) -> float:
    """Length of the strip under the robot that is dark in four of five frames [pixel].

    Feet come and go, and one that stands is short; a shadow goes along and is as long as the robot's stride.
    """
    bottom = int(np.flatnonzero(masks.any(axis=(0, 2)))[-1])
    strip = masks[:, max(0, bottom - round(0.06 * size)) : bottom + 1].mean(axis=0)
    return float((strip > 0.8).any(axis=0).sum())


def still_marks(frames: np.ndarray, masks: np.ndarray, background: np.ndarray) -> list[str]:
    """Places of things that stand still in the picture, beside the robot: a watermark, a caption, a marker.

    Returns:
        Places such as "top left", by thirds of the picture.
    """
    seen = np.zeros(masks.shape[1:])
    for frame in frames:
        seen += np.abs(frame - background).max(axis=-1) > 12.0
    # a robot that passes over the mark now and then hides it; haze comes and goes
    still = (seen / len(frames) > 0.9) & (masks.mean(axis=0) < 0.05)
    robot = float(np.median(masks.sum(axis=(1, 2))))
    joined, count = label(cv2.dilate(still.astype(np.uint8), np.ones((9, 9), np.uint8)))
    height, width = still.shape
    places = []
    for i in range(1, count + 1):
        rows, columns = np.nonzero((joined == i) & still)
        if len(rows) < 0.008 * robot:
            continue
        vertical = ("top", "middle", "bottom")[min(2, int(3 * rows.mean() / height))]
        horizontal = ("left", "middle", "right")[min(2, int(3 * columns.mean() / width))]
        places.append(vertical if vertical == horizontal else f"{vertical} {horizontal}")
    return sorted(set(places))


def foot_slide(flow: np.ndarray, masks: np.ndarray, size: float) -> float:
    """Median horizontal motion of the robot's lowest pixels from frame to frame, right positive [sizes].

    In a follow camera the foot that stands moves against the walk: to the left where the robot walks to the right.
    """
    small = _shrunk(masks, flow.shape[1:3])
    band = max(1, round(0.04 * size * flow.shape[1] / masks.shape[1]))
    slides = []
    for step, mask in zip(flow, small, strict=False):
        lowest = int(np.flatnonzero(mask.any(axis=1))[-1])
        rows = slice(max(0, lowest - band), lowest + 1)
        slides.append(np.median(step[rows, :, 0][mask[rows]]))
    return float(np.mean(slides) / size)
