# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Few seeds, honestly: bootstrap intervals, the interquartile mean, and the probability of improvement.

After Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice" (2021), with SciPy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
"""Level of every interval."""

_RESAMPLES = 2000

Interval = tuple[float, float]


@dataclass(frozen=True)
class Summary:
    """A metric of one policy over episodes and seeds."""

    mean: float | None
    """Mean over seeds of each seed's mean over episodes; None where no episode has a value."""

    iqm: float | None
    """Interquartile mean: the mean of the middle half of all episodes of all seeds."""

    iqm_ci: Interval | None
    """95 % interval of ``iqm``: over seeds, each drawn again with all its episodes; with one seed over episodes. None
    for a single episode."""

    episodes_ci: Interval | None
    """95 % interval of the mean, episodes drawn again within each seed: how well these seeds are known."""

    seeds_ci: Interval | None
    """95 % interval of the mean, seeds drawn again: how well the method is known. None for fewer than two seeds."""

    episodes: int
    """Episodes that have a value (a gait that nothing repeats has no period)."""


def summarise(seeds: list[np.ndarray], seed: int = 0) -> Summary:
    """Summary of a metric.

    Args:
        seeds: for each seed its episodes' values (N,); NaN where an episode has none.
        seed: seed of the resampling.
    """
    known = [values[~np.isnan(values)] for values in seeds]
    known = [values for values in known if len(values)]
    if not known:
        return Summary(None, None, None, None, None, 0)
    pooled = np.concatenate(known)
    means = np.array([values.mean() for values in known])
    return Summary(
        mean=float(means.mean()),
        iqm=float(_iqm(pooled)),
        iqm_ci=_iqm_interval(known, seed) if len(pooled) > 1 else None,
        episodes_ci=_interval(known, _mean_of_means, seed) if min(map(len, known)) > 1 else None,
        seeds_ci=_interval([means], np.mean, seed) if len(means) > 1 else None,
        episodes=len(pooled),
    )


def probability_of_improvement(ours: np.ndarray, theirs: np.ndarray, seed: int = 0) -> tuple[float, Interval | None]:
    """Probability that a run of ours is better than one of theirs, ties counting half: Mann-Whitney's U over n m.

    Args:
        ours: a value a run (or an episode, where there is one run each), larger is better. Shape is (n,).
        theirs: the same of the other method. Shape is (m,).
        seed: seed of the resampling.

    Returns:
        The probability and its 95 % interval; no interval for fewer than two runs of either.
    """
    few = min(len(ours), len(theirs)) < 2
    return float(_share_of_wins(ours, theirs)), None if few else _interval([ours, theirs], _share_of_wins, seed)


def _share_of_wins(ours: np.ndarray, theirs: np.ndarray, axis: int = -1) -> np.ndarray:
    pairs = ours.shape[axis] * theirs.shape[axis]
    return stats.mannwhitneyu(ours, theirs, axis=axis, method="asymptotic").statistic / pairs


def _mean_of_means(*seeds: np.ndarray, axis: int = -1) -> np.ndarray:
    return sum(values.mean(axis=axis) for values in seeds) / len(seeds)


def _iqm(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return stats.trim_mean(values, 0.25, axis=axis)


def _iqm_interval(seeds: list[np.ndarray], seed: int) -> Interval:
    """Interval of the interquartile mean, over seeds where there are several, else over episodes."""
    if len(seeds) == 1:
        return _interval(seeds, _iqm, seed)

    def of_drawn(places: np.ndarray, axis: int = -1) -> np.ndarray:
        # few seeds can be drawn in few ways only: each is computed once
        ways, which = np.unique(np.sort(places, axis=axis), axis=0, return_inverse=True)
        return np.array([_iqm(np.concatenate([seeds[place] for place in way])) for way in ways])[which.reshape(-1)]

    return _interval([np.arange(len(seeds))], of_drawn, seed)


def _interval(samples: list[np.ndarray], statistic, seed: int) -> Interval:
    """Percentile bootstrap; each sample is drawn again by itself."""
    if all(np.ptp(values) == 0 for values in samples):  # nothing to draw: SciPy would warn
        value = float(statistic(*samples, axis=-1))
        return value, value
    result = stats.bootstrap(
        samples,
        statistic,
        n_resamples=_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    low, high = (float(bound) for bound in result.confidence_interval)
    return low, high
