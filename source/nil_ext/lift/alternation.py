# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Legs that walk take turns: which of two limbs is in front changes whenever they pass each other.

A silhouette does not say which leg is which, and the perspective of a generated clip is not ours: it can call whatever
leg is in front the left one, frame for frame, so that the left leg never gets behind the right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import find_peaks

_LEAST_SWING = 0.1
"""Limbs whose first joints are never further apart than this hardly swing, and nothing says when they pass [rad]."""

_PROMINENCE = 0.3
"""How much nearer two limbs have to come than before and after, as a share of how far apart they swing (ours)."""

_APART = 0.12
"""Least time between two passings [s]: half a stride of the quickest trot takes more (ours)."""

_BLIND = 0.16
"""Share of the time between passings, before and after one, in which overlapping limbs are not told apart (ours); whole
frames, so that of a trot in few frames only the passing itself is left out."""

_STEADY = 0.25
"""Largest standard deviation of the times between passings, as a share of their median, of a steady gait (ours: 0.07 to
0.09 on the legs of the humanoids' generated clips, 0.2 and more on their arms and on the A1's legs, not all of whose
passings are seen)."""

Limbs = tuple[list[int], list[int]]
"""Columns of a limb's parameters and of its mirror image's, from the trunk outwards."""


@dataclass(frozen=True)
class Gait:
    """Limbs that take turns at a steady pace."""

    half: float
    """Frames of half a stride."""
    pairs: list[Limbs]


def passings(path: np.ndarray, limbs: Limbs, rate: float) -> np.ndarray:
    """Frames in which two limbs pass each other: where they come together and part again, whichever is which.

    Args:
        path: poses. Shape is (T, P).
        limbs: the two.
        rate: frames per second [Hz].
    """
    apart = np.abs(path[:, limbs[0][0]] - path[:, limbs[1][0]])
    swing = np.percentile(apart, 90)
    if swing < _LEAST_SWING:
        return np.array([], dtype=int)
    return find_peaks(-apart, prominence=_PROMINENCE * swing, distance=max(1, round(_APART * rate)))[0]


def alternating(path: np.ndarray, limbs: Limbs, rate: float) -> list[np.ndarray]:
    """The path with two limbs exchanged where needed, so that who is in front changes at every passing.

    Args:
        path: poses. Shape is (T, P).
        limbs: the two.
        rate: frames per second [Hz].

    Returns:
        Two paths (T, P), one for each limb that may have begun in front; none where the path alternates already, or
        where the limbs never pass each other. In the frames in which they overlap they keep their course.
    """
    times = passings(path, limbs, rate)
    if len(times) == 0:
        return []
    frames, (one, other) = np.arange(len(path)), limbs
    reach = int(_BLIND * np.median(np.diff(times))) if len(times) > 1 else 1
    blind = (np.abs(frames[:, None] - times) <= reach).any(axis=1)
    ahead = np.sign(path[:, one[0]] - path[:, other[0]])
    turn = 1.0 - 2.0 * (np.searchsorted(times, frames) % 2)  # +1 and -1 by turns, from passing to passing
    columns, paths = [*one, *other], []
    for first in (1.0, -1.0):
        wrong = (ahead != first * turn) & ~blind
        if not wrong.any():
            return []
        exchanged = np.where(wrong[:, None], exchange(path, limbs), path)
        course = CubicSpline(frames[~blind], exchanged[~blind][:, columns])
        exchanged[np.ix_(blind, columns)] = course(frames[blind])
        paths.append(exchanged)
    return paths


def pace(path: np.ndarray, limbs: Limbs, rate: float) -> float | None:
    """Frames from one passing of two limbs to the next; None where they do not pass each other at a steady pace.

    Args:
        path: poses. Shape is (T, P).
        limbs: the two.
        rate: frames per second [Hz].
    """
    times = passings(path, limbs, rate)
    if len(times) < 2:
        return None
    steps = np.diff(times)
    if steps.std() > _STEADY * np.median(steps):
        return None
    return float(times[-1] - times[0]) / len(steps)


def half_stride(path: np.ndarray, pairs: Sequence[Limbs], paces: Sequence[float]) -> float:
    """Frames after which the limbs of each pair do what their others do now, and after twice as many what they do now.

    Passings are seen in whole frames, of which a trot takes few, and one may be missed. Of the lengths within 10 % of
    each pair's pace that one is taken by which all of them repeat themselves best, by the mean of absolute differences:
    limbs that are exchanged in a few frames should not decide.

    Args:
        path: poses. Shape is (T, P).
        pairs: limbs that pass each other at a steady pace.
        paces: of each pair [frames].
    """
    one, other = ([column for limbs in pairs for column in limbs[side]] for side in (0, 1))
    frames, columns, swapped = np.arange(len(path)), one + other, other + one
    course = CubicSpline(frames, path, extrapolate=False)

    def unlike(half: float) -> float:
        after = [course(frames + half)[:, swapped], course(frames + 2.0 * half)[:, columns]]
        return float(np.nanmean(np.abs(np.stack(after) - path[:, columns])))

    return float(min(np.outer(paces, np.linspace(0.9, 1.1, 41)).ravel(), key=unlike))


def repeated(
    path: np.ndarray, columns: list[int], swapped: list[int], half: float, moments: Sequence[int]
) -> np.ndarray:
    """What parameters are at other moments of a gait: the median over them.

    Args:
        path: poses. Shape is (T, P).
        columns: parameters that are asked for.
        swapped: which parameters do half a stride later what these do; their mirror images'.
        half: frames of half a stride.
        moments: half strides from now, in the future or past.

    Returns:
        One column for each of ``columns``, NaN where none of the moments is in the clip. Shape is (T, columns).
    """
    frames = np.arange(len(path))
    course = CubicSpline(frames, path, extrapolate=False)
    seen = np.stack([course(frames + k * half)[:, swapped if k % 2 else columns] for k in moments])
    known = np.isfinite(seen).any(axis=(0, 2))
    values = np.full(seen.shape[1:], np.nan)
    values[known] = np.nanmedian(seen[:, known], axis=0)
    return values


def exchange(path: np.ndarray, limbs: Limbs) -> np.ndarray:
    """The path (T, P) with two limbs exchanged."""
    one, other = limbs
    exchanged = path.copy()
    exchanged[:, one], exchanged[:, other] = path[:, other], path[:, one]
    return exchanged
