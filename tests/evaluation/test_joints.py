# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Left against right."""

from __future__ import annotations

import numpy as np
import pytest

from nil_ext.evaluation.joints import mirrored_pairs, symmetry

TIME = np.linspace(0.0, 1.0, 101)[:-1]


def test_counterparts_are_found_by_the_makers_names():
    assert mirrored_pairs(("left_knee", "torso", "right_knee")) == [(0, 2)]
    assert mirrored_pairs(("leg_left_4_joint", "leg_right_4_joint")) == [(0, 1)]
    quadruped = ("FR_hip_joint", "FL_hip_joint", "RR_hip_joint", "RL_hip_joint")
    assert mirrored_pairs(quadruped) == [(1, 0), (3, 2)]
    assert mirrored_pairs(("head", "left_hand")) == []


def swing(left: float, right: float) -> np.ndarray:
    """Two joints that swing half a period apart."""
    return np.stack([left * np.sin(2 * np.pi * TIME), 1.0 - right * np.sin(2 * np.pi * TIME)], axis=1)


@pytest.mark.parametrize(("left", "right", "value"), [(0.4, 0.4, 1.0), (0.4, 0.0, 0.0), (0.3, 0.1, 0.5)])
def test_symmetry_compares_how_far_the_sides_swing(left: float, right: float, value: float):
    assert symmetry(swing(left, right), [(0, 1)]) == pytest.approx(value)


def test_a_joint_that_hardly_moves_hardly_counts():
    joints = np.concatenate([swing(0.4, 0.4), swing(0.02, 0.0)], axis=1)
    # sums: 0.02 of difference over 0.8 + 0.02
    assert symmetry(joints, [(0, 1), (2, 3)]) == pytest.approx(1.0 - 0.02 / 0.82)


def test_standing_still_and_a_robot_without_sides_have_none():
    assert np.isnan(symmetry(swing(0.01, 0.01), [(0, 1)]))
    assert np.isnan(symmetry(swing(0.4, 0.4), []))
