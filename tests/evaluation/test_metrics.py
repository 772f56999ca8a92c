# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Numbers of a rollout, against hand arithmetic."""

from __future__ import annotations

import math

import pytest
import torch

from nil_ext.evaluation import METRICS, Rollout, summarise, table
from nil_ext.evaluation.metrics import env_reward


@pytest.mark.parametrize("rate", [25, 100])
def test_standing_for_four_seconds_is_worth_84_at_any_rate(rate: int):
    steps = 4 * rate
    reward = env_reward(torch.zeros(steps, 2), torch.ones(steps, 2, dtype=torch.bool), 1 / rate, target=1.25)
    # 400 steps of 100 Hz, each exp(-1.25^2) = 0.20961
    assert reward.tolist() == pytest.approx([83.84, 83.84], abs=0.01)


def test_walking_at_the_target_speed_is_worth_400():
    reward = env_reward(torch.full((100, 1), 1.25), torch.ones(100, 1, dtype=torch.bool), 0.04, target=1.25)
    assert reward.item() == pytest.approx(400.0)


def test_steps_after_the_end_are_worth_nothing():
    alive = torch.tensor([[True], [True], [False]])
    reward = env_reward(torch.tensor([[1.0], [0.0], [1.0]]), alive, 0.01, target=1.0)
    assert reward.item() == pytest.approx(1.0 + math.exp(-1.0))


def short_rollout() -> Rollout:
    """Two steps of two environments; the second environment's episode ends with the first step, by a fall."""
    return Rollout(
        streams={
            "mask_iou": torch.tensor([[0.5, 0.2], [0.7, 0.9]]),
            "video_similarity": torch.tensor([[1.0, -1.0], [0.0, 1.0]]),
            "forward_speed": torch.tensor([[1.0, 0.0], [1.0, 1.0]]),
        },
        alive=torch.tensor([[True, True], [True, False]]),
        survived=torch.tensor([True, False]),
        step_dt=0.01,
    )


def test_summary_is_the_mean_over_episodes_of_each_episode_s_own_mean():
    row = summarise(short_rollout(), target_speed=1.0)
    assert list(row) == list(METRICS)
    # environment 0: (0.5 + 0.7) / 2 = 0.6, environment 1: 0.2; the deviation is that of the whole population
    assert row["mask_iou"] == pytest.approx((0.4, 0.2))
    assert row["video_similarity"] == pytest.approx((-0.25, 0.75))
    assert row["forward_speed"] == pytest.approx((0.5, 0.5))
    assert row["survival"] == pytest.approx((0.5, 0.5))
    # environment 0: 2 steps of 1; environment 1: 1 step of exp(-1) = 0.367879
    assert row["env_reward"] == pytest.approx((1.18394, 0.81606), abs=1e-5)


def test_table_is_markdown_with_one_row_a_policy():
    lines = table({"policy": summarise(short_rollout(), target_speed=1.0)}).splitlines()
    assert lines[0] == "| policy | Env. Reward | forward speed [m/s] | survival | mask IoU | S_v |"
    assert lines[1] == "|---|---|---|---|---|---|"
    assert lines[2] == "| policy | 1.18 ± 0.82 | 0.5 ± 0.5 | 0.5 ± 0.5 | 0.4 ± 0.2 | -0.25 ± 0.75 |"
