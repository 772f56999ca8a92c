# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Joint position targets around what the reference shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from isaaclab.envs.mdp import JointPositionAction

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

    from .actions_cfg import ReferencePositionActionCfg


_ALL = slice(None)


class ReferencePositionAction(JointPositionAction):
    """Position targets: the reference's joint positions at the end of the step, plus the scaled action.

    The joints that the policy does not move follow the reference. The first targets of an episode are ramped from where
    its joints are.
    """

    cfg: ReferencePositionActionCfg

    def __init__(self, cfg: ReferencePositionActionCfg, env: ManagerBasedRLEnv):
        self._reference = env.command_manager.get_term("reference")
        if not self._reference.has_motion:
            cfg = cfg.replace(joint_names=[".*"], scale=cfg.scale_around_e0)
        super().__init__(cfg, env)
        self._aims: list[tuple[torch.Tensor, torch.Tensor | slice]] = []
        at_once = not cfg.ramped or env.sim.physics_manager.handles_decimation()
        self._substeps = 1 if at_once else env.cfg.decimation
        self._substep = 0
        start = self._asset.data.default_joint_pos.torch
        self._old, self._new = start.clone(), start.clone()  # targets of all joints (N, J)

    def aim(self, targets: torch.Tensor, rows: torch.Tensor | slice = _ALL) -> None:
        """Choose the targets of the coming step, whatever the action and its range: how controls stand or march.

        Args:
            targets: positions of all joints [rad]. Shape is (J,).
            rows: environments in which they count.
        """
        self._aims.append((targets, rows))

    def process_actions(self, actions: torch.Tensor) -> None:
        """Take actions (N, A) in [-1, 1]."""
        followed = self._reference.next_joint_pos
        self._offset = followed[:, self._joint_ids]
        super().process_actions(actions)
        self._old.copy_(self._new)
        self._new.copy_(followed)
        self._new[:, self._joint_ids] = self.processed_actions
        for targets, rows in self._aims:
            self._new[rows] = targets
        self._aims.clear()
        self._substep = 0

    def apply_actions(self) -> None:
        """Set the targets of a physics step."""
        self._substep = min(self._substep + 1, self._substeps)
        target = torch.lerp(self._old, self._new, self._substep / self._substeps)
        self._asset.actuators.target_command.set_position_index(value=target)

    @property
    def ramped(self) -> bool:
        """Whether targets are ramped, here and now."""
        return self._substeps > 1

    def reset(self, env_ids: Sequence[int] | torch.Tensor | None = None) -> None:
        """Start new episodes."""
        super().reset(env_ids)
        rows = _ALL if env_ids is None else env_ids
        self._new[rows] = self._asset.data.joint_pos.torch[rows]
