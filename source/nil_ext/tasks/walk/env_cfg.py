# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Environment of a walk task."""

from __future__ import annotations

from collections.abc import Callable

from isaaclab_tasks.utils import PresetCfg, preset

from ...robots.robot import Robot
from ..imitation_env_cfg import ImitationEnvCfg


def walk_env_cfg(robot: Robot, task: str, adjust: Callable[[ImitationEnvCfg], None] | None = None) -> PresetCfg:
    """Settings of a robot's walk by machine: ``presets=paper`` (joint torques at 100 Hz) or ``presets=cpu``.

    Args:
        robot: the embodiment.
        task: gym id of the task.
        adjust: the robot's own changes.
    """
    paper, cpu = ImitationEnvCfg(), ImitationEnvCfg()
    paper.set_robot(robot, task)
    cpu.set_robot(robot, task, action="position")
    cpu.set_cpu_profile()
    if adjust is not None:
        adjust(paper)
        adjust(cpu)
    return preset(paper=paper, cpu=cpu, default=paper)
