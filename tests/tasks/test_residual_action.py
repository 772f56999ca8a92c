# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Position targets around the reference's joint positions, and what the policy sees of them."""

from __future__ import annotations

import pytest
import torch

from nil_ext.cli.controls import standing, zero_action
from nil_ext.cli.session import Session

NUM_ENVS = 4
FRAMES = torch.tensor([0, 3, 40, 74])
"""Frames of the sketch's 75 in which the robots are put; the last one has no next."""


@pytest.fixture(scope="module")
def env(open_env):
    with open_env("presets=cpu", "env.commands.reference.filmed=false", num_envs=NUM_ENVS, task="NIL-A1-Walk") as env:
        yield env


@pytest.fixture
def term(env):
    return env.unwrapped.action_manager.get_term("joints")


@pytest.fixture
def motion(reference) -> torch.Tensor:
    """The sketch's joint positions in the robot's order (T, J), row 0 the start pose."""
    return reference.joint_pos_table


def _put(env, reference, frames: torch.Tensor) -> None:
    reference._start[:] = frames
    env.unwrapped.episode_length_buf[:] = 0


@pytest.mark.sim
def test_targets_are_the_next_frames_joint_positions_plus_the_action(env, reference, term, motion):
    _put(env, reference, FRAMES)
    coming = motion[(FRAMES + 1).clamp(max=len(motion) - 1)]
    term.process_actions(torch.zeros(NUM_ENVS, 12))
    torch.testing.assert_close(term.processed_actions, coming)
    actions = torch.zeros(NUM_ENVS, 12)
    calf = reference.robot.joint_names.index("FL_calf_joint")
    actions[:, calf] = -0.5
    term.process_actions(actions)
    coming[:, calf] -= 0.5 * 0.35  # the A1's range for its calves
    torch.testing.assert_close(term.processed_actions, coming)


@pytest.mark.sim
def test_a_control_holds_the_start_pose_for_one_step(env, reference, term, motion):
    _put(env, reference, FRAMES)
    term.hold_start()
    term.process_actions(torch.ones(NUM_ENVS, 12))
    torch.testing.assert_close(term.processed_actions, reference.robot.data.default_joint_pos.torch)
    term.process_actions(torch.zeros(NUM_ENVS, 12))
    torch.testing.assert_close(term.processed_actions[1], motion[4])


@pytest.mark.sim
def test_the_policy_sees_the_joint_positions_of_the_lookahead_times(env, reference, motion):
    _put(env, reference, FRAMES)
    size = reference.code_table.shape[1] // 2
    seen = reference.command.view(NUM_ENVS, 2, size)[..., -12:]
    for index, steps in enumerate((1, 3)):  # 0.04 and 0.12 s at 25 Hz
        ahead = motion[(FRAMES + steps).clamp(max=len(motion) - 1)]
        torch.testing.assert_close(seen[:, index], ahead - motion[:1])


@pytest.mark.sim
def test_standing_stands_and_no_action_walks(env):
    session = Session(env, None, env.unwrapped.command_manager.get_term("reference"), "nil_ext.robots.a1:A1")
    robot, travelled = session.reference.robot, {}
    with session.reference.from_e0(), torch.inference_mode():
        for name, policy in (("standing", standing(session)), ("open loop", zero_action(session))):
            obs, _ = env.reset()
            start = robot.data.root_pos_w.torch[:, 0].clone()
            for _ in range(50):
                obs, _, dones, _ = env.step(policy(obs))
                assert not dones.any()
            travelled[name] = (robot.data.root_pos_w.torch[:, 0] - start).mean().item()
    assert abs(travelled["standing"]) < 0.03
    assert travelled["open loop"] > 0.3  # 2 s of a sketch of 0.5 m/s


@pytest.mark.sim
def test_around_the_start_pose_where_the_motion_is_not_known(env, reference, term, monkeypatch):
    rest = {name: values[:1] for name, values in reference._motion.items()}
    monkeypatch.setattr(reference, "_motion", rest)
    _put(env, reference, FRAMES)
    term.process_actions(torch.zeros(NUM_ENVS, 12))
    torch.testing.assert_close(term.processed_actions, rest["joint_pos"].expand(NUM_ENVS, -1))
    assert not reference.has_motion
