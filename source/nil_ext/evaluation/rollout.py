# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""One episode of every environment, from e0, with what is needed to judge it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict


class ImitationStreams(Protocol):
    """What a rollout reads of the reference command after each step."""

    latest: dict[str, torch.Tensor]
    """Newest ``mask_iou``, ``video_similarity`` and ``forward_speed`` [m/s]. Each is (N,)."""

    latest_frames: torch.Tensor
    """Newest frames, robot on white. Shape is (N, S, S, 3) uint8."""


@dataclass
class Rollout:
    """Streams of one episode an environment. T steps, N environments."""

    streams: dict[str, torch.Tensor]
    """Each stream of :class:`ImitationStreams`, (T, N); only steps with ``alive`` count."""

    alive: torch.Tensor
    """Steps that belong to the first episode, the one in which it ended included. Shape is (T, N) bool."""

    survived: torch.Tensor
    """Whether the episode ended without a fall. Shape is (N,) bool."""

    step_dt: float
    """Control period [s]."""

    frames: list[np.ndarray] = field(default_factory=list)
    """Frames (S, S, 3) uint8 of the environment that lasted longest, its first episode."""


@torch.no_grad()
def roll_out(
    env: VecEnv,
    policy: Callable[[TensorDict], torch.Tensor],
    streams: ImitationStreams,
    step_dt: float,
    film: bool = False,
) -> Rollout:
    """Run every environment from e0 until its first episode is over.

    Args:
        env: environments; they are reset first.
        policy: actions (N, A) for observations.
        streams: the environment's reference command.
        step_dt: control period [s].
        film: whether to keep the frames of the environment that lasts longest.
    """
    obs, _ = env.reset()
    alive = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
    survived = torch.zeros_like(alive)
    names = ("mask_iou", "video_similarity", "forward_speed")
    rows: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    lived, pictures = [], []
    for _ in range(int(env.max_episode_length)):
        obs, _, dones, extras = env.step(policy(obs))
        for name in names:
            rows[name].append(streams.latest[name].clone())
        lived.append(alive.clone())
        if film:
            pictures.append(streams.latest_frames.cpu().numpy().copy())
        dones = dones.bool()
        survived |= alive & dones & extras["time_outs"].bool()
        alive &= ~dones
        if not alive.any():
            break
    survived |= alive
    lived = torch.stack(lived)
    longest = int(lived.sum(dim=0).argmax())
    return Rollout(
        {name: torch.stack(values) for name, values in rows.items()},
        lived,
        survived,
        step_dt,
        [picture[longest] for picture, on in zip(pictures, lived[:, longest].tolist(), strict=False) if on],
    )
