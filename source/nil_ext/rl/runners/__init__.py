# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Training loops."""

from .off_policy_runner import OffPolicyRunner
from .training_logger import TrainingLogger

__all__ = ["OffPolicyRunner", "TrainingLogger"]
