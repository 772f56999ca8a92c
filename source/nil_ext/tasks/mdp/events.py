# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""How an episode starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from isaaclab.managers import SceneEntityCfg

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


def reset_to_reference(
    env: ManagerBasedRLEnv,
    env_ids: torch.Tensor,
    command_name: str = "reference",
    asset_cfg: SceneEntityCfg = SceneEntityCfg("robot"),  # noqa: B008
) -> None:
    """Put the robots at e0, or in the pose and at the speed of their start frame where the reference's motion is known.

    The command term draws the start frame (``start_along_reference``); frame 0 is e0 at rest.
    """
    robot = env.scene[asset_cfg.name]
    start = env.command_manager.get_term(command_name).draw_start(env_ids)
    start["root_pose"][:, :3] += env.scene.env_origins[env_ids]
    robot.write_root_pose_to_sim_index(root_pose=start["root_pose"], env_ids=env_ids)
    robot.write_root_velocity_to_sim_index(root_velocity=start["root_vel"], env_ids=env_ids)
    robot.write_joint_position_to_sim_index(position=start["joint_pos"], env_ids=env_ids)
    robot.write_joint_velocity_to_sim_index(velocity=start["joint_vel"], env_ids=env_ids)
