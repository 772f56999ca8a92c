# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Which part of a clip to use: without cuts, standing and captions at its ends, from the frame that shows e0 best."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from nil_ext.errors import InputError

STANDING = 0.35
"""Where the motion, averaged over a third of a second, is below this share of the clip's median, the robot stands at
an end of the clip (ours)."""

CAPTION = 0.03
"""Where the things beside the robot are larger than usual by this share of its area, there is a caption (ours)."""

GAIN = 0.03
"""IoU with the start pose by which a later frame must beat the first to be offered as the start (ours)."""

SEARCH = 1 / 3
"""Share of the clip in which the start is sought: enough must remain (ours)."""

SHORTEST = 1.0
"""Shortest part that is offered [s] (ours)."""


@dataclass(frozen=True)
class Part:
    """A part of a clip."""

    start: float
    """First frame's time [s]."""
    end: float
    """Last frame's time [s]."""
    reasons: tuple[str, ...] = ()
    """Why it is offered."""


def propose(
    times: np.ndarray, motion: np.ndarray, second: np.ndarray, cuts: list[float], start_fit: np.ndarray
) -> Part | None:
    """The part to use, or None where that is the whole clip.

    Args:
        times: (T,) [s].
        motion: (T - 1,) motion from frame to frame over its median.
        second: (T,) area of the largest thing beside the robot over the robot's.
        cuts: times of hard cuts [s].
        start_fit: (T,) IoU of each frame with the start pose, over small shifts.
    """
    low, high, reasons = 0, len(times) - 1, []
    if cuts:
        edges = [0, *(int(np.searchsorted(times, cut - 1e-6)) for cut in cuts), len(times)]
        longest = int(np.argmax([times[end - 1] - times[start] for start, end in itertools.pairwise(edges)]))
        low, high = edges[longest], edges[longest + 1] - 1
        reasons.append("hard cut")
    for name, bad in (("standing", _standing(times, motion)), ("caption", second > np.median(second) + CAPTION)):
        before = low, high
        while low < high and bad[low]:
            low += 1
        while high > low and bad[high]:
            high -= 1
        if (low, high) != before:
            reasons.append(name)
    sought = start_fit[low : low + max(1, int(SEARCH * (high - low + 1)))]
    if sought.max() > start_fit[low] + GAIN:
        low += int(sought.argmax())
        reasons.append("start pose")
    if not reasons or times[high] - times[low] < SHORTEST:
        return None
    return Part(float(times[low]), float(times[high]), tuple(reasons))


def _standing(times: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Frames (T,) about which the robot hardly moves."""
    window = max(1, round((len(times) - 1) / max(times[-1] - times[0], 1e-9) / 3))
    still = uniform_filter1d(motion, window, mode="nearest") < STANDING
    return np.append(still, still[-1:])


def parse_part(text: str) -> Part:
    """``START:END`` in seconds, either of which may be left out.

    Raises:
        InputError: When it is something else.
    """
    try:
        start, _, end = text.partition(":")
        part = Part(float(start or 0.0), float(end or "inf"))
    except ValueError as error:
        raise InputError(f"--trim {text}: give START:END in seconds, e.g. 0.5:3, or auto.") from error
    if ":" not in text or not 0.0 <= part.start < part.end:
        raise InputError(f"--trim {text}: give START:END in seconds, e.g. 0.5:3, or auto.")
    return part
