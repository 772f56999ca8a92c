# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Judging a policy: rollouts, metrics with their controls, statistics, and the report. Never imports the simulator."""

from .metrics import METRICS, Yardstick, judge_episodes, judge_streams
from .results import Evaluation
from .rollout import Rollout, roll_out

__all__ = ["METRICS", "Evaluation", "Rollout", "Yardstick", "judge_episodes", "judge_streams", "roll_out"]
