# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Video similarity S_v: how much the last frames of a rollout look like those of the reference."""

from __future__ import annotations

import torch

from nil_ext.perception.clips import ClipRing, clip_indices, zero_rows
from nil_ext.perception.encoders.encoder import Encoder
from nil_ext.perception.masks import fit_frames

_REFERENCE_BATCH = 64
"""Frames of the reference encoded at once [frames]."""


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


class VideoSimilarity:
    """S_v of all environments against the reference, encoding every k-th frame of each.

    Each environment keeps the features of its newest frames and the indices of the reference's frames it saw at the
    same moments. The reference's clip is built from those indices, so an environment that starts in the middle of
    the reference is compared with a history padded in the same way as its own.
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
            every: encode every k-th step of each environment, counted from its reset, and hold the value between.
                Above 1 the environments that are due are looked up on the host: meant for CPUs.
            centred: subtract the reference's mean clip embedding from both sides.
            device: where all of it lives.
        """
        self.encoder = encoder
        self.every = every
        size = reference_masks.shape[-1] if size is None else size
        frames, masks = fit_frames(reference_frames.to(device), reference_masks.to(device), size)
        self.reference_features = torch.cat(
            [
                encoder.frame(f, m)
                for f, m in zip(frames.split(_REFERENCE_BATCH), masks.split(_REFERENCE_BATCH), strict=True)
            ]
        )
        """(T, F) features of the reference's frames."""
        self._centre = self._mean_embedding(clip_length, clip_stride * every) if centred else None
        ring = {"num_envs": num_envs, "clip_length": clip_length, "stride": clip_stride, "device": device}
        self._frames = ClipRing(**ring, feature_shape=self.reference_features.shape[1:])
        self._indices = ClipRing(**ring, dtype=torch.long)
        self._steps = torch.zeros(num_envs, dtype=torch.long, device=device)  # since the reset
        self.value = torch.zeros(num_envs, device=device)
        """(N,) newest S_v of each environment."""

    def _mean_embedding(self, clip_length: int, spacing: int) -> torch.Tensor:
        """Mean (D,) over the reference's clips, without holding all of them at once."""
        indices = clip_indices(len(self.reference_features), clip_length, spacing, self.reference_features.device)
        sums = [self.encoder.clip(self.reference_features[i]).sum(dim=0) for i in indices.split(_REFERENCE_BATCH)]
        return torch.stack(sums).sum(dim=0) / len(indices)

    def reset(self, env_ids: torch.Tensor | None = None) -> None:
        """Forget the history of some environments (indices, mask or None for all)."""
        self._frames.reset(env_ids)
        self._indices.reset(env_ids)
        zero_rows(self._steps, env_ids)

    def update(self, rgb: torch.Tensor, mask: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Take the newest frames; call once per control step, and once after a reset for the first frame.

        Args:
            rgb: (N, H, W, 3) uint8 from the camera.
            mask: (N, H, W) bool.
            index: (N,) long, the reference's frame that each environment should look like now.

        Returns:
            (N,) S_v, the same tensor as :attr:`value`.
        """
        due = None
        if self.every > 1:
            due = (self._steps % self.every == 0).nonzero().squeeze(1)
        self._steps += 1
        if due is None:
            self._compare(rgb, mask, index, None)
        elif len(due) > 0:
            self._compare(rgb[due], mask[due], index[due], due)
        return self.value

    def _compare(
        self, rgb: torch.Tensor, mask: torch.Tensor, index: torch.Tensor, env_ids: torch.Tensor | None
    ) -> None:
        """Encode the given frames and renew the values of their environments."""
        self._frames.push(self.encoder.frame(rgb, mask), env_ids)
        self._indices.push(index, env_ids)
        rollout = self.encoder.clip(self._frames.clip(env_ids))
        reference = self.encoder.clip(self.reference_features[self._indices.clip(env_ids)])
        similarity = cosine(rollout, reference, self._centre)
        if env_ids is None:
            self.value.copy_(similarity)
        else:
            self.value[env_ids] = similarity
