# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The walk tasks of the other robots in the real simulator (the H1 has test_h1_in_simulation.py).

MuJoCo Warp compiles its kernels anew for each robot, minutes on a slow machine: of these robots those tests are slow
ones, the H1's are not.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isinf

import mujoco
import pinocchio
import pytest
import torch

from isaaclab.utils.math import euler_xyz_from_quat, quat_from_euler_xyz

from nil_ext.cli.parity import Trajectory, divergence, sway
from nil_ext.perception.masks import iou
from nil_ext.robots.a1 import A1
from nil_ext.robots.g1 import G1
from nil_ext.robots.model import model_file
from nil_ext.robots.robot import Robot
from nil_ext.robots.talos import TALOS
from nil_ext.tasks import mdp

NUM_ENVS = 4
CASES = [
    pytest.param((robot, physics), id=f"{robot.name}-{physics}", marks=marks)
    for physics, marks in (("ovphysx", ()), ("newton_mjwarp", pytest.mark.slow))
    for robot in (A1, G1, TALOS)
]

SWAYS: dict[str, Trajectory] = {}
"""What each robot did on the backend that came first."""

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module", params=CASES)
def opened(request: pytest.FixtureRequest, open_env):
    """Position targets at 25 Hz, 64 x 64 pixels, every episode from e0."""
    facts, physics = request.param
    start_at_e0 = "env.commands.reference.start_along_reference=0.0"
    task = f"NIL-{facts.name}-Walk"
    with open_env("presets=cpu,position", f"physics={physics}", start_at_e0, num_envs=NUM_ENVS, task=task) as env:
        yield facts, env


@pytest.fixture
def facts(opened) -> Robot:
    return opened[0]


@pytest.fixture
def env(opened):
    return opened[1]


@pytest.fixture
def robot(env):
    return env.unwrapped.scene["robot"]


@pytest.fixture
def fallen(env, place, facts: Robot) -> Callable[..., bool]:
    """``fallen(height, roll, pitch, yaw)``: whether a robot that far from e0 has fallen [m, rad]."""
    limits = env.unwrapped.cfg.terminations.fall.params

    def at(height: float = 0.0, roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.0) -> bool:
        quaternion = quat_from_euler_xyz(*torch.tensor([[roll], [pitch], [yaw]]))[0]
        place(env, root_pose=(0.0, 0.0, facts.start_height + height, *quaternion.tolist()))
        [verdict] = set(mdp.fallen(env.unwrapped, **limits).tolist())
        return verdict

    return at


def source_mass_and_joints(facts: Robot) -> tuple[float, set[str]]:
    """Mass [kg] and movable joints as MuJoCo reads an MJCF and Pinocchio a URDF."""
    file = str(model_file(facts.model.package, facts.model.path))
    if file.endswith(".xml"):
        model = mujoco.MjModel.from_xml_path(file)
        return float(model.body_mass.sum()), {model.joint(i).name for i in range(1, model.njnt)}
    model = pinocchio.buildModelFromUrdf(file, pinocchio.JointModelFreeFlyer())
    return pinocchio.computeTotalMass(model), set(model.names[2:]) - set(facts.model.locked_joints)


def test_simulated_robot_is_the_source_model(facts: Robot, robot):
    mass, joints = source_mass_and_joints(facts)
    assert robot.data.body_mass.torch.sum(dim=1).tolist() == pytest.approx([mass] * NUM_ENVS, abs=2e-3)
    assert set(robot.joint_names) == joints
    assert len(robot.joint_names) == {"A1": 12, "G1": 29, "Talos": 30}[facts.name]
    assert not robot.is_fixed_base
    assert {*facts.feet, facts.torso} <= set(robot.body_names)


def test_e0_stands_for_a_second(facts: Robot, env, robot):
    env.reset()
    for _ in range(25):
        _, _, dones, _ = env.step(torch.zeros(NUM_ENVS, env.num_actions))
        assert not dones.any()
    assert (robot.data.root_pos_w.torch[:, 2] - facts.start_height).abs().max() < 0.03
    angles = torch.stack(euler_xyz_from_quat(robot.data.root_quat_w.torch)).rad2deg()
    assert ((angles + 180.0) % 360.0 - 180.0).abs().max() < 6.0
    moved = robot.data.root_pos_w.torch[:, :2] - env.unwrapped.scene.env_origins[:, :2]
    assert moved.norm(dim=1).max() < 0.08
    feet = [robot.body_names.index(foot) for foot in facts.feet]
    assert robot.data.body_lin_vel_w.torch[:, feet].norm(dim=-1).max() < 0.2


def test_a_robot_that_is_thrown_sideways_falls_and_the_others_stand(env, robot):
    env.reset()
    velocity = torch.zeros(NUM_ENVS, 6)
    velocity[1, 1], velocity[1, 3] = 3.0, -6.0  # to its left [m/s], rolling over [rad/s]
    robot.write_root_velocity_to_sim_index(root_velocity=velocity)
    fell = torch.zeros(NUM_ENVS, dtype=torch.bool)
    for _ in range(15):
        _, _, dones, extras = env.step(torch.zeros(NUM_ENVS, env.num_actions))
        assert not extras["time_outs"].any()
        fell |= dones.bool()
    assert fell.tolist() == [False, True, False, False]


def test_each_fall_limit_counts(facts: Robot, fallen: Callable[..., bool]):
    assert not fallen()
    limits = {"height": facts.fall.height, "roll": facts.fall.list, "pitch": facts.fall.tilt, "yaw": facts.fall.heading}
    for name, ends in limits.items():
        for limit in (end for end in ends if not isinf(end)):
            assert not fallen(**{name: 0.98 * limit}), (name, limit)
            assert fallen(**{name: 1.02 * limit}), (name, limit)
    assert fallen(pitch=3.1)


def test_mask_is_exactly_the_robot_of_its_own_environment(facts: Robot, env, place):
    reference = env.unwrapped.command_manager.get_term("reference")
    place(env)
    with_robot, masks = (picture.clone() for picture in reference.camera.film())
    assert iou(masks, reference.masks[:1].expand_as(masks)).min() > 0.9  # e0 is the reference's first frame
    pose = torch.tensor([0.0, 0.0, facts.start_height, 0.0, 0.0, 0.0, 1.0]).repeat(NUM_ENVS, 1)
    pose[:2, 2] = 50.0  # out of the picture; neighbours stand right behind, 6 m further along the camera's view
    place(env, root_pose=pose)
    without, empty = reference.camera.film()
    assert not empty[:2].any()
    assert torch.equal(empty[2:], masks[2:])
    assert masks[0].sum() > 150
    assert torch.equal((with_robot[:2] != without[:2]).any(dim=-1), masks[:2])


def test_the_whole_robot_fills_the_picture_without_touching_its_rim(env, place):
    place(env)
    mask = env.unwrapped.command_manager.get_term("reference").camera.film()[1]
    rim = torch.ones_like(mask[0])
    rim[1:-1, 1:-1] = False
    assert not mask[:, rim].any()
    sides = [mask[0].any(dim=1 - axis).sum().item() / 64 for axis in (0, 1)]
    assert 0.7 < max(sides) < 0.95


def test_the_same_actions_by_joint_name_run_on_both_backends(facts: Robot, env, request: pytest.FixtureRequest):
    trajectory = sway(env)
    assert len(trajectory.joints) == env.num_actions
    assert abs(trajectory.root[-1, 2] - facts.start_height) < 0.05  # it stays on its feet
    if request.node.callspec.params["opened"][1] == "ovphysx":
        SWAYS[facts.name] = trajectory
        return
    if facts.name not in SWAYS:
        pytest.skip("nothing to compare with, PhysX did not go first: run this file with -m sim")
    first = SWAYS[facts.name]
    root, joints = divergence(first, trajectory)
    assert root.max() < 0.1
    assert joints.max() < 0.08  # joints that got each other's actions would be 0.1 rad apart and more
