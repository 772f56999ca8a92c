# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Tanh-squashed Gaussian, the action distribution of SAC and BRO, as an rsl_rl distribution."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from rsl_rl.modules.distribution import Distribution
from torch import nn


class TanhGaussian(Distribution):
    """Distribution of tanh(u), u ~ N(mean, std), with mean and std both given by the network.

    The network's output (B, 2A) is split into the mean of u and a raw value r with
    log std = low + (high - low) / 2 * (1 + tanh(r)) (BRO, jaxrl/networks/policies.py: low -10, high 2).
    """

    def __init__(
        self, output_dim: int, log_std_range: tuple[float, float] = (-10.0, 2.0), mean_gain: float = math.sqrt(2.0)
    ) -> None:
        """Set the number of actions A, the range of log std, and the gain of the mean's first weights."""
        super().__init__(output_dim)
        self.mean_gain = mean_gain
        self.log_std_range = tuple(log_std_range)
        self._mean: torch.Tensor | None = None
        self._std: torch.Tensor | None = None

    @property
    def input_dim(self) -> int:
        """Size 2A of the network's output."""
        return 2 * self.output_dim

    def init_mlp_weights(self, mlp: nn.Module) -> None:
        """Initialise the two heads: orthogonal, gain ``mean_gain`` (BRO: sqrt 2) and 1 for the log std; biases zero."""
        head = mlp[-1]
        nn.init.orthogonal_(head.weight.data[: self.output_dim], self.mean_gain)
        nn.init.orthogonal_(head.weight.data[self.output_dim :], 1.0)
        nn.init.zeros_(head.bias)

    def update(self, mlp_output: torch.Tensor) -> None:
        """Set mean and std of u from the network's output (B, 2A)."""
        low, high = self.log_std_range
        self._mean, raw = mlp_output.chunk(2, dim=-1)
        self._std = torch.exp(low + 0.5 * (high - low) * (1.0 + torch.tanh(raw)))

    def rsample(self, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return actions (B, A) and their log-probabilities (B,), differentiable in mean and std.

        Args:
            noise: Standard normal draws. Shape is (B, A).
        """
        u = self._mean + self._std * noise
        log_prob = -0.5 * noise.square() - torch.log(self._std) - _LOG_SQRT_TWO_PI - _log_tanh_slope(u)
        return torch.tanh(u), log_prob.sum(dim=-1)

    def sample(self) -> torch.Tensor:
        """Return actions (B, A) in (-1, 1), without gradient."""
        with torch.no_grad():
            return torch.tanh(torch.normal(self._mean, self._std))

    def deterministic_output(self, mlp_output: torch.Tensor) -> torch.Tensor:
        """Return tanh(mean) (B, A)."""
        return torch.tanh(mlp_output[..., : self.output_dim])

    def as_deterministic_output_module(self) -> nn.Module:
        """Return a module that computes :meth:`deterministic_output`, for export."""
        return _TanhMean(self.output_dim)

    @property
    def mean(self) -> torch.Tensor:
        """Deterministic action tanh(mean) (B, A)."""
        return torch.tanh(self._mean)

    @property
    def std(self) -> torch.Tensor:
        """Standard deviation of u, before the tanh (B, A)."""
        return self._std

    @property
    def params(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and std of u, before the tanh, each (B, A)."""
        return self._mean, self._std

    @property
    def entropy(self) -> torch.Tensor:
        """One-sample estimate of the entropy (B,); the exact value has no closed form."""
        return -self.rsample(torch.randn_like(self._mean))[1]

    def log_prob(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities (B,) of actions (B, A); actions at the bounds count as the nearest inner float."""
        inner = 1.0 - torch.finfo(outputs.dtype).eps
        u = torch.atanh(outputs.clamp(-inner, inner))
        log_prob = -0.5 * ((u - self._mean) / self._std).square() - torch.log(self._std) - _LOG_SQRT_TWO_PI
        return (log_prob - _log_tanh_slope(u)).sum(dim=-1)

    def kl_divergence(
        self, old_params: tuple[torch.Tensor, torch.Tensor], new_params: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """Return KL(old || new) (B,); the tanh is a bijection and leaves it unchanged."""
        old, new = (torch.distributions.Normal(*params) for params in (old_params, new_params))
        return torch.distributions.kl_divergence(old, new).sum(dim=-1)


class _TanhMean(nn.Module):
    """tanh of the first A columns of (B, 2A)."""

    def __init__(self, output_dim: int) -> None:
        super().__init__()
        self.output_dim = output_dim

    def forward(self, mlp_output: torch.Tensor) -> torch.Tensor:
        return torch.tanh(mlp_output[..., : self.output_dim])


_LOG_SQRT_TWO_PI = 0.5 * math.log(2.0 * math.pi)


def _log_tanh_slope(u: torch.Tensor) -> torch.Tensor:
    """Return log(1 - tanh(u)^2) without loss of precision at large |u|."""
    # torch's softplus turns linear at 20 by default, an error of 2e-9 that the golden numbers show.
    return 2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u, threshold=40.0))
