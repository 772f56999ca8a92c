# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Registration of a walk task: what a robot needs beyond its own file of facts."""

from __future__ import annotations

import pkgutil

import gymnasium as gym

IMITATION, TRACKING, TASK = "imitation", "tracking", "task"
REWARDS = (IMITATION, TRACKING, TASK)
"""What a policy learns from: the paper's streams (default), the reference's joint angles where they are known, or
LocoMuJoCo's task reward (the Expert)."""

BASELINES = ("amp", "gaifo", "bco")
"""Agents that learn from an expert's trajectories."""


def register_walk(robot: str, name: str, sketch: str = "") -> None:
    """Register ``NIL-<name>-Walk`` with its environment and agents.

    Args:
        robot: facts of the robot, a :class:`~nil_ext.robots.robot.Robot`, as ``module:name``.
        name: the robot's name in the task id.
        sketch: its procedural gait as ``module:name``; empty where there is none.
    """
    task = f"NIL-{name}-Walk"
    experiment = f"nil_{name.lower()}_walk"

    # functions, so that registering imports neither Isaac Lab nor the agents
    def env_cfg():
        from .env_cfg import walk_env_cfg

        return walk_env_cfg(pkgutil.resolve_name(robot), task, gym.spec(task).kwargs["reward"])

    def agent_cfg(place: str):
        def make():
            reward = gym.spec(task).kwargs["reward"]
            # runs that learn from another reward have a folder of their own: 'latest' must not mix them
            folder = experiment if reward == IMITATION else f"{experiment}_{reward}"
            return pkgutil.resolve_name(f"{__package__}.{place}")(folder)

        return make

    gym.register(
        id=task,
        entry_point="isaaclab.envs:ManagerBasedRLEnv",
        disable_env_checker=True,
        kwargs={
            "env_cfg_entry_point": env_cfg,
            "bro_cfg_entry_point": agent_cfg("agent_cfg:bro_cfg"),
            "bro_reference_cfg_entry_point": agent_cfg("agent_cfg:bro_reference_cfg"),
            "rsl_rl_cfg_entry_point": agent_cfg("agent_cfg:ppo_cfg"),
            "amp_cfg_entry_point": agent_cfg("baseline_cfg:amp_cfg"),
            "gaifo_cfg_entry_point": agent_cfg("baseline_cfg:gaifo_cfg"),
            "bco_cfg_entry_point": agent_cfg("baseline_cfg:bco_cfg"),
            "reward": IMITATION,
            "default_agent": "rsl_rl",
            "robot_entry_point": robot,
            "sketch_entry_point": sketch or None,
        },
    )
