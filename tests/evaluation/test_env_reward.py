# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""LocoMuJoCo's reward against hand arithmetic."""

from __future__ import annotations

import math

import pytest
import torch

from nil_ext.evaluation.env_reward import env_reward, episode_reward

HUMANOID = {"kind": "humanoid", "speed": 1.25, "steps": 400}
QUADRUPED = {"kind": "quadruped", "speed": 0.5, "steps": 300}


def total(velocity: tuple[float, float], seconds: float, rate: float, facts: dict) -> float:
    steps = round(seconds * rate)
    velocities = torch.tensor(velocity).expand(steps, 1, 2)
    return episode_reward(velocities, torch.ones(steps, 1, dtype=torch.bool), step_dt=1 / rate, **facts).item()


@pytest.mark.parametrize("rate", [25, 30, 100])
def test_standing_for_four_seconds_is_worth_84_at_any_rate(rate: int):
    # 400 steps of 100 Hz, each exp(-1.25^2) = 0.209611
    assert total((0.0, 0.0), 4.0, rate, HUMANOID) == pytest.approx(83.845, abs=1e-3)


@pytest.mark.parametrize(
    ("velocity", "facts", "value"),
    [
        ((1.25, 0.0), HUMANOID, 400.0),
        ((1.0, 3.0), HUMANOID, 400 * math.exp(-0.0625)),  # 375.8, the notes' 376; sideways speed does not count
        ((0.5, 0.0), QUADRUPED, 300.0),
        ((0.0, 0.0), QUADRUPED, 300 * math.exp(-2.5)),  # 24.6
        ((0.9, 0.3), QUADRUPED, 300 * math.exp(-2.5)),  # off by (0.4, 0.3), a length of 0.5
    ],
)
def test_known_speeds(velocity: tuple[float, float], facts: dict, value: float):
    assert total(velocity, 4.0, 100, facts) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("rate", [30, 100])
def test_what_comes_after_the_counted_steps_is_worth_nothing(rate: int):
    assert total((1.25, 0.0), 6.0, rate, HUMANOID) == pytest.approx(400.0)
    assert total((0.5, 0.0), 6.0, rate, QUADRUPED) == pytest.approx(300.0)


def test_steps_after_the_end_of_an_episode_are_worth_nothing():
    velocity = torch.tensor([1.0, 0.0, 1.0])[:, None, None].expand(3, 1, 2)
    alive = torch.tensor([[True], [True], [False]])
    reward = episode_reward(velocity, alive, "humanoid", speed=1.0, steps=400, step_dt=0.01)
    assert reward.item() == pytest.approx(1.0 + math.exp(-1.0))


def test_a_step_lasts_as_many_steps_of_100_hz_as_it_lasts():
    assert env_reward(torch.tensor([1.25, 0.0]), "humanoid", 1.25, step_dt=0.04).item() == pytest.approx(4.0)


def test_an_unknown_kind_fails():
    with pytest.raises(ValueError, match="'octopod'"):
        env_reward(torch.zeros(2), "octopod", 1.0, 0.01)
