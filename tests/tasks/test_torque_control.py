# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The paper's kind of action: joint torques at 100 Hz."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from nil_ext.cli.controls import random_actions, standing
from nil_ext.tasks import mdp

NUM_ENVS = 2


@pytest.fixture(scope="module")
def env(open_env):
    settings = ("presets=paper", "physics=ovphysx", "env.commands.reference.encoder=efficientnet")
    settings += ("env.terminations.lost=null",)  # a task may do without a way to fail
    with open_env(*settings, num_envs=NUM_ENVS) as env:
        yield env


@pytest.fixture
def session(env) -> SimpleNamespace:
    """What the controls of an evaluation need of a session."""
    reference = env.unwrapped.command_manager.get_term("reference")
    return SimpleNamespace(env=env, reference=reference, robot_entry_point="nil_ext.robots.h1:H1")


@pytest.mark.sim
def test_rates_are_the_paper_s(env):
    assert env.unwrapped.physics_dt == pytest.approx(1 / 500)
    assert env.unwrapped.step_dt == pytest.approx(1 / 100)
    assert env.max_episode_length == 400
    assert env.unwrapped.command_manager.get_term("reference").length == 401


@pytest.mark.sim
def test_a_robot_without_torque_falls_within_half_a_second(env):
    env.reset()
    lasted = 0
    dones = torch.zeros(NUM_ENVS)
    while not dones.any() and lasted < 50:
        _, _, dones, extras = env.step(torch.zeros(NUM_ENVS, env.num_actions))
        lasted += 1
    assert dones.all()
    assert not extras["time_outs"].any()
    assert lasted > 10  # it takes its time: no fall in the first tenth of a second


@pytest.mark.sim
def test_joint_torque_is_a_mean_square_of_the_share_of_the_limit(env):
    env.reset()
    actions = torch.stack([torch.full((19,), 0.5), torch.zeros(19)])
    actions[1, 3] = -1.0
    env.step(actions)
    assert mdp.joint_torque(env.unwrapped).tolist() == pytest.approx([0.25, 1.0 / 19.0], abs=1e-5)
    env.step(3.0 * actions)  # beyond the limit: clipped there
    assert mdp.joint_torque(env.unwrapped).tolist() == pytest.approx([1.0, 1.0 / 19.0], abs=1e-5)


@pytest.mark.sim
def test_standing_control_holds_e0_by_torques(env, session):
    obs, _ = env.reset()
    control = standing(session)
    for _ in range(100):
        obs, _, dones, _ = env.step(control(obs))
        assert not dones.any()
    data = session.reference.robot.data
    assert (data.joint_pos.torch - data.default_joint_pos.torch).abs().max() < 0.2
    assert data.root_lin_vel_w.torch.abs().max() < 0.1


@pytest.mark.sim
def test_random_control_fills_the_range_and_falls(env, session):
    obs, _ = env.reset()
    control = random_actions(session, seed=0)
    actions = torch.stack([control(obs) for _ in range(100)])
    assert actions.shape == (100, NUM_ENVS, 19)
    assert -1.0 <= actions.min() < -0.95
    assert 0.95 < actions.max() <= 1.0
    fell = torch.zeros(NUM_ENVS, dtype=torch.bool)
    for _ in range(60):
        _, _, dones, _ = env.step(control(obs))
        fell |= dones.bool()
        if fell.all():
            break
    assert fell.all()
