# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The choice of candidates, and the algebra of fitting all frames together, against slow and plain versions."""

from __future__ import annotations

from itertools import product

import numpy as np

from nil_ext.lift.candidates import best_path, spread, spread_over_groups
from nil_ext.lift.fitting import _apply, _deviations, _second_differences, _solve


def test_two_legs_pass_each_other_and_do_not_turn_back():
    # legs at -0.2 .. 0.2 and 0.2 .. -0.2: each frame offers both namings, at the same cost
    swing = np.linspace(-0.2, 0.2, 9)
    values = np.stack([np.stack([swing, -swing], axis=1), np.stack([-swing, swing], axis=1)], axis=1)  # (9, 2, 2)
    costs = np.zeros((9, 2))
    costs[0] = [0.0, 1.0]
    path = best_path(costs, values, speed=np.full(2, 10.0), bend=np.full(2, 0.02))
    assert path.tolist() == [0] * 9


def test_the_path_is_the_cheapest_of_all():
    random = np.random.default_rng(3)
    costs, values = random.random((5, 3)) * 4.0, random.random((5, 3, 2))
    speed, bend = np.array([0.3, 0.5]), np.array([0.4, 0.2])

    def price(path: tuple[int, ...]) -> float:
        course = values[np.arange(5), list(path)]
        moves = (np.diff(course, axis=0) / speed) ** 2
        bends = (np.diff(course, n=2, axis=0) / bend) ** 2
        return costs[np.arange(5), list(path)].sum() + 0.5 * moves.sum() + 0.5 * bends.sum()

    best = min(product(range(3), repeat=5), key=price)
    assert tuple(best_path(costs, values, speed, bend)) == best


def test_candidates_that_are_alike_count_once():
    poses = np.array([[0.0, 0.0], [0.05, 0.0], [0.5, 0.0], [0.0, -0.3]])
    assert spread(np.array([1, 0, 3, 2]), poses, 3, apart=0.1).tolist() == [1, 3, 2]
    assert spread(np.array([1, 0, 3, 2]), poses, 1, apart=0.1).tolist() == [1]


def test_the_best_of_every_group_are_among_the_candidates():
    poses = np.array([[0.0], [0.05], [0.5], [0.9], [-1.0]])
    groups = np.array([0, 0, 0, 0, 7])
    order = np.array([1, 0, 3, 2, 4])
    assert spread_over_groups(order, poses, groups, 3, apart=0.1).tolist() == [1, 4, 3]
    assert spread_over_groups(order, poses, groups, 9, apart=0.1).tolist() == [1, 4, 3, 2]
    assert spread_over_groups(order, poses, np.zeros(5, dtype=int), 3, apart=0.1).tolist() == [1, 3, 2]


def test_the_banded_algebra_is_the_dense_one():
    random = np.random.default_rng(0)
    count, size = 6, 3
    roots = random.normal(size=(count, size, size))
    hessian = roots @ roots.transpose(0, 2, 1) + np.eye(size)
    weights, right = np.array([1.0, 5.0, 0.2]), random.normal(size=count * size)
    differences = np.kron(np.diff(np.eye(count), n=2, axis=0), np.eye(size))
    dense = differences.T @ np.diag(np.tile(weights, count - 2)) @ differences
    for frame in range(count):
        part = slice(frame * size, (frame + 1) * size)
        dense[part, part] += hessian[frame]
    smooth = _second_differences(count)
    np.testing.assert_allclose(_solve(hessian, smooth, weights, right), np.linalg.solve(dense, right))
    expected = np.sqrt(np.diag(np.linalg.inv(dense))).reshape(count, size)
    np.testing.assert_allclose(_deviations(hessian, smooth, weights), expected)
    path = random.normal(size=(count, size))
    np.testing.assert_allclose(_apply(smooth, path).ravel(), differences.T @ differences @ path.ravel())
