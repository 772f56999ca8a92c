# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The short evaluation after training and in playback: a policy beside standing and random, and a video."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Callable
from pathlib import Path

import torch
from tensordict import TensorDict

from isaaclab.envs.mdp import JointPositionActionCfg
from isaaclab.utils.string import resolve_matching_names_values

from ..evaluation import roll_out, summarise, table
from ..evaluation.side_by_side import side_by_side
from ..files import whole_file
from ..reference.video import write_video
from .session import Session


def judge(session: Session, policy: Callable[[TensorDict], torch.Tensor], folder: Path, name: str) -> Path:
    """Roll the policy and its controls out from e0, print the table, and write it and a video into a folder.

    Args:
        session: the open environment.
        policy: the policy to judge.
        folder: where ``<name>.mp4`` and ``<name>.json`` go.
        name: stem of the files.

    Returns:
        Path of the video.
    """
    env, reference = session.env, session.reference
    along, reference.cfg.start_along_reference = reference.cfg.start_along_reference, 0.0
    try:
        dt = env.unwrapped.step_dt
        policies = {"policy": policy, "standing": standing(session), "random": random_actions(session)}
        rollouts = {key: roll_out(env, act, reference, dt, film=key == "policy") for key, act in policies.items()}
    finally:
        reference.cfg.start_along_reference = along
    rows = {key: summarise(rollout, reference.cfg.target_speed) for key, rollout in rollouts.items()}
    print(f"\n{env.num_envs} episodes each, from e0 (mean ± standard deviation over episodes):\n{table(rows)}\n")
    video = folder / f"{name}.mp4"
    first = slice(1, None)  # the first frame of a rollout is the one after the first step
    pictures = side_by_side(
        reference.frames.cpu().numpy()[first], reference.masks.cpu().numpy()[first], rollouts["policy"].frames
    )
    write_video(video, pictures, 1.0 / dt)
    numbers = {key: {m: {"mean": v[0], "std": v[1]} for m, v in row.items()} for key, row in rows.items()}
    with whole_file(folder / f"{name}.json") as file:
        file.write_text(json.dumps({"episodes": env.num_envs, **numbers}, indent=2) + "\n", encoding="utf-8")
    return video


def standing(session: Session) -> Callable[[TensorDict], torch.Tensor]:
    """The control that holds the start pose e0 with the robot's position gains, whatever the kind of action."""
    env = session.env
    if isinstance(env.unwrapped.action_manager.get_term("joints").cfg, JointPositionActionCfg):
        return lambda obs: torch.zeros(env.num_envs, env.num_actions, device=env.device)
    robot, facts = session.reference.robot, pkgutil.resolve_name(session.robot_entry_point)
    stiffness, damping, limits = (
        torch.tensor(resolve_matching_names_values(values, robot.joint_names)[2], device=env.device)
        for values in (facts.stiffness, facts.damping, facts.effort_limits)
    )

    def hold(obs: TensorDict) -> torch.Tensor:
        error = robot.data.default_joint_pos.torch - robot.data.joint_pos.torch
        return ((stiffness * error - damping * robot.data.joint_vel.torch) / limits).clamp(-1.0, 1.0)

    return hold


def random_actions(session: Session) -> Callable[[TensorDict], torch.Tensor]:
    """The control that acts uniformly at random."""
    shape = (session.env.num_envs, session.env.num_actions)
    return lambda obs: torch.rand(shape, device=session.env.device) * 2.0 - 1.0
