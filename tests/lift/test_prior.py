# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What is assumed of poses and of their course, worked out by hand."""

from __future__ import annotations

import numpy as np

from nil_ext.lift.prior import MotionPrior, Prior


def test_two_priors_meet_where_their_precisions_say():
    prior = Prior(np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, 2.0]))
    values = np.array([[5.0, 0.0], [np.nan, 1.0]])
    both = prior.also([2, 0], values, 1.0)
    # column 2: precisions 1/4 and 1, (3 / 4 + 5) / 1.25; column 0: 4 and 1, (4 + 0) / 5 and (4 + 1) / 5
    np.testing.assert_allclose(both.mean, [[0.8, 2.0, 4.6], [1.0, 2.0, 3.0]])
    np.testing.assert_allclose(both.deviation**-2.0, [[5.0, 1.0, 1.25], [5.0, 1.0, 0.25]])
    np.testing.assert_array_equal(prior.mean, [1.0, 2.0, 3.0])
    # the cost is that of both but for what no pose changes
    poses = np.random.default_rng(0).normal(size=(2, 3))
    apart = prior.cost(poses) + 0.5 * np.nansum((poses[:, [2, 0]] - values) ** 2, axis=1)
    constant = (
        both.cost(both.mean) - prior.cost(both.mean) - 0.5 * np.nansum((both.mean[:, [2, 0]] - values) ** 2, axis=1)
    )
    np.testing.assert_allclose(both.cost(poses), apart + constant)


def test_what_was_measured_takes_the_place_of_what_was_assumed():
    prior = Prior(np.array([1.0, 2.0]), np.array([0.5, 1.0]))
    measured = prior.known(1, 3.0, 0.1)
    np.testing.assert_array_equal(measured.mean, [1.0, 3.0])
    np.testing.assert_array_equal(measured.deviation, [0.5, 0.1])
    np.testing.assert_array_equal(prior.mean, [1.0, 2.0])


def test_a_course_costs_what_it_bends_and_stays_within_the_limits():
    motions = MotionPrior(
        Prior(np.zeros(2), np.ones(2)), np.array([[-1.0, 1.0], [0.0, 9.0]]), np.ones(2), np.array([0.5, 2.0])
    )
    # second differences: 1 and -2 of the first column, 4 and 0 of the second
    path = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 6.0], [0.0, 11.0]])
    assert motions.bending(path) == 0.5 * (2.0**2 + 4.0**2 + 2.0**2)
    np.testing.assert_array_equal(motions.clip(path[[3]] - [2.0, 0.0]), [[-1.0, 9.0]])
