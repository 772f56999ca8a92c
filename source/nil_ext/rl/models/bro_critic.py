# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The critic of BRO."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from rsl_rl.models import MLPModel
from tensordict import TensorDict

from nil_ext.rl.modules import BroNet, RunningNormalization


class BroCritic(MLPModel):
    """K critics that each predict N quantiles of the return of an observation and an action.

    The K networks are evaluated together by batched products. Whole updates at widths 128 and 256 then take as long as
    with K separate networks on one CPU thread and 5 to 15 % less on two (ours, measured); a GPU launches half as many
    kernels.
    """

    def __init__(
        self,
        obs: TensorDict,
        obs_groups: dict[str, list[str]],
        obs_set: str,
        num_actions: int,
        hidden_dims: Sequence[int] = (512, 512, 512),
        activation: str = "relu",
        obs_normalization: bool = False,
        distribution_cfg: dict | None = None,
        num_quantiles: int = 100,
        ensemble_size: int = 2,
    ) -> None:
        """Build the model.

        Args:
            obs: Observations of the environment, for their sizes.
            obs_groups: Observation groups of each observation set.
            obs_set: Observation set this model reads.
            num_actions: Size A of the action.
            hidden_dims: Widths as :class:`BroNet` reads them.
            activation: Name of the activation.
            obs_normalization: Whether observations are normalised.
            distribution_cfg: Always None; rsl_rl's model settings carry it.
            num_quantiles: Number N of quantiles.
            ensemble_size: Number K of critics.
        """
        super().__init__(
            obs, obs_groups, obs_set, num_quantiles, hidden_dims, activation, obs_normalization, distribution_cfg
        )
        if obs_normalization:
            self.obs_normalizer = RunningNormalization(self.obs_dim)
        self.ensemble_size = ensemble_size
        self.mlp = BroNet(self.obs_dim + num_actions, num_quantiles, hidden_dims, activation, ensemble_size)

    def reset_parameters(self) -> None:
        """Draw fresh weights; what the normaliser has seen stays."""
        self.mlp.reset_parameters()

    def network_input(self, latent: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Return the networks' input (K, B, D + A) for normalised observations (B, D) and actions (B, A)."""
        return torch.cat((latent, actions), dim=-1).expand(self.ensemble_size, -1, -1)

    def forward(self, obs: TensorDict, actions: torch.Tensor) -> torch.Tensor:
        """Return the quantiles (K, B, N) of raw observations and actions (B, A)."""
        return self.mlp(self.network_input(self.get_latent(obs), actions))
