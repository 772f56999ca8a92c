# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Histories of frames: the ring each environment keeps, and the same view of the reference."""

from __future__ import annotations

import torch


class ClipRing:
    """The newest frames of each environment, read as clips.

    The first push after a reset stands for the whole history before it (start padding). All writes are in place and
    nothing waits for the device.
    """

    def __init__(
        self,
        num_envs: int,
        clip_length: int = 8,
        stride: int = 1,
        feature_shape: tuple[int, ...] = (),
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ):
        """Allocate the ring.

        Args:
            num_envs: number N of environments.
            clip_length: frames n_T in a clip.
            stride: pushes between neighbouring frames of a clip.
            feature_shape: shape of one stored frame.
            dtype: type of the stored frames.
            device: where the ring lives.
        """
        self.depth = (clip_length - 1) * stride + 1
        """Pushes that a clip looks back over."""
        self._buffer = torch.zeros((num_envs, self.depth, *feature_shape), dtype=dtype, device=device)
        self._count = torch.zeros(num_envs, dtype=torch.long, device=device)  # pushes since the reset
        self._rows = torch.arange(num_envs, device=device)
        self._back = torch.arange(clip_length - 1, -1, -1, device=device) * stride  # (n_T,) oldest first

    @property
    def bytes_per_env(self) -> int:
        """Memory of one environment's history [byte]."""
        return self._buffer[0].nbytes

    def reset(self, env_ids: torch.Tensor | None = None) -> None:
        """Forget the history of some environments.

        Args:
            env_ids: indices (long), a mask (N,) bool, or None for all.
        """
        fill_rows(self._count, env_ids, 0)

    def push(self, features: torch.Tensor) -> None:
        """Add the newest frames (N, *feature_shape)."""
        self._buffer[self._rows, self._count % self.depth] = features
        self._count += 1

    def clip(self, env_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Clips (N or len(env_ids), n_T, *feature_shape), oldest frame first, newest last."""
        rows = self._rows if env_ids is None else env_ids
        wanted = (self._count[rows].unsqueeze(1) - 1 - self._back).clamp(min=0)
        return self._buffer[rows.unsqueeze(1), wanted % self.depth]

    def age(self, env_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Pushes (N,) or (len(env_ids),) after the first one, up to depth - 1: beyond it a clip has no padding."""
        rows = self._rows if env_ids is None else env_ids
        return (self._count[rows] - 1).clamp(0, self.depth - 1)


def fill_rows(values: torch.Tensor, env_ids: torch.Tensor | None, number: float) -> None:
    """Set entries of values (N, *) to a number in place, by indices (long), a mask (N,) bool or None for all.

    Indexed assignment would wait for the device to count a mask's entries; fills do not.
    """
    if env_ids is None:
        values.fill_(number)
    elif env_ids.dtype == torch.bool:
        values.masked_fill_(env_ids, number)
    else:
        values.index_fill_(0, env_ids, number)


def clip_indices(
    num_frames: int, clip_length: int, stride: int = 1, every: int = 1, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Frames of the reference that a ring would hold, by newest frame and age.

    A ring that takes every k-th frame and was pushed a + 1 times, the last time with frame t, began with frame
    t - a * k; before it stands that frame again.

    Args:
        num_frames: frames T of the reference.
        clip_length: frames n_T in a clip.
        stride: pushes between neighbouring frames of a clip.
        every: frames k of the reference between pushes.
        device: where the result lives.

    Returns:
        (T, depth, n_T) long; the last age is that of clips with their whole history. Ages that began before the
        reference are padded with its frame 0.
    """
    newest = torch.arange(num_frames, device=device).view(-1, 1, 1)
    age = torch.arange((clip_length - 1) * stride + 1, device=device).view(-1, 1)
    back = torch.arange(clip_length - 1, -1, -1, device=device) * stride
    return (newest - every * torch.minimum(back, age)).clamp(min=0)
