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

_EPISODES = 4
"""Over how many episodes of each environment the mean of their length runs."""


class TrackingFirst(ManagerTermBase):
    """The reference's joint angles are followed until episodes last; from then on what its video shows counts.

    While they are followed nothing is filmed, so a step costs less, and no episode ends because its mask lost the
    reference. As any term of a curriculum it is looked at when an episode ends: the change comes a few steps after it
    is due, and is for good.
    """

    def __init__(self, cfg: CurriculumTermCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        self._reference = env.command_manager.get_term("reference")
        self._lost_below = self._reference.cfg.lost_below
        self._tracks: bool | None = None
        """Which weights are set now; None before any were."""
        # 1 once the video counts, and what share of their possible length episodes last, as a running mean
        self._progress = self._reference.progress
        self._progress.update(over=0.0, lasted=0.0)

    def __call__(
        self,
        env: ManagerBasedRLEnv,
        env_ids: Sequence[int] | torch.Tensor | slice,
        num_steps: int,
        until: float,
        tracking: dict[str, float],
        video: dict[str, float],
    ) -> float:
        """Change over when it is time.

        Args:
            env: the environment.
            env_ids: those whose episodes begin anew; it is the same for all.
            num_steps: control steps (of all environments together) after which the video counts in any case.
            until: it counts as soon as episodes last this share of what is left of the reference where they start.
            tracking: weights of the reward terms that count first, by name.
            video: weights of those that count then; terms of only one of both do not count in the other's time.

        Returns:
            1 while joint angles are followed, then 0.
        """
        if not self._reference.probes:  # an evaluation is not trained on
            if not self._progress["over"]:
                self._count(env_ids)
                self._progress["over"] = float(
                    env.common_step_counter >= num_steps or self._progress["lasted"] >= until
                )
            if self._tracks is not (tracks := not self._progress["over"]):
                self._change(tracks, tracking if tracks else video, {*tracking, *video})
        return float(bool(self._tracks))

    def _count(self, env_ids: Sequence[int] | torch.Tensor | slice) -> None:
        """Take the episodes that end here into the running mean; a reset waits for the device anyway."""
        lasted = self._reference.lasted[env_ids]
        lasted = lasted[lasted > 0.0]  # the first reset ends no episode
        if len(lasted):
            share = min(1.0, len(lasted) / (_EPISODES * self.num_envs))
            self._progress["lasted"] += share * (lasted.mean().item() - self._progress["lasted"])

    def _change(self, tracks: bool, counts: dict[str, float], names: set[str]) -> None:
        """Let what counts now count."""
        self._tracks = tracks
        for name in names:
            self._env.reward_manager.get_term_cfg(name).weight = counts.get(name, 0.0)
        self._reference.cfg.filmed = not tracks
        self._reference.cfg.lost_below = 0.0 if tracks else self._lost_below
        self._reference.similarity.reset()  # clips begin where filming does
        self._reference.film_next()
