# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""LocoMuJoCo's task reward (0.4.1), by which the paper compares methods.

No policy learns from it but the Expert, the upper bound that methods are held against (``--reward task``).
"""

from __future__ import annotations

import torch

_RATE = 100.0
"""Control rate at which LocoMuJoCo sums [Hz]."""


def env_reward(velocity_xy: torch.Tensor, kind: str, speed: float, step_dt: float) -> torch.Tensor:
    """What a control step adds: exp(-(v_x - speed)^2) (``humanoid``) or exp(-5 |v_xy - (speed, 0)|) (``quadruped``).

    LocoMuJoCo sums steps of 100 Hz. A step of another length counts for as many of those as it lasts, so that 4 s are
    worth at most 400 at any rate.

    Args:
        velocity_xy: velocity of the root, forward and to the left [m/s]. Shape is (..., 2).
        kind: ``humanoid`` or ``quadruped``.
        speed: wanted forward speed [m/s].
        step_dt: length of the control step [s].

    Returns:
        Shape is (...).
    """
    if kind == "humanoid":
        share = torch.exp(-((velocity_xy[..., 0] - speed) ** 2))
    elif kind == "quadruped":
        share = torch.exp(-5.0 * torch.hypot(velocity_xy[..., 0] - speed, velocity_xy[..., 1]))
    else:
        raise ValueError(f"The Env. Reward knows 'humanoid' and 'quadruped', not '{kind}'.")
    return share * (_RATE * step_dt)


def episode_reward(
    velocity_xy: torch.Tensor, alive: torch.Tensor, kind: str, speed: float, steps: int, step_dt: float
) -> torch.Tensor:
    """Sum of :func:`env_reward` over an episode's first ``steps`` steps of 100 Hz; later ones count for nothing.

    Args:
        velocity_xy: velocity of the root [m/s]. Shape is (T, N, 2).
        alive: steps that belong to the episode. Shape is (T, N) bool.
        kind: ``humanoid`` or ``quadruped``.
        speed: wanted forward speed [m/s].
        steps: steps of 100 Hz that count, hence the largest value.
        step_dt: length of the control step [s].

    Returns:
        Shape is (N,).
    """
    worth = _RATE * step_dt
    counted = ((steps - worth * torch.arange(len(velocity_xy))) / worth).clamp(0.0, 1.0)
    return (env_reward(velocity_xy, kind, speed, step_dt) * alive * counted[:, None]).sum(dim=0)
