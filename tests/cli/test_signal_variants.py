# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Rollouts that are wrong in a known way, and what is said of streams that score them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nil_ext.cli.signal_benchmark import table, verdicts
from nil_ext.cli.signal_variants import ITSELF, SHIFTS, ahead, motion_variants, video_variants
from nil_ext.robots.h1 import H1_WALK

RATE = 50.0


def test_frames_that_video_variants_show():
    rows = {name: index.tolist() for name, index in video_variants(6).items()}
    assert rows[ITSELF] == [0, 1, 2, 3, 4, 5]
    assert rows["1 frame ahead"] == [1, 2, 3, 4, 5]
    assert rows["5 frames ahead"] == [5]
    assert "6 frames ahead" not in rows
    assert rows["at half speed"] == [0, 0, 1, 1, 2, 2]
    assert rows["mirrored in time"] == [5, 4, 3, 2, 1, 0]
    assert rows["frozen at its middle frame"] == [3] * 6


@pytest.fixture(scope="module")
def variants():
    default = dict.fromkeys(["torso", *H1_WALK.start_joint_pos], 0.0)
    motion = H1_WALK.motion(default, 2.0, RATE)
    return motion, motion_variants(motion, H1_WALK, 81, RATE)


def test_only_one_leg_is_frozen(variants):
    motion, rows = variants
    joints, root = rows["sketch with one leg frozen"]
    leg = [list(motion["joint_names"]).index(f"left_{name}") for name in ("hip_pitch", "knee", "ankle")]
    others = [i for i in range(joints.shape[1]) if i not in leg]
    assert (joints[:, leg] == motion["joint_pos"][0, leg]).all()
    assert (joints[:, others] == motion["joint_pos"][:81, others]).all()
    assert (root == motion["root_pose"][:81]).all()
    walking, _ = rows["the sketch, filmed again"]
    assert np.ptp(walking[:, leg], axis=0).min() > 0.2  # it does move otherwise


@pytest.mark.parametrize("angle", [30, 90])
def test_turned_about_the_vertical(variants, angle):
    x, y, z, w = variants[1][f"sketch turned by {angle} degrees"][1][:, 3:].T
    assert (x == 0.0).all() and (y == 0.0).all()
    assert np.degrees(2.0 * np.arctan2(z, w)) == pytest.approx(np.full(81, angle))


def test_a_fall_ends_on_its_front(variants):
    motion, rows = variants
    joints, root = rows["falling forwards"]
    assert (joints == motion["joint_pos"][0]).all()
    lean = 2.0 * np.arctan2(root[:, 4], root[:, 6])
    assert lean[0] == pytest.approx(0.1)
    assert (np.diff(lean) > 0.0).all()
    # energy of a pendulum of length h: w^2 = 2 g / h (cos 0.1 - cos a); the last frame is at most one before lying
    height = motion["root_pose"][0, 2]
    speed = math.sqrt(2.0 * 9.81 / height * (math.cos(0.1) - math.cos(lean[-2])))
    assert (lean[-1] - lean[-2]) * RATE == pytest.approx(speed, rel=0.05)
    assert math.pi / 2.0 - speed / RATE * 1.2 < lean[-1] < math.pi / 2.0
    assert root[0, 2] == pytest.approx(height * math.cos(0.1)) and root[-1, 2] == pytest.approx(0.15)
    assert (rows["standing at e0"][1] == motion["root_pose"][0]).all()


def test_table_and_verdicts():
    names = [ITSELF, *map(ahead, SHIFTS), "standing at e0", "falling forwards"]
    slope = [1.0, 0.9, 0.8, *[0.85] * (len(SHIFTS) - 2)]
    streams = {
        "good": dict(zip(names, [*slope, 0.7, 0.2], strict=True)),
        "blind": dict(zip(names, [1.0] * len(names), strict=True)),
        "fooled": dict(zip(names, [*slope, 0.3, 0.95], strict=True)),
    }
    assert "| standing at e0 | 0.700 | 1.000 | 0.300 |" in table(streams).splitlines()
    lines = verdicts(streams, ahead(1)).splitlines()[2:]
    assert lines == [
        "| good | 1.000 | 0.900 | standing at e0: 0.700 | 2 frames | yes |",
        "| blind | 1.000 | 1.000 | standing at e0: 1.000 | never | no |",
        "| fooled | 1.000 | 0.900 | falling forwards: 0.950 | 2 frames | no |",
    ]
