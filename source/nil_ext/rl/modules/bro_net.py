# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""BroNet, the residual trunk of BRO (Nauman et al. 2024, jaxrl/networks/common.py), alone or as an ensemble."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from rsl_rl.utils import resolve_nn_activation
from torch import nn

from nil_ext.errors import InputError

LAYER_NORM_EPS = 1e-6
"""Flax's default, which BRO was tuned with (torch's is 1e-5)."""


class EnsembleLinear(nn.Module):
    """K linear layers evaluated by one batched product. Maps (K, B, I) to (K, B, O)."""

    def __init__(self, ensemble_size: int, in_features: int, out_features: int) -> None:
        """Allocate weights (K, I, O) and biases (K, 1, O); :class:`BroNet` initialises them."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(ensemble_size, in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(ensemble_size, 1, out_features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the K outputs."""
        return torch.baddbmm(self.bias, x, self.weight)


class EnsembleLayerNorm(nn.Module):
    """Layer normalisation of (K, B, H) with a separate scale and bias for each of the K members."""

    def __init__(self, ensemble_size: int, features: int) -> None:
        """Allocate scales and biases of shape (K, 1, H)."""
        super().__init__()
        self.features = features
        self.weight = nn.Parameter(torch.ones(ensemble_size, 1, features))
        self.bias = nn.Parameter(torch.zeros(ensemble_size, 1, features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the normalised input."""
        return torch.addcmul(self.bias, F.layer_norm(x, (self.features,), eps=LAYER_NORM_EPS), self.weight)


class _ResidualBlock(nn.Module):
    """x + [Dense, LayerNorm, activation, Dense, LayerNorm](x), with no activation after the sum."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


class BroNet(nn.Sequential):
    """Dense, LayerNorm, activation, residual blocks, Dense; every Dense orthogonal with gain sqrt(2), biases zero.

    ``hidden_dims`` keeps rsl_rl's spelling: its first entry is the input layer, every further one a residual block, and
    all must be equal, since a residual sum cannot change the width. BRO's critic is ``[512, 512, 512]`` (width 512, two
    blocks), its actor ``[256, 256]``.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        hidden_dims: Sequence[int],
        activation: str = "relu",
        ensemble_size: int | None = None,
        output_bias: bool = True,
    ) -> None:
        """Build and initialise the network.

        Args:
            input_dim: Size of the input.
            output_dim: Size of the output.
            hidden_dims: Width of the input layer and of each residual block, all equal.
            activation: Name of the activation, as in rsl_rl.
            ensemble_size: Number K of networks evaluated together, input and output then (K, B, *); None for one plain
                network, input and output (B, *).
            output_bias: Whether a plain network's output layer has a bias.
        """
        if not hidden_dims or len(set(hidden_dims)) != 1:
            raise InputError(f"BroNet needs equal hidden_dims, got {list(hidden_dims)}; write for example [256, 256].")
        width = hidden_dims[0]

        def dense(inputs: int, outputs: int, bias: bool = True) -> nn.Module:
            return (
                nn.Linear(inputs, outputs, bias)
                if ensemble_size is None
                else EnsembleLinear(ensemble_size, inputs, outputs)
            )

        def norm() -> nn.Module:
            return (
                nn.LayerNorm(width, LAYER_NORM_EPS)
                if ensemble_size is None
                else EnsembleLayerNorm(ensemble_size, width)
            )

        def act() -> nn.Module:
            return resolve_nn_activation(activation)

        blocks = [
            _ResidualBlock(dense(width, width), norm(), act(), dense(width, width), norm()) for _ in hidden_dims[1:]
        ]
        super().__init__(dense(input_dim, width), norm(), act(), *blocks, dense(width, output_dim, output_bias))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw fresh weights."""
        for module in self.modules():
            if isinstance(module, (nn.Linear, EnsembleLinear)):
                members = module.weight.data if isinstance(module, EnsembleLinear) else [module.weight]
                for weight in members:
                    nn.init.orthogonal_(weight, math.sqrt(2.0))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, (nn.LayerNorm, EnsembleLayerNorm)):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
