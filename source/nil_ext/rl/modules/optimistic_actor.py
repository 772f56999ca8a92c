# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The exploring actor of BRO."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .bro_net import BroNet

_HEAD_GAIN = 0.01
"""Orthogonal gain of the output layer: exploration starts almost at the conservative actor (BRO)."""


class OptimisticActor(nn.Module):
    """Shifts the conservative actor's mean towards actions whose value is high or uncertain.

    It sees the observation and the conservative mean, and has no standard deviation of its own: the behaviour samples
    with ``std_multiplier`` times the conservative one.
    """

    def __init__(self, obs_dim: int, num_actions: int, hidden_dims: Sequence[int], activation: str = "relu") -> None:
        """Build the network that gives the shift."""
        super().__init__()
        self.net = BroNet(obs_dim + num_actions, num_actions, hidden_dims, activation, output_bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw fresh weights."""
        self.net.reset_parameters()
        nn.init.orthogonal_(self.net[-1].weight, _HEAD_GAIN)

    def forward(self, latent: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """Return the shift of the mean before the tanh.

        Args:
            latent: Normalised observations. Shape is (B, D).
            mean: Mean of the conservative actor before the tanh. Shape is (B, A).

        Returns:
            The shift. Shape is (B, A).
        """
        return self.net(torch.cat((latent, mean), dim=-1))
