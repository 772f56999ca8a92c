# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Controls that stand beside every policy: what is earned without having learned anything."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable

import torch
from tensordict import TensorDict

from isaaclab.envs.mdp import JointPositionActionCfg
from isaaclab.utils.string import resolve_matching_names_values

from ..tasks.mdp.actions_cfg import ReferencePositionActionCfg
from .session import Session

Policy = Callable[[TensorDict], torch.Tensor]
"""Actions (N, A) in [-1, 1] for observations."""


def controls(session: Session, seed: int) -> dict[str, Policy]:
    """Every control by name, in the order of the tables."""
    return {
        "standing": standing(session),
        "zero action": zero_action(session),
        "random": random_actions(session, seed),
    }


def start_pose(session: Session) -> torch.Tensor:
    """Joint positions of e0 (J,) [rad]."""
    return session.reference.robot.data.default_joint_pos.torch[0]


def standing(session: Session) -> Policy:
    """Holds the start pose e0 with the robot's position gains, whatever the kind of action."""
    env = session.env
    term = env.unwrapped.action_manager.get_term("joints")
    zero = zero_action(session)
    if isinstance(term.cfg, ReferencePositionActionCfg):

        def hold_start(obs: TensorDict) -> torch.Tensor:
            term.aim(start_pose(session))
            return zero(obs)

        return hold_start
    if isinstance(term.cfg, JointPositionActionCfg):
        return zero
    robot, facts = session.reference.robot, pkgutil.resolve_name(session.robot_entry_point)
    stiffness, damping, limits = (
        torch.tensor(resolve_matching_names_values(values, robot.joint_names)[2], device=env.device)
        for values in (facts.stiffness, facts.damping, facts.effort_limits)
    )

    def hold(obs: TensorDict) -> torch.Tensor:
        error = robot.data.default_joint_pos.torch - robot.data.joint_pos.torch
        return ((stiffness * error - damping * robot.data.joint_vel.torch) / limits).clamp(-1.0, 1.0)

    return hold


def zero_action(session: Session) -> Policy:
    """Action 0: no torque, with position targets the same as standing, with residual ones the motion open loop."""
    env = session.env
    return lambda obs: torch.zeros(env.num_envs, env.num_actions, device=env.device)


def random_actions(session: Session, seed: int) -> Policy:
    """Uniform in [-1, 1], anew in every step."""
    env = session.env
    generator = torch.Generator(device=env.device).manual_seed(seed)
    shape = (env.num_envs, env.num_actions)
    return lambda obs: torch.rand(shape, generator=generator, device=env.device) * 2.0 - 1.0
