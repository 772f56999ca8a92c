# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The scalars that BRO adapts beside its networks."""

from __future__ import annotations

import math

import torch
from torch import nn

_LOW, _HALF_RANGE = -10.0, 8.75
"""omega and lambda are exp(-10 + 8.75 (1 + tanh p)), so within [e^-10, e^7.5] (BRO, jaxrl/bro/temperature.py)."""


class DualVariables(nn.Module):
    """Temperature alpha, optimism omega and KL penalty lambda, each a positive function of one parameter.

    alpha keeps the policy's entropy at its target. omega and lambda keep the optimistic actor's divergence from the
    conservative one at its target: above it omega falls and lambda rises.
    """

    def __init__(
        self,
        target_entropy: float,
        kl_target: float = 0.05,
        init_alpha: float = 1.0,
        init_omega: float = 1.0,
        init_lambda: float = 0.25,
    ) -> None:
        """Set targets and start values.

        Args:
            target_entropy: Entropy that alpha aims at [nat].
            kl_target: Divergence per action dimension that omega and lambda aim at [nat].
            init_alpha: Start value of alpha.
            init_omega: Start value of omega.
            init_lambda: Start value of lambda.
        """
        super().__init__()
        self.target_entropy = target_entropy
        self.kl_target = kl_target
        self.init_values = (init_alpha, init_omega, init_lambda)
        self.log_alpha = nn.Parameter(torch.zeros(()))
        self.raw_omega = nn.Parameter(torch.zeros(()))
        self.raw_lambda = nn.Parameter(torch.zeros(()))
        self.reset_parameters()

    @property
    def alpha(self) -> torch.Tensor:
        """Weight of the entropy."""
        return self.log_alpha.exp()

    @property
    def omega(self) -> torch.Tensor:
        """Weight of the critics' disagreement in the optimistic actor's objective."""
        return torch.exp(_LOW + _HALF_RANGE * (1.0 + torch.tanh(self.raw_omega)))

    @property
    def lambda_(self) -> torch.Tensor:
        """Weight of the optimistic actor's divergence from the conservative one."""
        return torch.exp(_LOW + _HALF_RANGE * (1.0 + torch.tanh(self.raw_lambda)))

    def reset_parameters(self) -> None:
        """Set the start values."""
        init_alpha, init_omega, init_lambda = self.init_values
        nn.init.constant_(self.log_alpha, math.log(init_alpha))
        for parameter, value in ((self.raw_omega, init_omega), (self.raw_lambda, init_lambda)):
            nn.init.constant_(parameter, math.atanh((math.log(value) - _LOW) / _HALF_RANGE - 1.0))

    def alpha_loss(self, entropy: torch.Tensor) -> torch.Tensor:
        """Return the loss that lowers alpha while the entropy [nat] is above its target."""
        return self.alpha * (entropy - self.target_entropy)

    def optimism_loss(self, kl_per_dim: torch.Tensor) -> torch.Tensor:
        """Return the loss that lowers omega and raises lambda while the divergence [nat] is above its target."""
        return (self.omega - self.lambda_) * (kl_per_dim - self.kl_target)
