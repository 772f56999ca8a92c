# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Numbers of a rollout."""

from __future__ import annotations

import torch

from .rollout import Rollout

METRICS = {
    "env_reward": "Env. Reward",
    "forward_speed": "forward speed [m/s]",
    "survival": "survival",
    "mask_iou": "mask IoU",
    "video_similarity": "S_v",
}
"""Metrics and the names they are reported under."""


def env_reward(speed: torch.Tensor, alive: torch.Tensor, step_dt: float, target: float) -> torch.Tensor:
    """LocoMuJoCo's task reward (0.4.1, humanoids): exp(-(v - target)^2), summed over steps of 100 Hz.

    At another control rate each step counts for as many 100 Hz steps as it lasts, so 4 s are worth 400 at any rate.

    Args:
        speed: forward speed [m/s]. Shape is (T, N).
        alive: steps that count. Shape is (T, N).
        step_dt: control period [s].
        target: wanted speed [m/s].

    Returns:
        Shape is (N,).
    """
    return (torch.exp(-((speed - target) ** 2)) * alive).sum(dim=0) * (100.0 * step_dt)


def summarise(rollout: Rollout, target_speed: float) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation over episodes of each of :data:`METRICS`."""
    alive = rollout.alive
    count = alive.sum(dim=0)
    values = {name: (stream * alive).sum(dim=0) / count for name, stream in rollout.streams.items()}
    values["survival"] = rollout.survived.float()
    values["env_reward"] = env_reward(rollout.streams["forward_speed"], alive, rollout.step_dt, target_speed)
    return {name: (float(values[name].mean()), float(values[name].std(correction=0))) for name in METRICS}


def table(rows: dict[str, dict[str, tuple[float, float]]]) -> str:
    """A Markdown table, one row a policy, mean ± standard deviation over episodes."""
    lines = ["| policy | " + " | ".join(METRICS.values()) + " |", "|---" * (len(METRICS) + 1) + "|"]
    for policy, numbers in rows.items():
        cells = (f"{numbers[name][0]:.3g} ± {numbers[name][1]:.2g}" for name in METRICS)
        lines.append(f"| {policy} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
