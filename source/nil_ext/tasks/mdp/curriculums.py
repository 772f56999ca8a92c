# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What changes in the course of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from isaaclab.managers import ManagerTermBase

if TYPE_CHECKING:
    import torch

    from isaaclab.envs import ManagerBasedRLEnv
    from isaaclab.managers import CurriculumTermCfg


class TrackingFirst(ManagerTermBase):
    """The reference's joint angles are followed first, then what its video shows.

    While they are followed nothing is filmed, so a step costs less, and no episode ends because its mask lost the
    reference. As any term of a curriculum it is looked at when an episode ends: the change comes a few steps after it
    is due.
    """

    def __init__(self, cfg: CurriculumTermCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        self._reference = env.command_manager.get_term("reference")
        self._lost_below = self._reference.cfg.lost_below
        self._tracks: bool | None = None
        """Whether joint angles are followed now; None before it was ever asked."""

    def __call__(
        self,
        env: ManagerBasedRLEnv,
        env_ids: Sequence[int] | torch.Tensor | slice,
        num_steps: int,
        tracking: dict[str, float],
        video: dict[str, float],
    ) -> float:
        """Change over when it is time.

        Args:
            env: the environment.
            env_ids: those whose episodes begin anew; it is the same for all.
            num_steps: control steps (of all environments together) before the video counts.
            tracking: weights of the reward terms that count first, by name.
            video: weights of those that count then; terms of only one of both do not count in the other's time.

        Returns:
            1 while joint angles are followed, then 0.
        """
        tracks = env.common_step_counter < num_steps
        if tracks != self._tracks and not self._reference.probes:  # an evaluation is not trained on
            self._tracks = tracks
            counts = tracking if tracks else video
            for name in {*tracking, *video}:
                env.reward_manager.get_term_cfg(name).weight = counts.get(name, 0.0)
            self._reference.cfg.filmed = not tracks
            self._reference.cfg.lost_below = 0.0 if tracks else self._lost_below
            self._reference.similarity.reset()  # clips begin where filming does
        return float(bool(self._tracks))
