# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Observation normalisation with statistics that stay in place."""

from __future__ import annotations

import torch
from rsl_rl.modules import EmpiricalNormalization

from nil_ext.rl.distributed import average_, world_size


class RunningNormalization(EmpiricalNormalization):
    """rsl_rl's normaliser with float64 statistics, written in place.

    Upstream accumulates in float32, whose count-weighted updates stall after some million samples, and rebinds its
    standard deviation at each update, which leaves an inference tensor and breaks CUDA graphs. The buffers upstream
    knows keep their names and stay float32, since the forward pass and the exported policy read them.
    """

    def __init__(self, shape: int | tuple[int, ...] | list[int], eps: float = 1e-2) -> None:
        """Start at mean 0 and variance 1; ``eps`` is added to the standard deviation, as upstream."""
        super().__init__(shape, eps)
        self.register_buffer("_mean64", self._mean.double())
        self.register_buffer("_var64", torch.zeros_like(self._var, dtype=torch.float64))

    @torch.jit.unused
    def update(self, x: torch.Tensor) -> None:
        """Add fresh observations (B, D) to the statistics (parallel variance of Chan et al. 1979).

        Several processes add theirs together, B each, so that all keep the same statistics.
        """
        if not self.training:
            return
        x = x.double()
        var, mean = torch.var_mean(x, dim=0, correction=0, keepdim=True)
        count = x.shape[0]
        if world_size() > 1:
            square = var + mean.square()
            average_([mean, square])
            var = (square - mean.square()).clamp(min=0.0)
            count *= world_size()
        self.count += count
        rate = count / self.count.double()
        delta = mean - self._mean64
        self._mean64 += rate * delta
        self._var64 += rate * (var - self._var64 + delta * (mean - self._mean64))
        self._mean.copy_(self._mean64)
        self._var.copy_(self._var64)
        self._std.copy_(self._var64.sqrt())
