# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Contacts and forward speed of feet that are moved by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nil_ext.lift.ground import on_ground, progress, supported
from nil_ext.lift.motion import make_motion, soles
from nil_ext.lift.silhouette import Puppet
from nil_ext.lift.skeleton import read_skeleton
from nil_ext.robots.a1 import A1

RATE = 100.0


def _walk(speed: float, seconds: float) -> np.ndarray:
    """Two feet of one point: one stands half a second while the other swings 0.1 m high, in turns. (T, 2, 1, 3)."""
    time = np.arange(round(seconds * RATE) + 1) / RATE
    soles = np.zeros((len(time), 2, 1, 3))
    for foot in (0, 1):
        phase = (time + 0.5 * foot) % 1.0
        stands = phase < 0.5
        backwards = speed * (0.25 - phase)
        soles[:, foot, 0, 0] = np.where(stands, backwards, speed * (phase - 0.75))
        soles[:, foot, 0, 2] = np.where(stands, 0.0, 0.1 * np.sin(2 * np.pi * (phase - 0.5)))
    return soles


def test_a_standing_foot_tells_the_speed():
    found = progress(_walk(0.8, 3.0), RATE)
    np.testing.assert_allclose(found.speed[30:-30], 0.8, atol=0.03)
    assert abs(found.distance[-1] - 2.4) < 0.05


def test_feet_stand_in_turns():
    found = progress(_walk(0.8, 3.0), RATE)
    quarter = [25, 75, 125, 175]
    assert found.contacts[quarter].tolist() == [[True, False], [False, True]] * 2


def test_a_robot_that_stands_does_not_move():
    found = progress(np.zeros((50, 2, 1, 3)), RATE)
    assert found.distance[-1] == 0.0
    assert found.contacts.all()


def test_every_foot_has_its_own_ground():
    soles = _walk(0.8, 3.0)
    soles[:, 1, 0, 2] += 0.05  # a leg that perspective lifts
    found = progress(soles, RATE)
    assert abs(found.distance[-1] - 2.4) < 0.1
    assert found.contacts[[25, 75, 125, 175]].tolist() == [[True, False], [False, True]] * 2


def test_the_lowest_sole_is_put_on_the_ground():
    lowest = np.tile([0.02, 0.12], (80, 1))
    np.testing.assert_allclose(on_ground(np.full(80, 1.0), lowest, RATE), 0.98)
    # a single frame 4 cm lower does not make the root jump
    lowest[40] -= 0.04
    assert np.abs(on_ground(np.full(80, 1.0), lowest, RATE) - 0.98).max() < 0.002


def test_as_many_feet_as_stand_are_on_the_ground():
    lowest = np.tile([0.3, 0.02, 0.05, 0.4], (80, 1))
    np.testing.assert_allclose(on_ground(np.full(80, 1.0), lowest, RATE, standing=2), 0.95)
    # whichever they are
    lowest[::2] = [0.05, 0.3, 0.4, 0.02]
    np.testing.assert_allclose(on_ground(np.full(80, 1.0), lowest, RATE, standing=2), 0.95)


def test_half_of_the_feet_carry_a_walking_robot():
    lowest = np.array([[0.0, 0.01, 0.1, 0.1], [0.0, 0.1, 0.1, 0.1], [0.02, 0.02, 0.02, 0.1], [0.1, 0.1, 0.1, 0.1]])
    assert supported(lowest).tolist() == [True, False, True, False]
    assert supported(_walk(0.8, 3.0)[..., 2].min(axis=2)).all()


def test_a_robot_whose_legs_hover_stands_on_half_of_them():
    puppet = Puppet(read_skeleton(A1), A1)
    path = np.tile(puppet.e0, (30, 1))
    hovering = path.copy()
    hovering[:, puppet.pairs[0][0][1]] += 0.3  # one knee stretched, beyond the reach of the other legs
    heights = []
    for poses in (path, hovering):
        motion, _, support = make_motion(puppet, poses, np.zeros_like(poses), 30, 1, 30.0)
        lowest = soles(puppet, poses)[..., 2].min(axis=2)[0] - poses[0, 1] + motion["root_pose"][0, 2]
        heights.append((support, np.sort(lowest)))
    (standing, feet), (hovers, above) = heights
    assert standing == 1.0 and feet[0] == pytest.approx(0.0, abs=1e-3)
    assert hovers == 0.0 and above[0] < -0.02 and above[1] == pytest.approx(0.0, abs=1e-3)
