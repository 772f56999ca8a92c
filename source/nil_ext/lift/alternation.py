# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Legs that walk take turns: which of two limbs is in front changes whenever they pass each other.

A silhouette does not say which leg is which, and the perspective of a generated clip is not ours: it can call whatever
leg is in front the left one, frame for frame, so that the left leg never gets behind the right one.
"""

from __future__ import annotations

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

Limbs = tuple[list[int], list[int]]
"""Columns of a limb's parameters and of its mirror image's, from the trunk outwards."""


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


def mirrored(path: np.ndarray, limbs: Limbs, rate: float) -> np.ndarray | None:
    """What two limbs would do if each did what the other one does half a stride before and after.

    Half a stride is the usual time between two passings. Where only one of the two moments is in the clip, it alone
    counts.

    Args:
        path: poses. Shape is (T, P).
        limbs: the two.
        rate: frames per second [Hz].

    Returns:
        The parameters of both, the first limb's before the other's, NaN where neither moment is in the clip. Shape is
        (T, 2 * L). None where fewer than two passings are seen: nothing says how long a stride is.
    """
    times = passings(path, limbs, rate)
    if len(times) < 2:
        return None
    half, frames = float(np.median(np.diff(times))), np.arange(len(path))
    course = CubicSpline(frames, exchange(path, limbs)[:, [*limbs[0], *limbs[1]]], extrapolate=False)
    moments = np.stack([course(frames - half), course(frames + half)])
    inside = np.isfinite(moments)
    total = np.where(inside, moments, 0.0).sum(axis=0)
    return np.divide(total, inside.sum(axis=0), out=np.full_like(total, np.nan), where=inside.any(axis=0))


def exchange(path: np.ndarray, limbs: Limbs) -> np.ndarray:
    """The path (T, P) with two limbs exchanged."""
    one, other = limbs
    exchanged = path.copy()
    exchanged[:, one], exchanged[:, other] = path[:, other], path[:, one]
    return exchanged
