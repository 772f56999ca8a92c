# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The H1's procedural gait, checked by MuJoCo's own kinematics on the packaged model."""

from __future__ import annotations

import dataclasses
import re

import mujoco
import numpy as np
import pytest

from nil_ext.robots.h1 import H1, H1_WALK

RATE = 200.0
DURATION = 3.6  # four strides of 0.9 s


@pytest.fixture(scope="module")
def motion(h1_joints: dict[str, int]) -> dict[str, np.ndarray]:
    default = {
        name: value for name in h1_joints for key, value in H1.start_joint_pos.items() if re.fullmatch(key, name)
    }
    return H1_WALK.motion(default, DURATION, RATE)


@pytest.fixture(scope="module")
def feet(h1_model: mujoco.MjModel, h1_joints: dict[str, int], motion: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of each foot its frame's position and its sole's normal over time: (T, 6)."""
    data = mujoco.MjData(h1_model)
    columns = [h1_model.jnt_qposadr[h1_joints[name]] for name in motion["joint_names"]]
    rows: dict[str, list[np.ndarray]] = {foot: [] for foot in H1.feet}
    for pose, angles in zip(motion["root_pose"], motion["joint_pos"], strict=True):
        data.qpos[:3], data.qpos[3:7] = pose[:3], np.roll(pose[3:], 1)  # xyzw to MuJoCo's wxyz
        data.qpos[columns] = angles
        mujoco.mj_kinematics(h1_model, data)
        for foot in H1.feet:
            rows[foot].append(np.concatenate([data.body(foot).xpos, data.body(foot).xmat.reshape(3, 3)[:, 2]]))
    return {foot: np.stack(values) for foot, values in rows.items()}


def stances(height: np.ndarray) -> list[np.ndarray]:
    """Runs of frames in which a foot's sole is on the ground."""
    down = np.flatnonzero(np.abs(height - H1_WALK.sole) < 1e-6)
    return [run for run in np.split(down, np.flatnonzero(np.diff(down) > 1) + 1) if len(run) > 2]


def test_a_stance_foot_does_not_slide(feet: dict[str, np.ndarray]):
    for foot, path in feet.items():
        runs = stances(path[:, 2])
        assert len(runs) in (4, 5), foot
        for run in runs:
            assert np.ptp(path[run, :2], axis=0).max() < 1e-3, foot  # a millimetre


def test_soles_are_level_and_never_below_the_ground(feet: dict[str, np.ndarray]):
    for path in feet.values():
        assert path[:, 2].min() > H1_WALK.sole - 1e-6
        assert path[:, 2].max() == pytest.approx(H1_WALK.sole + H1_WALK.clearance, abs=1e-3)
        assert path[:, 5].min() > 1.0 - 1e-9


def test_a_foot_is_down_for_its_share_of_the_stride_and_one_always_is(feet: dict[str, np.ndarray]):
    down = np.stack([np.abs(path[:-1, 2] - H1_WALK.sole) < 1e-6 for path in feet.values()])
    assert down.mean(axis=1) == pytest.approx([H1_WALK.duty] * 2, abs=0.02)
    assert down.any(axis=0).all()
    # double support twice a stride: 2 * 0.6 - 1 of the time
    assert down.all(axis=0).mean() == pytest.approx(2.0 * H1_WALK.duty - 1.0, abs=0.02)


def test_steps_carry_the_robot_at_its_speed(motion: dict[str, np.ndarray], feet: dict[str, np.ndarray]):
    for path in feet.values():
        places = [path[run, 0].mean() for run in stances(path[:, 2])[1:-1]]
        assert np.diff(places) == pytest.approx(H1_WALK.speed * H1_WALK.stride_time, abs=1e-3)  # 0.72 m a stride
    assert motion["root_pose"][-1, 0] == pytest.approx(H1_WALK.speed * DURATION)
    assert motion["root_vel"][:, 0] == pytest.approx(0.8)


def test_walk_repeats_every_stride(motion: dict[str, np.ndarray]):
    stride = round(H1_WALK.stride_time * RATE)
    assert np.abs(motion["joint_pos"][stride:] - motion["joint_pos"][:-stride]).max() < 1e-9


def test_left_does_what_right_does_half_a_stride_later(motion: dict[str, np.ndarray]):
    names, half = list(motion["joint_names"]), round(0.5 * H1_WALK.stride_time * RATE)
    for joint in ("hip_pitch", "knee", "ankle", "shoulder_pitch"):
        left, right = (motion["joint_pos"][:, names.index(f"{side}_{joint}")] for side in ("left", "right"))
        assert np.abs(left[half:] - right[:-half]).max() < 1e-9, joint
        assert np.ptp(left) > 0.1, joint


def test_joint_limits_and_speeds_are_the_robot_s(
    motion: dict[str, np.ndarray], h1_model: mujoco.MjModel, h1_joints: dict[str, int]
):
    low, high = h1_model.jnt_range[[h1_joints[name] for name in motion["joint_names"]]].T
    assert (motion["joint_pos"] >= low).all()
    assert (motion["joint_pos"] <= high).all()
    assert np.abs(motion["joint_vel"]).max() < 12.0  # [rad/s]; the fastest is the knee in swing


def test_velocities_are_the_slopes_of_the_angles(motion: dict[str, np.ndarray]):
    slopes = np.gradient(motion["joint_pos"], 1.0 / RATE, axis=0)[1:-1]
    # central differences err by the jerk times the step squared; where stance meets swing, by the jump of acceleration
    error = np.abs(slopes - motion["joint_vel"][1:-1])
    assert np.median(error) < 0.01
    assert error.max() < 0.05 * np.abs(motion["joint_vel"]).max()


def test_start_pose_is_the_first_frame(motion: dict[str, np.ndarray]):
    first = dict(zip(motion["joint_names"], motion["joint_pos"][0], strict=True))
    for name, angle in H1_WALK.start_joint_pos.items():
        assert first[name] == pytest.approx(angle), name
    assert motion["root_pose"][0].tolist() == [0.0, 0.0, H1.start_height, 0.0, 0.0, 0.0, 1.0]
    assert len(motion["joint_pos"]) == round(DURATION * RATE) + 1


def test_a_leg_too_short_for_the_stride_is_refused():
    with pytest.raises(ValueError, match=r"but the leg is 0\.800 m"):
        dataclasses.replace(H1_WALK, hip_height=0.79).motion(H1_WALK.start_joint_pos, 1.0, 50.0)
