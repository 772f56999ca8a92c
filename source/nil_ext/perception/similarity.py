# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Video similarity S_v: how much the last frames of a rollout look like those of the reference."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nil_ext.errors import InputError
from nil_ext.memory import memory_for
from nil_ext.perception.clips import ClipRing, fill_rows
from nil_ext.perception.encoders.encoder import Encoder
from nil_ext.perception.masks import fit_frames
from nil_ext.perception.reference_clips import ReferenceClips

KINDS = ("cosine", "l2")
"""How embeddings are compared: their cosine (the paper, CVPR) or their negative distance (arXiv v1)."""


def cosine(a: torch.Tensor, b: torch.Tensor, centre: torch.Tensor | None = None) -> torch.Tensor:
    """Cosine of embeddings, the paper's S_v, in [-1, 1].

    Args:
        a: (N, D).
        b: (N, D) or (D,).
        centre: (D,) subtracted from both. Embeddings of one robot share most of their direction: half a gait apart
            their cosine is still high, and only what differs from the mean embedding tells poses apart.

    Returns:
        (N,); 0 where either is a zero vector.
    """
    if centre is not None:
        a, b = a - centre, b - centre
    return torch.nn.functional.cosine_similarity(a, b, dim=-1, eps=1e-6).clamp(-1.0, 1.0)


def negative_l2(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """-||a - b||, the S_v of the paper's first version (arXiv v1): 0 for equal embeddings, without a lower bound.

    Args:
        a: (N, D).
        b: (N, D) or (D,).

    Returns:
        (N,).
    """
    return -torch.linalg.vector_norm(a - b, dim=-1)


def compare(a: torch.Tensor, b: torch.Tensor, kind: str, centre: torch.Tensor | None = None) -> torch.Tensor:
    """S_v (N,) of embeddings (N, D), by one of :data:`KINDS`; ``centre`` is for the cosine."""
    return negative_l2(a, b) if kind == "l2" else cosine(a, b, centre)


class VideoSimilarity:
    """S_v of all environments against the reference, by every k-th frame of a rollout.

    Each environment keeps what the encoder stores of its newest frames. It is compared with the reference's clip that
    ends at the frame it should look like now and is padded in the same way as its own, so a rollout that is the
    reference scores 1 from its first frame on, wherever in the reference it starts.
    """

    def __init__(
        self,
        encoder: Encoder,
        reference_frames: torch.Tensor,
        reference_masks: torch.Tensor,
        num_envs: int,
        size: int | None = None,
        clip_length: int = 8,
        clip_stride: int = 1,
        every: int = 1,
        centred: bool = True,
        kind: str = "cosine",
        starts: Sequence[int] | None = None,
        device: torch.device | str = "cpu",
    ):
        """Encode the reference and allocate the rings.

        Args:
            encoder: frozen encoder on the same device.
            reference_frames: (T, H, W, 3) uint8 at the control rate.
            reference_masks: (T, H, W) bool.
            num_envs: number N of environments.
            size: side of the environment camera's image [pixel]; the reference is resized to it before encoding, so
                that both paths see the same pixels. None where it has that size already.
            clip_length: frames n_T in a clip.
            clip_stride: encoded frames between neighbours of a clip; in control steps a clip spans
                (clip_length - 1) * clip_stride * every.
            every: control steps from one :meth:`update` to the next; the value is held between.
            centred: subtract the reference's mean clip embedding from both sides of the cosine.
            kind: one of :data:`KINDS`.
            starts: reference frames that episodes can begin with; None for all. See :class:`ReferenceClips`.
            device: where all of it lives.

        Raises:
            InputError: When the settings do not fit the encoder.
        """
        if kind not in KINDS:
            raise InputError(f"Unknown similarity '{kind}': use one of {', '.join(KINDS)}.")
        if every < 1:
            raise InputError(f"A video cannot be compared in every {every}th step: set film_every to 1 or more.")
        if clip_length < 1 or clip_stride < 1:
            raise InputError(
                f"A clip of {clip_length} frames, {clip_stride} apart, shows nothing: set "
                "env.commands.reference.clip_length and clip_stride to 1 or more."
            )
        if encoder.clip_length not in (None, clip_length):
            raise InputError(
                f"The {encoder.name} encoder takes clips of {encoder.clip_length} frames, not {clip_length}: set "
                f"env.commands.reference.clip_length={encoder.clip_length}."
            )
        self.encoder = encoder
        self.every = every
        self.kind = kind
        self.clip_length = clip_length
        size = reference_masks.shape[-1] if size is None else size
        frames, masks = fit_frames(reference_frames.to(device), reference_masks.to(device), size)
        with memory_for(
            f"The embeddings of the reference's {len(frames)} frames",
            "lower env.commands.reference.clip_stride, env.episode_length_s or env.commands.reference.encoder_batch",
        ):
            self.reference = ReferenceClips(encoder, frames, masks, clip_length, clip_stride, every, starts)
        """The reference's embeddings."""
        self.centre = self.reference.mean() if centred and kind == "cosine" else None
        """What is subtracted from embeddings. Shape is (D,)."""
        stored = self.reference.stored
        stored_bytes = ((clip_length - 1) * clip_stride + 1) * stored[0].nbytes
        with memory_for(
            f"The frame histories of {num_envs} environments, {stored_bytes / 1024:.0f} KiB each,",
            "lower env.scene.num_envs, env.commands.reference.clip_stride or the camera's size",
        ):
            self._frames = ClipRing(num_envs, clip_length, clip_stride, stored.shape[1:], stored.dtype, device)
        self._rows = torch.arange(num_envs, device=device)
        self._identical = 0.0 if kind == "l2" else 1.0
        self.value = torch.full((num_envs,), self._identical, device=device)
        """(N,) newest S_v of each environment; until an episode's first frame that of a rollout that is the reference,
        which it begins as."""

    @property
    def depth(self) -> int:
        """Encoded frames that a clip looks back over."""
        return self._frames.depth

    @property
    def bytes_per_env(self) -> int:
        """Memory of one environment's history [byte]."""
        return self._frames.bytes_per_env

    def reset(self, env_ids: torch.Tensor | None = None) -> None:
        """Forget the history of some environments (indices, mask or None for all)."""
        self._frames.reset(env_ids)
        fill_rows(self.value, env_ids, self._identical)

    def update(self, rgb: torch.Tensor, mask: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Take the newest frames of all environments; call in every k-th control step (``every``).

        Args:
            rgb: (N, H, W, 3) uint8 from the camera.
            mask: (N, H, W) bool.
            index: (N,) long, the reference's frame that each environment should look like now. It moves on by one a
                step.

        Returns:
            (N,) S_v, the same tensor as :attr:`value`.
        """
        self._frames.push(self.encoder.frame(rgb, mask))
        count = self.encoder.max_clips
        for part, newest in zip(self._rows.split(count), index.split(count), strict=True):
            rollout = self.encoder.clip(self._frames.clip(part))
            reference = self.reference.embedding(newest, self._frames.age(part))
            self.value[part] = compare(rollout, reference, self.kind, self.centre)
        return self.value
