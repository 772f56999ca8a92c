# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Building blocks of the networks."""

from .bro_net import BroNet, EnsembleLayerNorm, EnsembleLinear
from .distribution import TanhGaussian
from .duals import DualVariables
from .normalization import RunningNormalization
from .optimistic_actor import OptimisticActor
from .policy_average import PolicyAverage
from .quantile_loss import quantile_huber_loss

__all__ = [
    "BroNet",
    "DualVariables",
    "EnsembleLayerNorm",
    "EnsembleLinear",
    "OptimisticActor",
    "PolicyAverage",
    "RunningNormalization",
    "TanhGaussian",
    "quantile_huber_loss",
]
