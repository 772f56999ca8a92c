# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Means, intervals and probabilities against hand arithmetic and theory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nil_ext.evaluation.statistics import probability_of_improvement, summarise


def test_mean_is_over_seeds_of_each_seed_s_mean():
    summary = summarise([np.array([1.0, 3.0]), np.array([8.0, 8.0, 8.0, 8.0])])
    assert summary.mean == pytest.approx((2.0 + 8.0) / 2)
    assert summary.episodes == 6
    # pooled and sorted 1 3 8 8 8 8: a quarter of 6 is cut to one at each end
    assert summary.iqm == pytest.approx((3 + 8 + 8 + 8) / 4)


def test_interval_over_episodes_is_the_normal_one_for_many():
    values = np.random.default_rng(1).normal(5.0, 2.0, 400)
    low, high = summarise([values]).episodes_ci
    half = 1.96 * values.std() / math.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


def test_seeds_are_drawn_again_as_wholes():
    """Two seeds that never vary: their episodes are certain, their method is anywhere between them."""
    summary = summarise([np.full(50, 1.0), np.full(50, 3.0)])
    assert summary.episodes_ci == (2.0, 2.0)
    assert summary.seeds_ci == pytest.approx((1.0, 3.0))  # both draws the same: a quarter of the samples each


def test_interval_of_the_iqm_leaves_out_the_outlier_that_the_mean_s_has():
    """Of 100 episodes one is worth 1000: draws of the middle half never see it, draws of the mean do."""
    values = np.append(np.random.default_rng(1).normal(5.0, 1.0, 99), 1000.0)
    summary = summarise([values])
    low, high = summary.iqm_ci
    assert low <= summary.iqm <= high
    assert low > 4.0 and high < 6.0 and high - low < 0.8
    assert summary.episodes_ci[1] > 20.0


def test_iqm_s_interval_draws_seeds_with_all_their_episodes():
    """Two seeds: draws are (1, 1), (1, 2), (2, 1), (2, 2), so a quarter of them are all of one seed."""
    one, other = np.array([0.0, 1.0, 2.0, 9.0]), np.array([4.0, 5.0, 6.0, 7.0, 8.0, 99.0])
    summary = summarise([one, other])
    # each seed twice: a quarter of 8 are the two 0, of 12 three at each end
    assert summary.iqm_ci == pytest.approx(((1 + 1 + 2 + 2) / 4, (5 + 6 + 6 + 7 + 7 + 8) / 6))
    # pooled and sorted 0 1 2 4 5 6 7 8 9 99: two are cut at each end
    assert summary.iqm == pytest.approx((2 + 4 + 5 + 6 + 7 + 8) / 6)


def test_one_seed_says_nothing_about_seeds_and_one_episode_nothing_about_episodes():
    assert summarise([np.array([1.0, 2.0, 3.0])]).seeds_ci is None
    single = summarise([np.array([1.0])])
    assert single.episodes_ci is None and single.iqm_ci is None


def test_episodes_without_a_value_do_not_count():
    summary = summarise([np.array([np.nan, 2.0, 4.0]), np.array([np.nan, np.nan])])
    assert (summary.mean, summary.episodes, summary.seeds_ci) == (3.0, 2, None)
    empty = summarise([np.array([np.nan])])
    assert (empty.mean, empty.iqm, empty.iqm_ci, empty.episodes_ci, empty.episodes) == (None, None, None, None, 0)


def test_the_same_seed_gives_the_same_interval():
    values = [np.random.default_rng(1).normal(size=20)]
    assert summarise(values, seed=3) == summarise(values, seed=3)


def test_probability_of_improvement_counts_pairs_and_halves_ties():
    # of the pairs (1,1) (1,2) (3,1) (3,2) (5,1) (5,2): one tie, one loss, four wins
    probability, interval = probability_of_improvement(np.array([1.0, 3.0, 5.0]), np.array([1.0, 2.0]))
    assert probability == pytest.approx(4.5 / 6)
    assert 0.0 <= interval[0] <= probability <= interval[1] <= 1.0


def test_a_method_that_always_wins_does_so_for_sure():
    assert probability_of_improvement(np.array([5.0, 6.0, 7.0]), np.array([1.0, 2.0])) == (1.0, (1.0, 1.0))
    assert probability_of_improvement(np.array([1.0]), np.array([2.0])) == (0.0, None)
