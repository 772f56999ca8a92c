# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""When an episode ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from isaaclab.managers import SceneEntityCfg
from isaaclab.utils.math import euler_xyz_from_quat

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


def fallen(
    env: ManagerBasedRLEnv,
    start_height: float,
    height: tuple[float, float],
    tilt: tuple[float, float],
    list: tuple[float, float],
    heading: tuple[float, float],
    asset_cfg: SceneEntityCfg = SceneEntityCfg("robot"),  # noqa: B008
) -> torch.Tensor:
    """Whether the root has left its limits (:class:`~nil_ext.robots.robot.FallLimits`). Shape is (N,)."""
    data = env.scene[asset_cfg.name].data
    rise = data.root_pos_w.torch[:, 2] - env.scene.env_origins[:, 2] - start_height
    return beyond_limits(rise, data.root_quat_w.torch, height, tilt, list, heading)


def beyond_limits(
    rise: torch.Tensor,
    quat: torch.Tensor,
    height: tuple[float, float],
    tilt: tuple[float, float],
    list: tuple[float, float],
    heading: tuple[float, float],
) -> torch.Tensor:
    """Whether poses of the root are outside the limits of :class:`~nil_ext.robots.robot.FallLimits`. Shape is (N,).

    Args:
        rise: height above e0's [m]. Shape is (N,).
        quat: orientation xyzw. Shape is (N, 4).
        height: lowest and highest rise [m].
        tilt: of the pitch [rad].
        list: of the roll [rad].
        heading: of the yaw [rad].
    """
    roll, pitch, yaw = euler_xyz_from_quat(quat)
    fell = torch.zeros(len(rise), dtype=torch.bool, device=rise.device)
    for value, (low, high) in ((rise, height), (pitch, tilt), (roll, list), (yaw, heading)):
        fell |= (value < low) | (value > high)
    return fell


def reference_lost(env: ManagerBasedRLEnv, command_name: str = "reference") -> torch.Tensor:
    """Whether the robot looks too unlike the reference to go on (``lost_below``). Shape is (N,)."""
    return env.command_manager.get_term(command_name).lost


def reference_ended(
    env: ManagerBasedRLEnv, command_name: str = "reference", failures: tuple[str, ...] = ("fall", "lost")
) -> torch.Tensor:
    """Whether the reference or the episode is over. Shape is (N,).

    A robot that fails in the same step, by one of the ``failures`` that the task has, has failed: rsl-rl's wrapper
    passes on dones and time-outs only, and whatever bootstraps on a time-out would otherwise bootstrap a fall.
    """
    reference = env.command_manager.get_term(command_name)
    reference.refresh()  # the first term of a step that needs the camera; streams of weight 0 are logged too
    ended = reference.ended | (env.episode_length_buf >= env.max_episode_length)
    for failure in set(failures).intersection(env.termination_manager.active_terms):
        ended &= ~env.termination_manager.get_term(failure)
    return ended
