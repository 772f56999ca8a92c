# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Registration of a walk task: what a robot needs beyond its own file of facts."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import gymnasium as gym

if TYPE_CHECKING:
    from ..imitation_env_cfg import ImitationEnvCfg


def register_walk(
    robot: str, name: str, sketch: str = "", adjust: Callable[[ImitationEnvCfg], None] | None = None
) -> None:
    """Register ``NIL-<name>-Walk`` with its environment and agents.

    Args:
        robot: facts of the robot, a :class:`~nil_ext.robots.robot.Robot`, as ``module:name``.
        name: the robot's name in the task id.
        sketch: its procedural gait as ``module:name``; empty where there is none.
        adjust: changes to the settings that hold for this robot only; called for each profile.
    """
    task = f"NIL-{name}-Walk"
    experiment = f"nil_{name.lower()}_walk"

    # functions, so that registering imports neither Isaac Lab nor the agents
    def env_cfg():
        from .env_cfg import walk_env_cfg

        return walk_env_cfg(pkgutil.resolve_name(robot), task, adjust)

    def agent_cfg(kind: str):
        def make():
            from . import agent_cfg as agents

            return getattr(agents, kind)(experiment)

        return make

    gym.register(
        id=task,
        entry_point="isaaclab.envs:ManagerBasedRLEnv",
        disable_env_checker=True,
        kwargs={
            "env_cfg_entry_point": env_cfg,
            "bro_cfg_entry_point": agent_cfg("bro_cfg"),
            "bro_reference_cfg_entry_point": agent_cfg("bro_reference_cfg"),
            "rsl_rl_cfg_entry_point": agent_cfg("ppo_cfg"),
            "default_agent": "rsl_rl",
            "robot_entry_point": robot,
            "sketch_entry_point": sketch or None,
        },
    )
