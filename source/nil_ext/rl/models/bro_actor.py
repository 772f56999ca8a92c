# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The policy of BRO."""

from __future__ import annotations

from collections.abc import Sequence

from rsl_rl.models import MLPModel
from tensordict import TensorDict

from nil_ext.rl.modules import BroNet, RunningNormalization


class BroActor(MLPModel):
    """rsl_rl's MLPModel with a :class:`BroNet` as its network.

    Observation groups, normalisation, the policy call and the export to TorchScript and ONNX are upstream's; exported
    policies return the deterministic action.
    """

    def __init__(
        self,
        obs: TensorDict,
        obs_groups: dict[str, list[str]],
        obs_set: str,
        output_dim: int,
        hidden_dims: Sequence[int] = (256, 256),
        activation: str = "relu",
        obs_normalization: bool = False,
        distribution_cfg: dict | None = None,
    ) -> None:
        """Build the model; arguments are MLPModel's, ``hidden_dims`` is read as :class:`BroNet` reads it."""
        super().__init__(
            obs, obs_groups, obs_set, output_dim, hidden_dims, activation, obs_normalization, distribution_cfg
        )
        self.hidden_dims = list(hidden_dims)
        self.activation = activation
        if obs_normalization:
            self.obs_normalizer = RunningNormalization(self.obs_dim)
        self.mlp = BroNet(self.obs_dim, self.distribution.input_dim, hidden_dims, activation)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw fresh weights; what the normaliser has seen stays."""
        self.mlp.reset_parameters()
        self.distribution.init_mlp_weights(self.mlp)
