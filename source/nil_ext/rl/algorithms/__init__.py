# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Learning algorithms written to rsl_rl's algorithm contract."""

from .bro import BRO, POLICY_ONLY, policy_alone
from .bro_learner import Batch, BroLearner
from .moments import load_moments

__all__ = ["BRO", "POLICY_ONLY", "Batch", "BroLearner", "load_moments", "policy_alone"]
