# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A vectorised environment that needs no simulator, and settings small enough to learn it in seconds."""

from __future__ import annotations

import copy

import pytest
import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

POINT_MASS_TIME_OUT = 25
"""Length of an episode [step]."""


class PointMass(VecEnv):
    """A point on a line that is pushed left or right and is paid for standing at its goal.

    Observation: position and goal, both in [-2, 2]. Action in [-1, 1]: a displacement of 0.4 times it. Reward:
    exp(-3 |position - goal|). Leaving [-2, 2] terminates, POINT_MASS_TIME_OUT steps truncate. It follows Isaac Lab:
    resets in the same step, final observations in ``extras["final_obs"]``, that and ``extras["log"]`` stale afterwards.
    """

    def __init__(self, num_envs: int = 16, seed: int = 0) -> None:
        self.num_envs = num_envs
        self.num_actions = 1
        self.max_episode_length = POINT_MASS_TIME_OUT
        self.device = torch.device("cpu")
        self.generator = torch.Generator().manual_seed(seed)
        self.episode_length_buf = torch.zeros(num_envs, dtype=torch.long)
        self.state = torch.zeros(num_envs, 2)
        self.extras: dict = {}
        self.interrupt_at: int | None = None
        self.num_steps = 0
        self._reset(torch.ones(num_envs, dtype=torch.bool))

    def _reset(self, ids: torch.Tensor) -> None:
        fresh = torch.rand(self.num_envs, 2, generator=self.generator) * 3.0 - 1.5
        self.state = torch.where(ids[:, None], fresh, self.state)
        self.episode_length_buf[ids] = 0

    def get_observations(self) -> TensorDict:
        return TensorDict({"policy": self.state.clone()}, batch_size=[self.num_envs])

    def step(self, actions: torch.Tensor):
        self.num_steps += 1
        if self.num_steps == self.interrupt_at:
            raise KeyboardInterrupt
        self.state = self.state.clone()
        self.state[:, 0] += 0.4 * actions[:, 0].clamp(-1.0, 1.0)
        self.episode_length_buf += 1
        distance = (self.state[:, 0] - self.state[:, 1]).abs()
        rewards = torch.exp(-3.0 * distance)
        terminated = self.state[:, 0].abs() > 2.0
        time_outs = (self.episode_length_buf >= self.max_episode_length) & ~terminated
        dones = terminated | time_outs
        if dones.any():
            self.extras["final_obs"] = {"policy": self.state.clone()}
            self.extras["log"] = {
                "Episode_Reward/near": rewards[dones].mean(),
                "Metrics/goal/distance": distance[dones].mean(),
                "Episode_Termination/left": terminated.sum().item(),
            }
            self._reset(dones)
        self.extras["time_outs"] = time_outs
        return self.get_observations(), rewards, dones.long(), self.extras


TRAIN_CFG = {
    "num_steps_per_env": 5,
    "save_interval": 1000,
    "log_interval": 4,
    "replay_save_limit": 100.0,
    "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
    "logger": "tensorboard",
    "actor": {
        "class_name": "nil_ext.rl.models:BroActor",
        "hidden_dims": [32, 32],
        "activation": "relu",
        "obs_normalization": True,
        "distribution_cfg": {"class_name": "nil_ext.rl.modules:TanhGaussian"},
    },
    "critic": {
        "class_name": "nil_ext.rl.models:BroCritic",
        "hidden_dims": [32, 32],
        "activation": "relu",
        "obs_normalization": True,
        "distribution_cfg": None,
        "num_quantiles": 8,
    },
    "algorithm": {
        "class_name": "nil_ext.rl.algorithms:BRO",
        "gamma": 0.9,
        "batch_size": 64,
        "reuse": 4.0,  # an update a step of 16 environments
        "warmup_transitions": 320,
        "replay_size": 8000,
        "final_obs_fraction": 0.1,
        "learning_rate": 1e-3,
        "init_alpha": 0.01,
        "policy_average": 0.2,
    },
}


@pytest.fixture(autouse=True)
def one_thread():
    """Keep tests from competing for cores, and repeatable."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def point_mass() -> PointMass:
    return PointMass()


@pytest.fixture
def train_cfg() -> dict:
    return copy.deepcopy(TRAIN_CFG)


@pytest.fixture
def mean_reward():
    """Mean reward of a policy's steps."""

    def mean(env: VecEnv, policy, num_steps: int = 100) -> float:
        total = 0.0
        with torch.no_grad():
            for _ in range(num_steps):
                total += env.step(policy(env.get_observations()))[1].mean().item()
        return total / num_steps

    return mean


@pytest.fixture
def tensors():
    """Flattens nested dicts and lists to their tensors."""

    def flatten(state, prefix: str = "") -> dict[str, torch.Tensor]:
        if isinstance(state, torch.Tensor):
            return {prefix: state}
        if isinstance(state, (list, tuple)):
            state = dict(enumerate(state))
        if not isinstance(state, dict):
            return {}
        return {k: v for key, value in state.items() for k, v in flatten(value, f"{prefix}/{key}").items()}

    return flatten
