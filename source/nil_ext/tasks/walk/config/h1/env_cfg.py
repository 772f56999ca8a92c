# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Environment of NIL-H1-Walk."""

from __future__ import annotations

from isaaclab.utils import configclass
from isaaclab_tasks.utils import PresetCfg

from nil_ext.robots.h1 import H1
from nil_ext.tasks.imitation_env_cfg import ImitationEnvCfg

TASK = "NIL-H1-Walk"


@configclass
class H1WalkPaperEnvCfg(ImitationEnvCfg):
    """The paper's setting: joint torques at 100 Hz."""

    def __post_init__(self):
        self.set_robot(H1, TASK)


@configclass
class H1WalkCpuEnvCfg(ImitationEnvCfg):
    """The same task on a machine without CUDA."""

    def __post_init__(self):
        self.set_robot(H1, TASK, action="position")
        self.set_cpu_profile()


@configclass
class H1WalkEnvCfg(PresetCfg):
    """Settings by machine: ``presets=cpu`` or ``presets=paper``."""

    cpu: H1WalkCpuEnvCfg = H1WalkCpuEnvCfg()
    paper: H1WalkPaperEnvCfg = H1WalkPaperEnvCfg()
    default: H1WalkPaperEnvCfg = H1WalkPaperEnvCfg()
