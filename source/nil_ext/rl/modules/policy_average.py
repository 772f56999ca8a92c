# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A running average of a policy's weights."""

from __future__ import annotations

import copy

import torch
from rsl_rl.models import MLPModel
from torch import nn


class PolicyAverage(nn.Module):
    """The mean of a policy's weights over the newest part of its training.

    The newest weights of an off-policy actor chase critics that move: how well they do changes from one minute to the
    next, which an average of weights is to even out (Nikishin et al. 2018, "Improving Stability in Deep Reinforcement
    Learning with Weight Averaging"). An H1's walked faster so, and fell as often (docs/results). The window grows with
    training, so that it fits four minutes and a day: after n updates the newest weights count 1 / (share * n), which is
    polynomial-decay averaging (Shamir & Zhang 2013).
    """

    count: torch.Tensor

    def __init__(self, policy: MLPModel, share: float) -> None:
        """Begin with a policy's present weights.

        Args:
            policy: The policy that learns.
            share: Share of the updates so far that the average reaches back, in (0, 1].
        """
        super().__init__()
        self.share = share
        self.network = copy.deepcopy(policy.mlp).requires_grad_(False)
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def policy_like(self, policy: MLPModel) -> MLPModel:
        """Return a policy with the averaged weights, which shares all else with the given one."""
        averaged = copy.deepcopy(policy)
        averaged.mlp = self.network
        averaged.obs_normalizer = policy.obs_normalizer
        averaged.distribution = policy.distribution
        return averaged

    @staticmethod
    def in_place_of(policy: dict[str, torch.Tensor], average: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the state of a policy with the weights of the state of its average, which is no longer needed then."""
        own, averaged = "mlp.", "network."
        weights = {own + name.removeprefix(averaged): w for name, w in average.items() if name.startswith(averaged)}
        return policy | weights

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights of one more update."""
        self.count += 1
        weight = 1.0 / (self.share * self.count).clamp(min=1.0)  # on the device: no wait, and a CUDA graph may hold it
        for average, newest in zip(self.network.parameters(), network.parameters(), strict=True):
            average.lerp_(newest, weight.to(average.dtype))

    def restart(self, network: nn.Module) -> None:
        """Forget what was, and begin with these weights."""
        self.network.load_state_dict(network.state_dict())
        self.count.zero_()
