# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What we state about the H1, held against the packaged model."""

from __future__ import annotations

import re

import mujoco
import numpy as np
import pytest

from nil_ext.robots.h1 import H1, H1_WALK


def by_joint(values: dict[str, float], names) -> dict[str, float]:
    """Value of each joint under keys that are regular expressions; exactly one key must match."""
    resolved = {}
    for name in names:
        [resolved[name]] = [value for key, value in values.items() if re.fullmatch(key, name)]
    return resolved


@pytest.fixture
def at_start(h1_model: mujoco.MjModel, h1_joints: dict[str, int]) -> mujoco.MjData:
    """The robot at e0."""
    data = mujoco.MjData(h1_model)
    data.qpos[:3] = (0.0, 0.0, H1.start_height)
    for name, angle in by_joint(H1.start_joint_pos, h1_joints).items():
        data.qpos[h1_model.jnt_qposadr[h1_joints[name]]] = angle
    mujoco.mj_forward(h1_model, data)
    return data


def test_mass_joints_and_bodies_are_the_model_s(h1_model: mujoco.MjModel, h1_joints: dict[str, int]):
    assert h1_model.body_mass.sum() == pytest.approx(H1.mass, abs=5e-4)
    assert len(h1_joints) == 19
    bodies = {h1_model.body(i).name for i in range(h1_model.nbody)}
    assert {*H1.feet, H1.torso} <= bodies


def test_torque_limits_are_the_model_s(h1_model: mujoco.MjModel, h1_joints: dict[str, int]):
    limits = by_joint(H1.effort_limits, h1_joints)
    assert h1_model.nu == 19
    for i in range(h1_model.nu):
        name = h1_model.joint(h1_model.actuator_trnid[i, 0]).name
        low, high = h1_model.actuator_ctrlrange[i]
        assert (low, high) == (-limits[name], limits[name]), name


def test_every_joint_has_one_gain_and_one_action_scale(h1_joints: dict[str, int]):
    for values in (H1.start_joint_pos, H1.stiffness, H1.damping, H1.action_scale):
        assert len(by_joint(values, h1_joints)) == 19


def test_start_pose_is_inside_the_joint_limits(h1_model: mujoco.MjModel, h1_joints: dict[str, int]):
    for name, angle in by_joint(H1.start_joint_pos, h1_joints).items():
        low, high = h1_model.jnt_range[h1_joints[name]]
        assert low <= angle <= high, name


def lowest_point(model: mujoco.MjModel, data: mujoco.MjData, body: str) -> float:
    """Height of the lowest point of a body's capsules [m]."""
    heights = []
    for i in range(model.ngeom):
        if model.geom_bodyid[i] == model.body(body).id and model.geom_type[i] == mujoco.mjtGeom.mjGEOM_CAPSULE:
            radius, half = model.geom_size[i, :2]
            axis = data.geom_xmat[i].reshape(3, 3)[:, 2]
            heights.append(data.geom_xpos[i, 2] - abs(axis[2]) * half - radius)
    return min(heights)


def test_both_feet_stand_on_the_ground_at_e0(h1_model: mujoco.MjModel, at_start: mujoco.MjData):
    left, right = (at_start.body(foot).xpos for foot in H1.feet)
    for foot in H1.feet:
        assert lowest_point(h1_model, at_start, foot) == pytest.approx(0.0, abs=1e-3)
        # the facts name the distance from the foot's frame to the sole
        assert at_start.body(foot).xpos[2] == pytest.approx(H1_WALK.sole, abs=1e-6)
    # in the middle of a stride, left foot in front: one step is speed * stride_time / 2 = 0.36 m
    assert left[0] - right[0] == pytest.approx(0.5 * H1_WALK.speed * H1_WALK.stride_time, abs=1e-3)
    # the centre of mass is above the feet, else no controller could hold e0 (a foot reaches from -0.05 to +0.15 m)
    assert right[0] < at_start.subtree_com[0, 0] < left[0] + 0.15
    assert abs(at_start.subtree_com[0, 1]) < 0.02


def visible_points(model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    """Corners (P, 3) of every mesh in the world [m]."""
    points = []
    for i in range(model.ngeom):
        if model.geom_type[i] == mujoco.mjtGeom.mjGEOM_MESH:
            first, count = (v[model.geom_dataid[i]] for v in (model.mesh_vertadr, model.mesh_vertnum))
            corners = model.mesh_vert[first : first + count]
            points.append(corners @ data.geom_xmat[i].reshape(3, 3).T + data.geom_xpos[i])
    return np.concatenate(points)


def test_the_whole_robot_is_in_the_camera_s_picture(h1_model: mujoco.MjModel, at_start: mujoco.MjData):
    camera = H1.camera
    eye = np.array([0.0, -camera.distance, camera.height])
    along, depth, up = (visible_points(h1_model, at_start) - eye).T
    # in units of the picture's half side; perspective included
    reach = np.abs(np.stack([along, up]) / depth) * camera.distance / (0.5 * camera.extent)
    assert 0.8 < reach[1].max() < 0.98  # head and feet near the rim, not over it
    assert reach[0].max() < 0.98
