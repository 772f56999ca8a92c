# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What we state about the Talos, held against the packaged model as Pinocchio reads it, by no code of ours."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pinocchio
import pytest

from nil_ext.robots.model import model_file
from nil_ext.robots.talos import TALOS, TALOS_WALK

RATE = 100.0
SOLES = ("left_sole_link", "right_sole_link")


@pytest.fixture(scope="module")
def source() -> str:
    return str(model_file(TALOS.model.package, TALOS.model.path))


@pytest.fixture(scope="module")
def model(source: str) -> pinocchio.Model:
    """The URDF with a free root, whose state comes before the joints'."""
    return pinocchio.buildModelFromUrdf(source, pinocchio.JointModelFreeFlyer())


@pytest.fixture(scope="module")
def joints(model: pinocchio.Model) -> dict[str, int]:
    """Joints that may move, the grippers' not among them: name to their index in the configuration."""
    names = [name for name in model.names if name not in ("universe", "root_joint", *TALOS.model.locked_joints)]
    return {name: model.joints[model.getJointId(name)].idx_q for name in names}


@pytest.fixture(scope="module")
def motion(joints: dict[str, int]) -> dict[str, np.ndarray]:
    return TALOS_WALK.motion(by_joint(TALOS.start_joint_pos, joints), TALOS.episode_length, RATE)


def by_joint(values: dict[str, float], names) -> dict[str, float]:
    """Value of each joint under keys that are regular expressions; exactly one key must match."""
    resolved = {}
    for name in names:
        [resolved[name]] = [value for key, value in values.items() if re.fullmatch(key, name)]
    return resolved


def test_mass_joints_and_bodies_are_the_model_s(model: pinocchio.Model, joints: dict[str, int], source: str):
    assert pinocchio.computeTotalMass(model) == pytest.approx(TALOS.mass, abs=5e-4)
    assert len(joints) == 30  # 6 a leg, 7 an arm, 2 each in torso and head
    assert set(TALOS.model.locked_joints) <= set(model.names)
    assert {*TALOS.feet, TALOS.torso} <= {link.get("name") for link in ET.parse(source).getroot().iter("link")}


def test_torque_limits_are_the_model_s(model: pinocchio.Model, joints: dict[str, int]):
    for name, limit in by_joint(TALOS.effort_limits, joints).items():
        assert model.effortLimit[model.joints[model.getJointId(name)].idx_v] == limit, name


def test_every_joint_has_one_gain_one_action_scale_one_rotor_and_one_angle(joints: dict[str, int]):
    for values in (TALOS.start_joint_pos, TALOS.stiffness, TALOS.damping, TALOS.action_scale, TALOS.armature):
        assert len(by_joint(values, joints)) == 30


def test_sketch_stays_inside_the_joint_limits_and_starts_at_e0(
    model: pinocchio.Model, joints: dict[str, int], motion: dict[str, np.ndarray]
):
    start = by_joint(TALOS.start_joint_pos, joints)
    for column, name in enumerate(motion["joint_names"]):
        angles = motion["joint_pos"][:, column]
        low, high = (limit[joints[name]] for limit in (model.lowerPositionLimit, model.upperPositionLimit))
        assert low <= angles.min() <= angles.max() <= high, name
        assert angles[0] == pytest.approx(start[name]), name


def test_sketch_can_be_asked_for_by_actions(joints: dict[str, int], motion: dict[str, np.ndarray]):
    scale = by_joint(TALOS.action_scale, joints)
    for column, name in enumerate(motion["joint_names"]):
        angles = motion["joint_pos"][:, column]
        assert np.abs(angles - angles[0]).max() <= scale[name], name


def test_soles_are_level_on_the_ground_in_stance_and_do_not_slide(
    model: pinocchio.Model, joints: dict[str, int], motion: dict[str, np.ndarray]
):
    data, rows = model.createData(), []
    columns = [joints[name] for name in motion["joint_names"]]
    for pose, angles in zip(motion["root_pose"], motion["joint_pos"], strict=True):
        configuration = pinocchio.neutral(model)
        configuration[:7] = pose  # position, quaternion xyzw
        configuration[columns] = angles
        pinocchio.framesForwardKinematics(model, data, configuration)
        rows.append([data.oMf[model.getFrameId(sole)].homogeneous[:3, 2:].T for sole in SOLES])
    normal, place = np.moveaxis(np.array(rows), 2, 0)  # (T, 2 feet, 3) each
    assert normal[..., 2].min() > 1.0 - 1e-9  # level
    # the URDF's sole frame is 0.107 m below the ankle, the foot's mesh reaches 0.4 mm further
    height = place[..., 2]
    assert height.min() == pytest.approx(TALOS_WALK.sole - 0.107, abs=1e-6)
    assert height.max() - height.min() == pytest.approx(TALOS_WALK.clearance, abs=1e-3)
    down = height < height.min() + 1e-6
    assert down[0].all()  # e0: both feet on the ground, the left in front
    assert place[0, 0, 0] - place[0, 1, 0] == pytest.approx(0.5 * TALOS_WALK.speed * TALOS_WALK.stride_time, abs=2e-3)
    assert down.any(axis=1).all()
    assert down.mean(axis=0) == pytest.approx([TALOS_WALK.duty] * 2, abs=0.03)
    moved = np.diff(place[..., :2], axis=0)[down[1:] & down[:-1]]
    assert np.abs(moved).max() < 1e-4


def test_centre_of_mass_is_above_the_feet_at_e0(model: pinocchio.Model, joints: dict[str, int]):
    configuration, data = pinocchio.neutral(model), model.createData()
    configuration[2] = TALOS.start_height
    for name, angle in by_joint(TALOS.start_joint_pos, joints).items():
        configuration[joints[name]] = angle
    centre = pinocchio.centerOfMass(model, data, configuration)
    pinocchio.updateFramePlacements(model, data)
    left, right = (data.oMf[model.getFrameId(sole)].translation for sole in SOLES)
    assert right[0] - 0.06 < centre[0] < left[0] + 0.05  # a foot reaches from -0.11 to +0.10 m
    assert abs(centre[1]) < 0.01


def test_sole_points_are_the_corners_of_the_foot_s_mesh(source: str):
    [mesh] = [
        link.find("collision/geometry/mesh").get("filename")
        for link in ET.parse(source).getroot().iter("link")
        if link.get("name") == TALOS.feet[0]
    ]
    file = source.split("/example-robot-data/robots/")[0] + "/" + mesh.removeprefix("package://")
    binary = np.fromfile(file, dtype=[("normal", "<3f4"), ("corners", "<9f4"), ("rest", "<u2")], offset=84)
    corners = binary["corners"].reshape(-1, 3)
    sole = corners[corners[:, 2] < corners[:, 2].min() + 0.004]  # its edges are rounded
    points = np.array(TALOS.sole_points)
    assert points.min(axis=0)[:2] == pytest.approx(sole.min(axis=0)[:2], abs=2e-3)
    assert points.max(axis=0)[:2] == pytest.approx(sole.max(axis=0)[:2], abs=2e-3)
    assert points[:, 2] - TALOS.sole_radius == pytest.approx([corners[:, 2].min()] * 4, abs=1e-4)
