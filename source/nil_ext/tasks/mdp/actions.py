# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Joint position targets around what the reference shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from isaaclab.envs.mdp import JointPositionAction

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

    from .actions_cfg import ReferencePositionActionCfg


class ReferencePositionAction(JointPositionAction):
    """Position targets: the reference's joint positions at the end of the step plus the scaled action."""

    cfg: ReferencePositionActionCfg

    def __init__(self, cfg: ReferencePositionActionCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        self._reference = env.command_manager.get_term("reference")
        self._start = self._offset
        self._holds = False

    def hold_start(self) -> None:
        """Make the targets of the coming step the start pose e0, whatever the action: how a control stands."""
        self._holds = True

    def process_actions(self, actions: torch.Tensor) -> None:
        """Take actions (N, A) in [-1, 1]."""
        if self._holds:
            self._holds, self._offset, actions = False, self._start, torch.zeros_like(actions)
        else:
            self._offset = self._reference.next_joint_pos[:, self._joint_ids]
        super().process_actions(actions)
