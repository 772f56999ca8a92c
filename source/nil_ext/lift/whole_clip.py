# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""All frames of a clip fitted together, from the path that the search found.

They are improved with a prior for smoothness, in larger pictures, and seen from further away: the distance that fits
best is kept. Where the gait is steady strides are held to repeat one another, or limbs at least to take turns, unless
the pictures speak against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from .alternation import Gait, repeated
from .fitting import path_cost, refine_together
from .prior import Prior
from .search import Found, Report
from .silhouette import NUM_ROOT, Puppet

_GIVEN_UP = 0.03
"""IoU that may be lost by holding a gait to repeat itself, or limbs to take turns (ours: 0.00 to 0.02 by repeating on
the generated clips of the humanoids; 0.06 on the A1's, which is seen from above, but 0.01 by taking turns)."""

_MOMENTS = (-4, -3, -2, -1, 1, 2, 3, 4)
"""Half strides from now at which a steady gait is asked what it does now."""

_DISTANCES = (1.0, 2.0, 4.0)
"""Distances of the camera that are tried, in units of the task's: generated clips often show less perspective."""


@dataclass(frozen=True)
class Fit:
    """A path through all frames, as a camera at some distance sees it."""

    path: np.ndarray
    """Shape is (T, P)."""
    deviation: np.ndarray
    """Standard deviation of each of its values. Shape is (T, P)."""
    puppet: Puppet
    """As that camera sees it."""
    cost: float
    iou: float
    """Of the whole clip, in blurred pictures."""


def fit_whole(found: Found, report: Report) -> Fit:
    """Fit all frames of a clip together.

    Args:
        found: where to begin, and what it is judged by.
        report: told about progress.
    """
    report("fitting all frames together", 0.76)
    loose = _cheapest(found, found.path)
    if found.gait is None:
        return loose
    report("repeating the strides", 0.84)
    steady = _cheapest(found, found.in_turn, partial(_repeating, found, found.gait))
    if steady.iou > loose.iou - _GIVEN_UP:
        return steady
    if found.in_turn is found.path:
        return loose
    report("letting limbs take turns", 0.92)
    # strides of which no two are alike
    in_turn = _cheapest(found, found.in_turn)
    return in_turn if in_turn.iou > loose.iou - _GIVEN_UP else loose


def _cheapest(found: Found, path: np.ndarray, held_to: Callable[[np.ndarray], Prior] | None = None) -> Fit:
    """A path (T, P) fitted from each distance of the camera; the best of them."""
    fits = [fit for distance in _DISTANCES for fit in _fits(found, distance, path, held_to)]
    return min(fits, key=lambda fit: fit.cost)


def _fits(found: Found, distance: float, path: np.ndarray, held_to: Callable[[np.ndarray], Prior] | None) -> list[Fit]:
    """A path (T, P) fitted as by a camera at a distance, in units of the task's.

    One that repeats itself is looked for from the path and from what it comes to without that: legs of a trot that
    were exchanged in passing stay so in the one, strides that are too uneven stay so in the other.
    """
    puppet = found.puppet.seen_from(distance, found.puppet.elevation)
    _, middle, fine = found.clip.pictures(puppet)
    starts = [refine_together(middle, path, found.motions, 5)[0]]
    if held_to is not None:
        starts = [refine_together(middle, start, found.motions, 10, held_to)[0] for start in (path, *starts)]
    fits = []
    for start in starts:
        fitted, deviation = refine_together(fine, start, found.motions, 5, held_to)
        # coarser pictures do not tell perspectives apart
        fits.append(Fit(fitted, deviation, puppet, path_cost(fine, fitted, found.motions), fine.iou(fitted)))
    return fits


def _repeating(found: Found, gait: Gait, path: np.ndarray) -> Prior:
    """What poses are like, and that strides repeat one another as they do in a path (T, P), limbs by turns."""
    one, other = ([column for limbs in gait.pairs for column in limbs[side]] for side in (0, 1))
    trunk = [2, *(NUM_ROOT + row for row in np.flatnonzero(found.puppet.trunk))]
    columns, swapped = one + other + trunk, other + one + trunk
    deviation = found.clip.settings.unsteadiness
    prior = found.motions.poses.also(columns, repeated(path, columns, swapped, gait.half, _MOMENTS), deviation)
    # which of these limbs is which is less certain, and what has no mirror image shows one side alone
    rest = [column for column in range(NUM_ROOT, path.shape[1]) if column not in columns]
    whole = [moment for moment in _MOMENTS if moment % 2 == 0]
    return prior.also(rest, repeated(path, rest, rest, gait.half, whole), deviation)
