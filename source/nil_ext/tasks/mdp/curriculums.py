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
    """The reference's joint angles are followed first; then what its video shows is all that counts.

    While they are followed nothing is filmed, so a step costs less, and no episode ends because its mask lost the
    reference. The weights of both kinds of terms are those of the settings, one kind at a time, the other's being 0.
    As any term of a curriculum it is looked at when an episode ends: the change comes a few steps after it is due.
    """

    def __init__(self, cfg: CurriculumTermCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        self._reference = env.command_manager.get_term("reference")
        self._lost_below = self._reference.cfg.lost_below
        self._weights = {
            kind: {name: env.reward_manager.get_term_cfg(name).weight for name in cfg.params[kind]}
            for kind in ("tracking", "video")
        }
        self._tracks: bool | None = None
        """Whether joint angles are followed now; None before it was ever asked."""

    def __call__(
        self,
        env: ManagerBasedRLEnv,
        env_ids: Sequence[int] | torch.Tensor | slice,
        num_steps: int,
        tracking: Sequence[str],
        video: Sequence[str],
    ) -> float:
        """Change over when it is time.

        Args:
            env: the environment.
            env_ids: those whose episodes begin anew; it is the same for all.
            num_steps: control steps (of all environments together) before the video counts.
            tracking: names of the reward terms that count first.
            video: names of those that count then.

        Returns:
            1 while joint angles are followed, then 0.
        """
        tracks = env.common_step_counter < num_steps
        if tracks != self._tracks and not self._reference.probes:  # an evaluation is not trained on
            self._tracks = tracks
            for kind, counts in (("tracking", tracks), ("video", not tracks)):
                for name, weight in self._weights[kind].items():
                    env.reward_manager.get_term_cfg(name).weight = weight if counts else 0.0
            self._reference.cfg.filmed = not tracks
            self._reference.cfg.lost_below = 0.0 if tracks else self._lost_below
            self._reference.similarity.reset()  # clips begin where filming does
        return float(bool(self._tracks))
