# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The interface of a frozen encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch


class Encoder(ABC):
    """A frozen network from a clip of white-background frames to an embedding.

    The work is split in two, so that a per-frame network sees each frame once: :meth:`frame` makes what a
    :class:`~nil_ext.perception.clips.ClipRing` stores, :meth:`clip` turns n_T stored entries into the embedding.
    """

    name: str
    """Name in settings, logs and manifests."""

    num_features: int
    """Length F of one stored frame."""

    @abstractmethod
    def frame(self, rgb: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Features of single frames; composites on white, resizes and normalises first.

        Args:
            rgb: (N, H, W, 3) uint8.
            mask: (N, H, W) bool, True on the robot.

        Returns:
            (N, F) float32.
        """

    @abstractmethod
    def clip(self, features: torch.Tensor) -> torch.Tensor:
        """Embedding of clips.

        Args:
            features: (N, n_T, F), oldest first.

        Returns:
            (N, D).
        """

    @abstractmethod
    def manifest(self) -> dict:
        """What runs and why, for the run's manifest (JSON-able)."""
