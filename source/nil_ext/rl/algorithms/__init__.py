# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Learning algorithms written to rsl_rl's algorithm contract."""

from .bro import BRO
from .bro_learner import Batch, BroLearner
from .moments import load_moments
from .policy_checkpoint import POLICY_ONLY, policy_alone

__all__ = ["BRO", "POLICY_ONLY", "Batch", "BroLearner", "load_moments", "policy_alone"]
