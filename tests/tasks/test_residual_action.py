# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Position targets around the reference's joint positions, and what the policy sees of them."""

from __future__ import annotations

import pytest
import torch

from nil_ext.cli.controls import standing, zero_action
from nil_ext.cli.session import Session

NUM_ENVS = 4
MOVED = {"FL_calf_joint": 0.3, "RR_thigh_joint": 0.2}
"""Joints that the policy moves here, and how far [rad]; the A1's other ten follow the reference."""

FRAMES = torch.tensor([0, 3, 40, 74])
"""Frames of the sketch's 75 in which the robots are put; the last one has no next."""


@pytest.fixture(scope="module")
def env(open_env):
    def move_few(cfg) -> None:
        cfg.actions.joints.joint_names, cfg.actions.joints.scale = list(MOVED), MOVED

    overrides = ("presets=cpu", "env.commands.reference.filmed=false")
    with open_env(*overrides, num_envs=NUM_ENVS, task="NIL-A1-Walk", change=move_few) as env:
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


def _targets(env, term, substeps: int) -> torch.Tensor:
    """Targets of all joints (N, J) after so many physics steps of a control step."""
    for _ in range(substeps):
        term.apply_actions()
    return env.unwrapped.scene["robot"].actuators.target_command.position.torch.clone()


@pytest.mark.sim
def test_targets_are_the_next_frames_joint_positions_plus_the_action(env, reference, term, motion):
    _put(env, reference, FRAMES)
    coming = motion[(FRAMES + 1).clamp(max=len(motion) - 1)]
    term.process_actions(torch.zeros(NUM_ENVS, 2))
    torch.testing.assert_close(_targets(env, term, 10), coming)
    names = list(reference.robot.joint_names)
    actions = torch.zeros(NUM_ENVS, 2)
    actions[:, [name for name in names if name in MOVED].index("FL_calf_joint")] = -0.5
    term.process_actions(actions)
    coming[:, names.index("FL_calf_joint")] -= 0.5 * 0.3
    torch.testing.assert_close(_targets(env, term, 10), coming)


@pytest.mark.sim
def test_targets_go_evenly_to_the_new_ones(env, reference, term, motion):
    env.reset()
    _put(env, reference, FRAMES)
    here = reference.robot.data.joint_pos.torch.clone()  # an episode's first targets start where its joints are
    term.process_actions(torch.zeros(NUM_ENVS, 2))
    coming = motion[(FRAMES + 1).clamp(max=len(motion) - 1)]
    torch.testing.assert_close(_targets(env, term, 1), here + 0.1 * (coming - here))
    torch.testing.assert_close(_targets(env, term, 4), here + 0.5 * (coming - here))
    torch.testing.assert_close(_targets(env, term, 5), coming)
    _put(env, reference, FRAMES - 1)
    term.process_actions(torch.zeros(NUM_ENVS, 2))
    torch.testing.assert_close(_targets(env, term, 5), 0.5 * (coming + motion[FRAMES]))


@pytest.mark.sim
def test_targets_can_be_chosen_for_a_step(env, reference, term, motion):
    _put(env, reference, FRAMES)
    chosen = torch.linspace(-0.5, 0.5, 12)
    term.aim(chosen, torch.tensor([0, 2]))
    term.process_actions(torch.ones(NUM_ENVS, 2))
    targets = _targets(env, term, 10)
    torch.testing.assert_close(targets[[0, 2]], chosen.expand(2, -1))
    assert (targets[[1, 3]] - chosen).abs().max() > 0.1
    term.process_actions(torch.zeros(NUM_ENVS, 2))
    torch.testing.assert_close(_targets(env, term, 10)[0], motion[1])


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
def test_around_the_start_pose_all_joints_move_where_the_motion_is_not_known(env, reference, term, monkeypatch):
    rest = {name: values[:1] for name, values in reference._motion.items()}
    monkeypatch.setattr(reference, "_motion", rest)
    assert not reference.has_motion
    unknown = term.cfg.class_type(
        term.cfg.replace(scale_around_e0={".*_calf_.*": 0.4, ".*_(hip|thigh)_.*": 0.1}), env.unwrapped
    )
    assert unknown.action_dim == 12
    _put(env, reference, FRAMES)
    unknown.process_actions(torch.full((NUM_ENVS, 12), 0.5))
    scale = torch.tensor([0.4 if "calf" in name else 0.1 for name in reference.robot.joint_names])
    around = rest["joint_pos"] + 0.5 * scale
    torch.testing.assert_close(_targets(env, unknown, 10), around.expand(NUM_ENVS, -1))
