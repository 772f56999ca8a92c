# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The Expert's environment on the simulator, and the baselines learning in it; one start for all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from isaaclab.envs.mdp import JointPositionActionCfg
from isaaclab_rl.rsl_rl import RslRlVecEnvWrapper, check_rsl_rl_version, handle_deprecated_rsl_rl_cfg
from isaaclab_tasks.utils import resolve_task_config

from nil_ext.cli.session import runner_settings
from nil_ext.rl.imitation import load_trajectories, state_names
from nil_ext.rl.runners import OffPolicyRunner
from nil_ext.rl.runners.checkpoint import read_checkpoint

TASK = "NIL-A1-Walk"

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def env(open_env) -> Iterator[RslRlVecEnvWrapper]:
    with open_env("presets=cpu", num_envs=4, task=TASK, reward="task") as env:
        yield env


@pytest.fixture
def film_is_forbidden(env, monkeypatch):
    def unreachable(middle) -> None:
        raise AssertionError("the camera was read")

    monkeypatch.setattr(env.unwrapped.command_manager.get_term("reference").camera, "film", unreachable)


def test_a_step_earns_its_share_of_the_env_reward_and_is_not_filmed(env, place, film_is_forbidden):
    env.reset()
    speeds = torch.tensor([0.0, 0.5, 1.0, 0.5])
    root_vel = torch.zeros(4, 6)
    root_vel[:, 0] = speeds
    root_vel[3, 1] = 0.2
    place(env, root_vel=root_vel)
    term = env.unwrapped.reward_manager.get_term_cfg("env_reward")
    expected = torch.exp(-5.0 * torch.tensor([0.5, 0.0, 0.5, 0.2]))
    torch.testing.assert_close(term.func(env.unwrapped, **term.params), expected, rtol=0.0, atol=0.02)
    _, rewards, _, _ = env.step(torch.zeros(4, 12))
    velocity = env.unwrapped.scene["robot"].data.root_lin_vel_w.torch[:, :2] - torch.tensor([0.5, 0.0])
    torch.testing.assert_close(rewards, 0.04 * torch.exp(-5.0 * velocity.norm(dim=1)), rtol=1e-4, atol=1e-5)
    assert set(env.unwrapped.command_manager.get_term("reference").metrics) == {"forward_speed"}


def test_targets_go_around_e0_for_there_is_no_reference_to_follow(env):
    term = env.unwrapped.action_manager.get_term("joints")
    term.process_actions(torch.zeros(4, 12))
    robot = env.unwrapped.scene["robot"]
    torch.testing.assert_close(term.processed_actions, robot.data.default_joint_pos.torch)
    assert type(term.cfg) is JointPositionActionCfg


def test_the_state_is_what_its_names_say(env, film_is_forbidden):
    robot = env.unwrapped.scene["robot"]
    env.reset()
    obs, *_ = env.step(torch.zeros(4, 12))
    names = state_names(robot.joint_names)
    assert obs["state"].shape == (4, len(names))
    state = dict(zip(names, obs["state"].unbind(dim=1), strict=True))
    data = robot.data
    torch.testing.assert_close(state["root_height"], data.root_pos_w.torch[:, 2])
    assert state["gravity.z"].mean() == pytest.approx(-1.0, abs=0.05)
    for i, joint in enumerate(robot.joint_names):
        torch.testing.assert_close(state[f"joint_pos.{joint}"], data.joint_pos.torch[:, i])
        torch.testing.assert_close(state[f"joint_vel.{joint}"], data.joint_vel.torch[:, i])
    # neither the reference nor its time
    assert env.unwrapped.observation_manager.active_terms["policy"][-1] == "last_action"


def test_an_evaluation_films_all_the_same(env):
    reference, seen = env.unwrapped.command_manager.get_term("reference"), []
    reference.probes.append(lambda: seen.append(reference.latest["mask_iou"].clone()))
    env.reset()
    env.step(torch.zeros(4, 12))
    reference.probes.clear()
    assert seen[0].min() > 0.3


@pytest.mark.parametrize("agent", ["amp", "gaifo", "bco"])
def test_baselines_learn_from_a_clip(env, shared: Path, tmp_path: Path, agent: str, film_is_forbidden):
    small = ["warmup_transitions=40", "replay_size=2000", "batch_size=32", "reuse=8"]
    overrides = ["presets=cpu", *(f"agent.algorithm.{setting}" for setting in small)]
    _, agent_cfg = resolve_task_config(TASK, f"{agent}_cfg_entry_point", overrides=overrides)
    agent_cfg = handle_deprecated_rsl_rl_cfg(agent_cfg, check_rsl_rl_version())
    trajectories = load_trajectories(shared / "mocap" / "a1_walk.npz", "A1")
    runner = OffPolicyRunner(env, runner_settings(env, agent_cfg, trajectories), str(tmp_path), "cpu")
    # everything but the root's height
    assert runner.alg.expert.known.sum() == 9 + 2 * 12 and runner.alg.expert.known[0] == 0.0
    before = [parameter.clone() for parameter in runner.alg.actor.mlp.parameters()]
    runner.learn(2)
    assert any((old != new).any() for old, new in zip(before, runner.alg.actor.mlp.parameters(), strict=True))
    content = read_checkpoint(tmp_path / "model_2.pt")
    assert content["gradient_steps"] > 20
    obs = env.get_observations()
    actions = runner.get_inference_policy("cpu")(obs)
    assert actions.shape == (4, 12) and actions.abs().max() <= 1.0
    if agent != "bco":
        drawn = runner.alg._draw(64)
        # three steps of a reward in [0, 1] each
        assert drawn.rewards.min() >= 0.0 and drawn.rewards.max() <= 1.0 + 0.92 + 0.92**2 + 1e-4
        assert math.isfinite(drawn.rewards.sum().item())
