# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The environment as rsl_rl sees it, with its reward streams apart."""

from __future__ import annotations

import gymnasium as gym
import torch

from isaaclab_rl.rsl_rl import RslRlVecEnvWrapper

from ..errors import InputError


class StreamVecEnv(RslRlVecEnvWrapper):
    """Isaac Lab's wrapper; ``extras`` also hold each reward stream, for a replay that weighs them when it is sampled.

    ``extras["reward_streams"]`` (N, K) are the unweighted values in the order of :attr:`reward_streams`,
    ``extras["reward_weights"]`` (K,) what they count in the reward of a step: the weight times the step [s]. Weights
    may change at any time (Isaac Lab's curriculum terms do that). Terms of weight 0 are not computed: those that the
    settings give weight 0 are left out, and of a term that had weight 0 for a while and has another now the earlier
    values are not known; ``extras["replay_outdated"]`` is true in the first step in which it counts.
    """

    def __init__(self, env: gym.Env, clip_actions: float | None = None) -> None:
        """Wrap an environment; see Isaac Lab's class for the arguments."""
        self._manager = env.unwrapped.reward_manager
        weights = self.reward_weights  # the settings': upstream's class resets, which is when a curriculum changes them
        super().__init__(env, clip_actions=clip_actions)
        self.reward_streams = tuple(name for name, weight in weights.items() if weight)
        """Names of the streams."""
        columns = [list(weights).index(name) for name in self.reward_streams]
        self._columns = torch.tensor(columns, device=self.unwrapped.device)
        self._known: dict[str, float] = {}

    @property
    def reward_weights(self) -> dict[str, float]:
        """Weight of each term now, those of weight 0 included."""
        return {name: self._manager.get_term_cfg(name).weight for name in self._manager.active_terms}

    def step(self, actions: torch.Tensor) -> tuple:
        """Step, and tell the streams.

        Raises:
            InputError: When a term had weight 0 in the settings and has another now: it is no stream.
        """
        weights = self.reward_weights  # before the step: a curriculum changes them after its rewards are computed
        outdated = False
        if weights != self._known:  # rarely: a tensor made each step would be copied to the device each step
            outdated = any(weight and not self._known.get(name, weight) for name, weight in weights.items())
            self._know(weights)
        obs, rewards, dones, extras = super().step(actions)
        # the manager has no public access but one environment at a time, on the host
        weighted = self._manager._step_reward[:, self._columns]
        extras["reward_streams"] = weighted / self._divisor
        extras["reward_weights"] = self._step_weights
        extras["replay_outdated"] = outdated
        return obs, rewards, dones, extras

    def _know(self, weights: dict[str, float]) -> None:
        late = [name for name, weight in weights.items() if weight and name not in self.reward_streams]
        if late:
            raise InputError(
                f"The weight of {', '.join(late)} was 0 when training began and is not any more: "
                "begin with a small one."
            )
        self._known = weights
        streams = torch.tensor([weights[name] for name in self.reward_streams], device=self.unwrapped.device)
        self._divisor = torch.where(streams == 0.0, 1.0, streams)
        self._step_weights = streams * self.unwrapped.step_dt
