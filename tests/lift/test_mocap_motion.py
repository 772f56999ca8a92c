# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Trajectories of LocoMuJoCo's as motions: the stick robot's can be reckoned by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nil_ext.errors import InputError
from nil_ext.evaluation.mocap_joints import MOCAP_JOINTS
from nil_ext.lift import mocap_motion as module
from nil_ext.lift.mocap_motion import mocap_motion
from nil_ext.lift.skeleton import read_skeleton
from nil_ext.robots.a1 import A1
from nil_ext.robots.h1 import H1

STICKS = replace(H1, name="sticks")


@pytest.fixture
def trajectory(tmp_path: Path, monkeypatch, sticks):
    """Writes a file of the sticks' constant angles (and the root's) and of a second clip that must not show."""
    monkeypatch.setitem(MOCAP_JOINTS, "sticks", {"hip_flexion": "hip", "wing": None})
    monkeypatch.setattr(module, "read_skeleton", lambda robot: sticks)

    def write(**angles: float) -> Path:
        arrays = {f"q_{key}": np.append(np.full(300, value), np.full(200, 9.0)) for key, value in angles.items()}
        np.savez(tmp_path / "walk.npz", split_points=[0, 300, 500], **arrays)
        return tmp_path / "walk.npz"

    return write


def test_the_feet_of_a_tilted_robot_stand_on_the_ground(trajectory):
    path = trajectory(hip_flexion=0.3, pelvis_tilt=-0.2, pelvis_list=0.0, pelvis_rotation=0.0)
    motion = mocap_motion(path, STICKS, {"knee": 0.5, "hip": 0.0}, 50.0)
    assert motion["joint_names"].tolist() == ["knee", "hip"]
    assert motion["joint_pos"].shape == (30, 2)  # 300 of 500 Hz
    np.testing.assert_allclose(motion["joint_pos"][7], [0.5, 0.3])  # the file does not know the knee: it stays
    # pelvis_tilt counts about -y: the trunk leans by 0.2 rad forward, thigh and shank by 0.3 and 0.5 more
    height = 0.4 * np.cos(0.5) + 0.29 * np.cos(1.0) + 0.01
    np.testing.assert_allclose(motion["root_pose"][:, 2], height, atol=1e-5)
    np.testing.assert_allclose(motion["root_pose"][3, 3:], [0.0, np.sin(0.1), 0.0, np.cos(0.1)], atol=1e-9)


def test_the_walk_is_turned_to_plus_x(trajectory):
    path = trajectory(hip_flexion=0.0, pelvis_tilt=0.0, pelvis_list=0.0, pelvis_rotation=1.2)
    motion = mocap_motion(path, STICKS, {"knee": 0.0, "hip": 0.0}, 50.0)
    np.testing.assert_allclose(motion["root_pose"][:, 3:], np.tile([0.0, 0.0, 0.0, 1.0], (30, 1)), atol=1e-9)


def test_a_file_without_the_roots_rotation_is_refused(trajectory):
    with pytest.raises(InputError, match=r"walk\.npz lacks the root's rotation"):
        mocap_motion(trajectory(hip_flexion=0.0), STICKS, {"hip": 0.0, "knee": 0.0}, 50.0)


def test_real_motion_capture_walks_on_the_ground(shared: Path):
    """The root is about where the start pose has it (0.31 m), upright, and moves by some centimetres."""
    skeleton = read_skeleton(A1, num_points=1)
    default = dict(zip(skeleton.joint_names, skeleton.e0.tolist(), strict=True))
    motion = mocap_motion(shared / "mocap" / "a1_walk.npz", A1, default, 50.0)
    height = motion["root_pose"][:, 2]
    assert len(height) == 50  # the first of three clips
    assert 0.22 < height.min() < height.max() < 0.35 and np.ptp(height) < 0.05
    assert np.abs(motion["root_pose"][:, 6]).min() > 0.98  # turned by less than 0.4 rad
