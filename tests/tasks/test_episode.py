# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""How episodes start, run and end in the real environment, and what they report."""

from __future__ import annotations

import re

import pytest
import torch

from nil_ext.robots.h1 import H1
from nil_ext.tasks import mdp
from nil_ext.tasks.embedded import embedded_reference
from nil_ext.tasks.mdp.reference_states import start_frames

NUM_ENVS = 4
STEPS = 10
"""Length of an episode: 0.4 s at 25 Hz."""

LIFTED = (0.0, 0.0, H1.start_height + 0.6, 0.0, 0.0, 0.0, 1.0)
"""Above the limit for as long as a control step lasts: a fall."""


@pytest.fixture(scope="module")
def env(open_env):
    """Position targets; the mask stream has no weight."""
    with open_env(
        "presets=cpu,position",
        "env.episode_length_s=0.4",
        "env.rewards.mask_iou.weight=0",
        "env.commands.reference.start_along_reference=1.0",
        num_envs=NUM_ENVS,
    ) as env:
        yield env


@pytest.fixture
def reference(env):
    return env.unwrapped.command_manager.get_term("reference")


@pytest.fixture
def from_e0(env, reference, monkeypatch: pytest.MonkeyPatch):
    """Every episode of this test starts at e0."""
    monkeypatch.setattr(reference.cfg, "start_along_reference", 0.0)
    env.reset()


def stand(env):
    """One step of holding the start pose."""
    return env.step(torch.zeros(NUM_ENVS, env.num_actions))


def lift(env, envs: list[int]) -> None:
    """Put some of the robots where they count as fallen."""
    ids = torch.tensor(envs)
    pose = torch.tensor(LIFTED).repeat(len(ids), 1)
    pose[:, :3] += env.unwrapped.scene.env_origins[ids]
    env.unwrapped.scene["robot"].write_root_pose_to_sim_index(root_pose=pose, env_ids=ids)


@pytest.mark.sim
def test_frame_advances_by_one_a_step_and_starts_again(env, reference, from_e0):
    assert reference.length == STEPS + 1
    assert reference.frame.tolist() == [0] * NUM_ENVS
    for step in range(1, STEPS):
        _, _, dones, _ = stand(env)
        assert not dones.any()
        assert reference.frame.tolist() == [step] * NUM_ENVS
    _, _, dones, extras = stand(env)
    assert dones.all()
    assert extras["time_outs"].all()
    assert reference.frame.tolist() == [0] * NUM_ENVS


@pytest.mark.sim
def test_a_fall_in_the_last_step_is_no_time_out(env, reference, from_e0):
    for _ in range(STEPS - 1):
        stand(env)
    lift(env, [1])
    _, _, dones, extras = stand(env)
    assert dones.tolist() == [1, 1, 1, 1]
    assert extras["time_outs"].tolist() == [True, False, True, True]
    assert env.unwrapped.reset_terminated.tolist() == [False, True, False, False]


@pytest.mark.sim
def test_only_the_fallen_start_again(env, reference, from_e0):
    for _ in range(3):
        stand(env)
    lift(env, [0, 2])
    _, _, dones, extras = stand(env)
    assert dones.tolist() == [1, 0, 1, 0]
    assert not extras["time_outs"].any()
    assert reference.frame.tolist() == [0, 4, 0, 4]
    height = env.unwrapped.scene["robot"].data.root_pos_w.torch[:, 2]
    assert height[[0, 2]].tolist() == pytest.approx([H1.start_height] * 2, abs=1e-5)


@pytest.mark.sim
def test_final_observation_is_the_last_one_of_the_episode(env, from_e0):
    for _ in range(STEPS):
        obs, _, _, extras = stand(env)
    phase = -1  # the last entry of an observation: -1 at the start of the reference, 1 at its end
    assert extras["final_obs"]["policy"][:, phase].tolist() == pytest.approx([1.0] * NUM_ENVS)
    assert obs["policy"][:, phase].tolist() == pytest.approx([-1.0] * NUM_ENVS)


@pytest.mark.sim
def test_every_stream_is_logged_by_name_also_without_weight(env, from_e0):
    for _ in range(STEPS):
        _, _, _, extras = stand(env)
    log = {name: float(value) for name, value in extras["log"].items()}
    streams = {name.removeprefix("Episode_Reward/") for name in log if name.startswith("Episode_Reward/")}
    penalties = {"joint_torque", "action_change", "joint_velocity", "foot_slip", "torso_tilt", "heading"}
    assert {"video_similarity", "mask_iou", *penalties} <= streams
    assert log["Episode_Reward/mask_iou"] == 0.0
    assert 0.3 < log["Metrics/reference/mask_iou"] < 1.0  # standing beside the first half of a step
    assert -1.0 <= log["Metrics/reference/video_similarity"] <= 1.0
    assert abs(log["Metrics/reference/forward_speed"]) < 0.3
    assert log["Episode_Termination/time_out"] == 1.0  # the share of the episodes that ended
    assert log["Episode_Termination/fall"] == 0.0


@pytest.mark.sim
def test_reward_is_the_weighted_sum_of_the_streams_times_the_step(env, from_e0):
    task, manager = env.unwrapped, env.unwrapped.reward_manager
    stand(env)
    actions = 0.2 * torch.linspace(-1.0, 1.0, env.num_actions).repeat(NUM_ENVS, 1)
    _, rewards, dones, _ = env.step(actions)
    assert not dones.any()
    total = torch.zeros(NUM_ENVS)
    for name in manager.active_terms:
        term = manager.get_term_cfg(name)
        total += term.weight * term.func(task, **term.params)
    assert manager.get_term_cfg("mask_iou").weight == 0.0
    assert (mdp.mask_iou(task) > 0.05).all()  # it is computed, and would have counted
    assert rewards.tolist() == pytest.approx((total * 0.04).tolist(), abs=1e-6)


@pytest.mark.sim
def test_actions_are_targets_around_e0_scaled_by_joint(env, from_e0):
    term = env.unwrapped.action_manager.get_term("joints")
    term.process_actions(torch.ones(NUM_ENVS, env.num_actions))
    robot = env.unwrapped.scene["robot"]
    reach = (term.processed_actions - robot.data.default_joint_pos.torch)[0].tolist()
    for name, distance in zip(robot.joint_names, reach, strict=True):
        [expected] = [value for key, value in H1.action_scale.items() if re.fullmatch(key, name)]
        assert distance == pytest.approx(expected, abs=1e-5), name


@pytest.mark.sim
def test_start_along_the_reference_is_the_sketch_s_pose_and_velocity(env, reference):
    motion = embedded_reference("NIL-H1-Walk").resample(25.0).motion
    robot = env.unwrapped.scene["robot"]
    order = [list(motion["joint_names"]).index(name) for name in robot.joint_names]
    frames = []
    for _ in range(5):
        env.reset()
        frame = reference.frame
        frames += frame.tolist()
        data = robot.data
        for value, expected in (
            (data.joint_pos, motion["joint_pos"][:, order]),
            (data.joint_vel, motion["joint_vel"][:, order]),
            (data.root_vel_w, motion["root_vel"]),
        ):
            assert torch.allclose(value.torch, torch.as_tensor(expected, dtype=torch.float32)[frame], atol=1e-4)
        position = data.root_pos_w.torch - env.unwrapped.scene.env_origins
        assert torch.allclose(position, torch.tensor([0.0, 0.0, H1.start_height]).expand(NUM_ENVS, 3), atol=1e-5)
    # in the first 80 % of the reference, never all at one place
    assert min(frames) >= 1
    assert max(frames) <= 0.8 * STEPS
    assert len(set(frames)) > 2


@pytest.mark.sim
def test_an_episode_that_starts_late_ends_with_the_reference(env, reference):
    """Each robot follows the sketch's joint angles, with which it stays up for the few steps that are left."""
    motion = embedded_reference("NIL-H1-Walk").resample(25.0).motion
    robot, scale = env.unwrapped.scene["robot"], torch.zeros(env.num_actions)
    for key, value in H1.action_scale.items():
        scale[robot.find_joints(key)[0]] = value
    order = [list(motion["joint_names"]).index(name) for name in robot.joint_names]
    targets = torch.as_tensor(motion["joint_pos"][:, order], dtype=torch.float32)
    env.reset()
    start, ended = reference.frame.clone(), torch.zeros(NUM_ENVS, dtype=torch.long)
    for step in range(1, STEPS):
        actions = (targets[reference.frame + 1] - robot.data.default_joint_pos.torch) / scale
        _, _, dones, extras = env.step(actions)
        first = dones.bool() & (ended == 0)
        assert extras["time_outs"][first].all()
        ended[first] = step
    assert ended.tolist() == (STEPS - start).tolist()


@pytest.mark.sim
def test_episodes_are_judged_where_they_began_at_e0(env, reference, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reference.cfg, "start_along_reference", 0.5)
    seen = set()
    for _ in range(6):
        env.reset()
        at_e0 = reference.frame == 0
        ended = torch.zeros(NUM_ENVS, dtype=torch.bool)
        for _ in range(STEPS):
            _, _, dones, extras = stand(env)
            first = dones.bool() & ~ended  # the next ones begin elsewhere, and the step still tells of those that ended
            assert torch.equal(extras["judged"][first], at_e0[first])
            ended |= first
        assert ended.all()
        seen |= set(at_e0.tolist())
    assert seen == {True, False}


@pytest.mark.sim
def test_no_episode_starts_where_it_would_be_over(env, reference):
    pose = reference.target("root_pose")[:1].repeat(STEPS + 1, 1)
    assert reference.length == STEPS + 1
    pose[3, 2] = H1.start_height + H1.fall.height[1] - 0.01  # within the limit, but hardly
    pose[5, 3:] = torch.tensor([0.0, 0.0, 0.5**0.5, 0.5**0.5])  # a quarter turn
    fall = env.unwrapped.cfg.terminations.fall.params
    assert start_frames(pose, fall).tolist() == [1, 2, 4, 6, 7, 8]  # of the first 80 %
    assert start_frames(pose, None).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert len(start_frames(pose[:1], fall)) == 0  # a clip that has not been lifted
