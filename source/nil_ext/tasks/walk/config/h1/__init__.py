# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Registration of NIL-H1-Walk."""

import gymnasium as gym

gym.register(
    id="NIL-H1-Walk",
    entry_point="isaaclab.envs:ManagerBasedRLEnv",
    disable_env_checker=True,
    kwargs={
        "env_cfg_entry_point": f"{__name__}.env_cfg:H1WalkEnvCfg",
        "bro_cfg_entry_point": f"{__name__}.agent_cfg:H1WalkBroCfg",
        "bro_reference_cfg_entry_point": f"{__name__}.agent_cfg:H1WalkBroReferenceCfg",
        "rsl_rl_cfg_entry_point": f"{__name__}.agent_cfg:H1WalkPpoCfg",
        "default_agent": "rsl_rl",
        "robot_entry_point": "nil_ext.robots.h1:H1",
        "sketch_entry_point": "nil_ext.robots.h1:H1_WALK",
    },
)
