# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A network that reads a pair of consecutive states: discriminator or inverse dynamics."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from rsl_rl.modules import MLP
from torch import nn

from nil_ext.errors import InputError
from nil_ext.rl.modules import RunningNormalization

from .trajectories import ExpertTransitions

_LARGEST = 5.0
"""Normalised features are clipped at this many standard deviations, as in AMP's public code."""


class TransitionNetwork(nn.Module):
    """An MLP on two normalised states; columns that the expert's trajectories do not know are not looked at."""

    known: torch.Tensor

    def __init__(self, num_features: int, num_outputs: int, hidden_dims: Sequence[int], activation: str) -> None:
        """Build the network for states of S features.

        Args:
            num_features: Size S of a state.
            num_outputs: Size O of the output.
            hidden_dims: Widths of the hidden layers.
            activation: Name of the activation, as in rsl_rl.
        """
        super().__init__()
        self.normalizer = RunningNormalization(num_features)
        self.network = MLP(2 * num_features, num_outputs, list(hidden_dims), activation)
        self.register_buffer("known", torch.ones(num_features))

    def restrict_to(self, expert: ExpertTransitions | None) -> None:
        """Look from now on only at what an expert's states hold.

        Raises:
            InputError: When there is no expert, or one of another robot.
        """
        if expert is None:
            raise InputError("This agent learns from an expert: name trajectories with --trajectories.")
        if len(expert.known) != len(self.known):
            raise InputError(
                f"The trajectories have {len(expert.known)} columns, the environment's state {len(self.known)}: give "
                "trajectories of this robot."
            )
        self.known.copy_(expert.known)

    def features(self, states: torch.Tensor, next_states: torch.Tensor) -> torch.Tensor:
        """Return what the network reads of pairs of states (B, S): (B, 2 S), without gradient."""
        with torch.no_grad():
            pair = [self.normalizer(values).clamp(-_LARGEST, _LARGEST) * self.known for values in (states, next_states)]
            return torch.cat(pair, dim=-1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the output (B, O) for :meth:`features`."""
        return self.network(features)
