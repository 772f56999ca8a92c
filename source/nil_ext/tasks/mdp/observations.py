# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Observation terms of imitation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from isaaclab.managers import SceneEntityCfg
from isaaclab.utils.math import euler_xyz_from_quat

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


def heading(env: ManagerBasedRLEnv, asset_cfg: SceneEntityCfg = SceneEntityCfg("robot")) -> torch.Tensor:  # noqa: B008
    """Sine and cosine of the root's yaw: where the robot walks, which gravity does not tell. Shape is (N, 2).

    LocoMuJoCo's observations, which the paper uses, hold the root's orientation too.
    """
    _, _, yaw = euler_xyz_from_quat(env.scene[asset_cfg.name].data.root_quat_w.torch)
    return torch.stack([yaw.sin(), yaw.cos()], dim=1)


def reference_phase(env: ManagerBasedRLEnv, command_name: str = "reference") -> torch.Tensor:
    """Share of the reference that has passed, from -1 to 1. Shape is (N, 1)."""
    term = env.command_manager.get_term(command_name)
    return (2.0 * term.frame / (term.length - 1) - 1.0).unsqueeze(1)
