# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Judging a policy: rollouts, metrics with their controls, and pictures. Never imports the simulator."""

from .metrics import METRICS, summarise, table
from .rollout import Rollout, roll_out

__all__ = ["METRICS", "Rollout", "roll_out", "summarise", "table"]
