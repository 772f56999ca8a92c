# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Environment of a walk task."""

from __future__ import annotations

from isaaclab_tasks.utils import PresetCfg, preset

from ...robots.robot import Robot
from ..imitation_env_cfg import ImitationEnvCfg
from .register import IMITATION, TASK, TRACKING


def walk_env_cfg(robot: Robot, task: str, reward: str = IMITATION) -> PresetCfg:
    """Settings of a robot's walk by machine: ``presets=paper`` (joint torques at 100 Hz) or ``presets=cpu``.

    Args:
        robot: the embodiment.
        task: gym id of the task.
        reward: what a policy learns from, one of :data:`~nil_ext.tasks.walk.register.REWARDS`.
    """
    paper, cpu = ImitationEnvCfg(), ImitationEnvCfg()
    paper.set_robot(robot, task)
    cpu.set_robot(robot, task, action="residual")
    cpu.set_cpu_profile(robot)
    for cfg in (paper, cpu):
        if reward == TRACKING:
            cfg.set_tracking_reward()
        elif reward == TASK:
            cfg.set_task_reward(robot)
    return preset(paper=paper, cpu=cpu, default=paper)
