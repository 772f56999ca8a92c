# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The reference as the encoder sees it: embeddings of every clip that a rollout can be compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from nil_ext.perception.clips import clip_indices
from nil_ext.perception.encoders.encoder import Encoder

_FRAMES_AT_ONCE = 64
"""Frames of the reference that go through :meth:`Encoder.frame` at once."""


class ReferenceClips:
    """Embedding of the reference's clip by its newest frame and its age.

    An image network's features are kept frame by frame and stacked when asked for. A video network's embeddings are
    computed once per distinct clip and kept on disk, named by a hash of all that they depend on.
    """

    def __init__(
        self,
        encoder: Encoder,
        frames: torch.Tensor,
        masks: torch.Tensor,
        clip_length: int,
        clip_stride: int,
        every: int,
        starts: Sequence[int] | None = None,
    ):
        """Encode the reference.

        Args:
            encoder: frozen encoder on the frames' device.
            frames: (T, S, S, 3) uint8 at the control rate, of the camera's size.
            masks: (T, S, S) bool.
            clip_length: frames n_T in a clip.
            clip_stride: encoded frames between neighbours of a clip.
            every: control steps between encoded frames.
            starts: first frames of episodes, for whose padded clips a video network makes embeddings; None for all
                frames. An episode that begins elsewhere is compared with unpadded clips.
        """
        self._encoder = encoder
        self.stored = torch.cat(
            [
                encoder.frame(f, m)
                for f, m in zip(frames.split(_FRAMES_AT_ONCE), masks.split(_FRAMES_AT_ONCE), strict=True)
            ]
        )
        """What a ring stores of the reference's frames. Shape is (T, *F)."""
        self._indices = clip_indices(len(frames), clip_length, clip_stride, every, frames.device)  # (T, depth, n_T)
        if not encoder.per_frame:
            wanted = self._indices if starts is None else self._without_padding_elsewhere(starts, every)
            clips, row = torch.unique(wanted.flatten(0, 1), dim=0, return_inverse=True)
            self._row = row.view(wanted.shape[:2])  # (T, depth)
            self._embeddings = self._kept_embeddings(clips)  # (R, D)

    def embedding(self, index: torch.Tensor, age: torch.Tensor) -> torch.Tensor:
        """Embeddings (N, D).

        Args:
            index: (N,) long, newest frame.
            age: (N,) long, encoded frames since the episode's first; see :meth:`ClipRing.age`.
        """
        if self._encoder.per_frame:
            return self._encoder.clip(self.stored[self._indices[index, age]])
        return self._embeddings[self._row[index, age]]

    def mean(self) -> torch.Tensor:
        """Mean embedding (D,) over the clips with their whole history, without holding all of them at once."""
        every_frame = torch.arange(len(self.stored), device=self.stored.device)
        oldest = self._indices.shape[1] - 1
        sums = [
            self.embedding(index, torch.full_like(index, oldest)).sum(dim=0)
            for index in every_frame.split(self._encoder.max_clips)
        ]
        return torch.stack(sums).sum(dim=0) / len(every_frame)

    def _without_padding_elsewhere(self, starts: Sequence[int], every: int) -> torch.Tensor:
        """Indices (T, depth, n_T) in which clips of episodes that begin at other frames have their whole history."""
        count, depth, _ = self._indices.shape
        device = self._indices.device
        first = torch.arange(count, device=device).unsqueeze(1) - every * torch.arange(depth, device=device)
        begins = torch.isin(first, torch.tensor(list(starts), device=device))
        return torch.where(begins.unsqueeze(-1), self._indices, self._indices[:, -1:])

    def _kept_embeddings(self, clips: torch.Tensor) -> torch.Tensor:
        """Embeddings (R, D) of clips (R, n_T), from disk where they were made before."""
        from nil_ext.reference.cache import build_folder, cache_root

        folder = cache_root() / "embeddings" / f"{self._encoder.name}-{self._key(clips)}"
        kept = _load(folder, len(clips))
        if kept is not None:
            return kept.to(self.stored.device)
        print(f"[nil_ext] Encoding {len(clips)} clips of the reference with {self._encoder.name}, once: {folder}")
        embeddings = torch.cat([self._encoder.clip(self.stored[part]) for part in clips.split(self._encoder.max_clips)])
        with build_folder(folder, replace=True) as temporary:
            save_file({"embeddings": embeddings.cpu().contiguous()}, temporary / "clips.safetensors")
        return embeddings

    def _key(self, clips: torch.Tensor) -> str:
        device = self.stored.device
        chip = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        tf32 = device.type == "cuda" and torch.backends.cuda.matmul.allow_tf32
        about = {"encoder": self._encoder.manifest(), "torch": torch.__version__, "device": chip, "tf32": tf32}
        content = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
        for tensor in (self.stored, clips):
            content.update(repr((tuple(tensor.shape), tensor.dtype)).encode())
            content.update(tensor.cpu().contiguous().numpy().tobytes())
        return content.hexdigest()[:24]


def _load(folder: Path, count: int) -> torch.Tensor | None:
    """Embeddings (count, D) from a folder, or None where there are none or they are damaged (then they are remade)."""
    try:
        with safe_open(folder / "clips.safetensors", "pt") as file:
            embeddings = file.get_tensor("embeddings")
    except (OSError, SafetensorError):
        return None
    return embeddings if len(embeddings) == count else None
