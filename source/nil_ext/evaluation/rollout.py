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

FILMED = 16
"""Environments whose frames a film may show: those of a thousand, over an episode, would take tens of gigabytes."""


class Probe(Protocol):
    """What a rollout reads after each step: the state in which the step was judged, before any reset."""

    streams: dict[str, torch.Tensor]
    """Newest values by name (see :class:`Rollout`). Each is (N, ...)."""

    frame: torch.Tensor
    """Reference frame that each robot should look like. Shape is (N,)."""

    mask: torch.Tensor
    """Newest robot masks. Shape is (N, S, S) bool."""

    latest_frames: torch.Tensor
    """Newest frames, robot on white. Shape is (N, S, S, 3) uint8."""


@dataclass
class Rollout:
    """Streams of one episode an environment, on the host. T steps, N environments, J joints."""

    streams: dict[str, np.ndarray]
    """Each (T, N, ...): ``velocity_xy`` and ``position_xy`` (2) of the root [m/s, m], the latter relative to the
    environment's origin, ``joint_pos`` (J) [rad], ``mask_iou``, ``video_similarity``, and the unweighted penalties
    ``joint_torque``, ``action_change``, ``foot_slip``, ``torso_tilt`` (see ``docs/method.md``)."""

    alive: np.ndarray
    """Steps that belong to the first episode, the one in which it ended included. Shape is (T, N) bool."""

    survived: np.ndarray
    """Whether the episode ended without a fall. Shape is (N,) bool."""

    frame: np.ndarray
    """Reference frame of each step. Shape is (T, N)."""

    packed_masks: np.ndarray
    """Robot masks, eight pixels of a row in a byte: 1024 environments would fill the memory. (T, N, S, S / 8)."""

    mask_size: int
    """Side S of the masks [pixel]."""

    rate: float
    """Control rate [Hz]."""

    joint_names: tuple[str, ...] = ()
    """Names of the J joints."""

    frames: list[np.ndarray] = field(default_factory=list)
    """Frames (S, S, 3) uint8 of the environment that lasted longest of those that were filmed, its first episode."""

    @property
    def num_episodes(self) -> int:
        """Number N of episodes."""
        return len(self.survived)

    def length(self, episode: int) -> int:
        """Steps of an episode."""
        return int(self.alive[:, episode].sum())

    def masks(self, episode: int) -> np.ndarray:
        """Masks of an episode. Shape is (steps, S, S) bool."""
        packed = self.packed_masks[: self.length(episode), episode]
        return np.unpackbits(packed, axis=-1, count=self.mask_size).astype(bool)


@torch.no_grad()
def roll_out(
    env: VecEnv,
    policy: Callable[[TensorDict], torch.Tensor],
    probe: Probe,
    rate: float,
    joint_names: tuple[str, ...] = (),
    film: bool = False,
) -> Rollout:
    """Run every environment from e0 until its first episode is over.

    Args:
        env: environments; they are reset first.
        policy: actions (N, A) for observations.
        probe: reads the environment after each step.
        rate: control rate [Hz].
        joint_names: names of the joints in ``joint_pos``.
        film: whether to keep the frames of the environment that lasts longest of the first :data:`FILMED`.
    """
    obs, _ = env.reset()
    alive = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
    survived = torch.zeros_like(alive)
    rows: dict[str, list[torch.Tensor]] = {}
    lived, frame, masks, pictures = [], [], [], []
    for _ in range(int(env.max_episode_length)):
        obs, _, dones, extras = env.step(policy(obs))
        for name, values in probe.streams.items():
            rows.setdefault(name, []).append(values.clone())
        frame.append(probe.frame.clone())
        masks.append(np.packbits(probe.mask.cpu().numpy(), axis=-1))
        lived.append(alive.clone())
        if film:
            pictures.append(probe.latest_frames[:FILMED].cpu().numpy().copy())
        dones = dones.bool()
        survived |= alive & dones & extras["time_outs"].bool()
        alive &= ~dones
        if not alive.any():
            break
    survived |= alive
    lived = torch.stack(lived).cpu().numpy()
    longest = int(lived[:, :FILMED].sum(axis=0).argmax())
    return Rollout(
        streams={name: torch.stack(values).cpu().numpy() for name, values in rows.items()},
        alive=lived,
        survived=survived.cpu().numpy(),
        frame=torch.stack(frame).cpu().numpy(),
        packed_masks=np.stack(masks),
        mask_size=int(probe.mask.shape[-1]),
        rate=rate,
        joint_names=joint_names,
        frames=[picture[longest] for picture, on in zip(pictures, lived[:, longest], strict=False) if on],
    )
