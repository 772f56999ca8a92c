# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The interface of a frozen encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch


class Encoder(ABC):
    """A frozen network from a clip of white-background frames to an embedding.

    The work is split in two: :meth:`frame` makes what a :class:`~nil_ext.perception.clips.ClipRing` stores of one
    frame, :meth:`clip` turns n_T stored entries into the embedding. An image network does its work in ``frame`` and
    sees each frame once; a video network stores the frame's pixels and does its work in ``clip``.
    """

    name: str
    """Name in settings, logs and manifests."""

    per_frame: bool
    """Whether the network runs in :meth:`frame`. Otherwise it runs in :meth:`clip`, and the embeddings of the
    reference's clips are computed once and kept."""

    clip_length: int | None = None
    """The only number of frames n_T that the network takes; None for any."""

    max_clips: int = 1024
    """Clips that are embedded at once: bounds the memory."""

    @abstractmethod
    def frame(self, rgb: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """What is stored of single frames, the robot on white.

        Args:
            rgb: (N, H, W, 3) uint8.
            mask: (N, H, W) bool, True on the robot.

        Returns:
            (N, *F), float32 features or uint8 pixels.
        """

    @abstractmethod
    def clip(self, frames: torch.Tensor) -> torch.Tensor:
        """Embedding of clips.

        Args:
            frames: (N, n_T, *F) of stored frames, oldest first; N at most :attr:`max_clips`.

        Returns:
            (N, D) float32.
        """

    @abstractmethod
    def manifest(self) -> dict:
        """What runs and why, for the run's manifest (JSON-able); equal manifests give equal embeddings."""
