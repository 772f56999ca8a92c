# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What we state about the A1 and its trot, held against the packaged model as Pinocchio reads it."""

from __future__ import annotations

import re

import numpy as np
import pinocchio
import pytest

from nil_ext.robots.a1 import A1, A1_WALK
from nil_ext.robots.model import model_file


@pytest.fixture(scope="module")
def model() -> pinocchio.Model:
    return pinocchio.buildModelFromUrdf(
        str(model_file(A1.model.package, A1.model.path)), pinocchio.JointModelFreeFlyer()
    )


def by_joint(values: dict[str, float], model: pinocchio.Model) -> dict[str, float]:
    """Value of each joint under keys that are regular expressions; exactly one key must match."""
    resolved = {}
    for name in list(model.names)[2:]:  # after the universe and the free root
        [resolved[name]] = [value for key, value in values.items() if re.fullmatch(key, name)]
    return resolved


def feet_at(model: pinocchio.Model, root: np.ndarray, joint_pos: dict[str, float]) -> dict[str, np.ndarray]:
    """Centres (3,) of the feet in the world [m]."""
    q = pinocchio.neutral(model)
    q[:7] = root
    for name, angle in joint_pos.items():
        q[model.joints[model.getJointId(name)].idx_q] = angle
    data = model.createData()
    pinocchio.framesForwardKinematics(model, data, q)
    return {foot: data.oMf[model.getFrameId(foot)].translation.copy() for foot in A1.feet}


def test_mass_joints_and_torques_are_the_model_s(model: pinocchio.Model):
    assert sum(inertia.mass for inertia in model.inertias) == pytest.approx(A1.mass, abs=5e-4)
    assert len(by_joint(A1.start_joint_pos, model)) == 12
    for values in (A1.stiffness, A1.damping, A1.action_scale):
        assert len(by_joint(values, model)) == 12
    limits = by_joint(A1.effort_limits, model)
    assert [limits[name] for name in list(model.names)[2:]] == model.effortLimit[6:].tolist()


def test_start_pose_is_inside_the_joint_limits_and_on_the_ground(model: pinocchio.Model):
    start = by_joint(A1.start_joint_pos, model)
    for name, angle in start.items():
        index = model.joints[model.getJointId(name)].idx_q
        assert model.lowerPositionLimit[index] < angle < model.upperPositionLimit[index], name
    feet = feet_at(model, np.array([0.0, 0.0, A1.start_height, 0.0, 0.0, 0.0, 1.0]), start)
    for foot in feet.values():
        assert foot[2] == pytest.approx(A1.sole_radius, abs=1e-6)
    # mid-stride: the feet of one diagonal are half a step in front of the hips (at ±0.1805 m), the others behind
    offset = {name: foot[0] - (0.1805 if name[0] == "F" else -0.1805) for name, foot in feet.items()}
    half_step = 0.25 * A1_WALK.speed * A1_WALK.stride_time
    assert offset == pytest.approx(
        {"FR_foot": half_step, "RL_foot": half_step, "FL_foot": -half_step, "RR_foot": -half_step}
    )


def test_the_trot_plants_its_feet_and_stays_inside_the_limits(model: pinocchio.Model):
    rate = 200.0
    motion = A1_WALK.motion(by_joint(A1.start_joint_pos, model), duration=0.8, rate=rate)
    names = [str(name) for name in motion["joint_names"]]
    index = [model.joints[model.getJointId(name)].idx_q for name in names]
    assert (motion["joint_pos"] > model.lowerPositionLimit[index]).all()
    assert (motion["joint_pos"] < model.upperPositionLimit[index]).all()
    paths = [
        feet_at(model, root, dict(zip(names, angles, strict=True)))
        for root, angles in zip(motion["root_pose"], motion["joint_pos"], strict=True)
    ]
    on_ground = []
    for foot in A1.feet:
        path = np.stack([frame[foot] for frame in paths])
        down = path[:, 2] < A1.sole_radius + 1e-6
        on_ground.append(down)
        still = down[1:] & down[:-1]
        assert np.abs(np.diff(path[:, 0]))[still].max() < 1e-6  # planted
        assert path[:, 2].max() == pytest.approx(A1.sole_radius + A1_WALK.clearance, abs=1e-3)
        assert down.mean() == pytest.approx(A1_WALK.duty, abs=0.02)
        # in 0.8 s, two strides, at 0.5 m/s
        assert path[-1, 0] - path[0, 0] == pytest.approx(0.4, abs=1e-6)
    fr, rl, fl, rr = on_ground
    assert (fr == rl).all()
    assert (fl == rr).all()
    assert (fr | fl).all()  # one diagonal at least carries the robot
