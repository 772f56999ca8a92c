# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What we state about the G1, held against the packaged model as MuJoCo reads it."""

from __future__ import annotations

import re

import mujoco
import numpy as np
import pytest

from nil_ext.robots.g1 import G1, G1_WALK
from nil_ext.robots.model import model_file

RATE = 100.0


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(model_file(G1.model.package, G1.model.path)))


@pytest.fixture(scope="module")
def joints(model: mujoco.MjModel) -> dict[str, int]:
    """Hinge joints: name to MuJoCo's index; joint 0 is the free root."""
    return {model.joint(i).name: i for i in range(1, model.njnt)}


@pytest.fixture(scope="module")
def motion(joints: dict[str, int]) -> dict[str, np.ndarray]:
    return G1_WALK.motion(by_joint(G1.start_joint_pos, joints), G1.episode_length, RATE)


def by_joint(values: dict[str, float], names) -> dict[str, float]:
    """Value of each joint under keys that are regular expressions; exactly one key must match."""
    resolved = {}
    for name in names:
        [resolved[name]] = [value for key, value in values.items() if re.fullmatch(key, name)]
    return resolved


def soles(model: mujoco.MjModel, data: mujoco.MjData, body: str) -> np.ndarray:
    """Lowest points (4, 3) of a foot's four collision spheres [m]."""
    spheres = [
        i
        for i in range(model.ngeom)
        if model.geom_bodyid[i] == model.body(body).id and model.geom_type[i] == mujoco.mjtGeom.mjGEOM_SPHERE
    ]
    return data.geom_xpos[spheres] - [[0.0, 0.0, model.geom_size[i, 0]] for i in spheres]


def test_mass_joints_and_bodies_are_the_model_s(model: mujoco.MjModel, joints: dict[str, int]):
    assert model.body_mass.sum() == pytest.approx(G1.mass, abs=5e-4)
    assert len(joints) == 29
    assert {*G1.feet, G1.torso} <= {model.body(i).name for i in range(model.nbody)}


def test_torque_limits_and_armature_are_the_model_s(model: mujoco.MjModel, joints: dict[str, int]):
    limits, armature = by_joint(G1.effort_limits, joints), by_joint(G1.armature, joints)
    for name, i in joints.items():
        assert tuple(model.jnt_actfrcrange[i]) == (-limits[name], limits[name]), name
        assert model.dof_armature[model.jnt_dofadr[i]] == armature[name], name


def test_every_joint_has_one_gain_one_action_scale_and_one_angle(joints: dict[str, int]):
    for values in (G1.start_joint_pos, G1.stiffness, G1.damping, G1.action_scale):
        assert len(by_joint(values, joints)) == 29


def test_sole_points_are_the_centres_of_the_foot_s_spheres(model: mujoco.MjModel):
    for foot in G1.feet:
        geoms = [i for i in range(model.ngeom) if model.geom_bodyid[i] == model.body(foot).id]
        spheres = [i for i in geoms if model.geom_type[i] == mujoco.mjtGeom.mjGEOM_SPHERE]
        assert {tuple(model.geom_pos[i]) for i in spheres} == set(G1.sole_points)
        assert {model.geom_size[i, 0] for i in spheres} == {G1.sole_radius}


def test_sketch_stays_inside_the_joint_limits_and_starts_at_e0(
    model: mujoco.MjModel, joints: dict[str, int], motion: dict[str, np.ndarray]
):
    start = by_joint(G1.start_joint_pos, joints)
    for column, name in enumerate(motion["joint_names"]):
        low, high = model.jnt_range[joints[name]]
        angles = motion["joint_pos"][:, column]
        assert low < angles.min() <= angles.max() < high, name
        assert angles[0] == pytest.approx(start[name]), name


def test_sketch_can_be_asked_for_by_actions(joints: dict[str, int], motion: dict[str, np.ndarray]):
    scale = by_joint(G1.action_scale, joints)
    for column, name in enumerate(motion["joint_names"]):
        angles = motion["joint_pos"][:, column]
        assert np.abs(angles - angles[0]).max() <= scale[name], name


def test_soles_are_level_on_the_ground_in_stance_and_do_not_slide(
    model: mujoco.MjModel, joints: dict[str, int], motion: dict[str, np.ndarray]
):
    data = mujoco.MjData(model)
    columns = [model.jnt_qposadr[joints[name]] for name in motion["joint_names"]]
    points = []
    for pose, angles in zip(motion["root_pose"], motion["joint_pos"], strict=True):
        data.qpos[:3], data.qpos[3:7] = pose[:3], np.roll(pose[3:], 1)  # xyzw to MuJoCo's wxyz
        data.qpos[columns] = angles
        mujoco.mj_kinematics(model, data)
        points.append([soles(model, data, foot) for foot in G1.feet])
    points = np.array(points)  # (T, 2 feet, 4 spheres, 3)
    assert np.ptp(points[..., 2], axis=2).max() < 1e-3  # level
    height = points[..., 2].mean(axis=2)
    assert height.min() > -1e-3
    assert height.max() == pytest.approx(G1_WALK.clearance, abs=1e-3)
    down = height < 1e-3
    assert down[0].all()  # e0: both feet on the ground, the left in front
    assert points[0, 0, :, 0].mean() - points[0, 1, :, 0].mean() == pytest.approx(
        0.5 * G1_WALK.speed * G1_WALK.stride_time, abs=2e-3
    )
    assert down.any(axis=1).all()
    assert down.mean(axis=0) == pytest.approx([G1_WALK.duty] * 2, abs=0.03)
    moved = np.diff(points[..., :2], axis=0)[down[1:] & down[:-1]]
    assert np.abs(moved).max() < 1e-3  # a millimetre in 10 ms would be 0.1 m/s


def test_centre_of_mass_is_above_the_feet_at_e0(model: mujoco.MjModel, joints: dict[str, int]):
    data = mujoco.MjData(model)
    data.qpos[:3] = (0.0, 0.0, G1.start_height)
    for name, angle in by_joint(G1.start_joint_pos, joints).items():
        data.qpos[model.jnt_qposadr[joints[name]]] = angle
    mujoco.mj_forward(model, data)
    ground = np.concatenate([soles(model, data, foot) for foot in G1.feet])
    assert ground[:, 0].min() + 0.05 < data.subtree_com[0, 0] < ground[:, 0].max() - 0.05
    assert abs(data.subtree_com[0, 1]) < 0.01
