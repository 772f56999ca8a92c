# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The baseline of the throughput benchmark: the video similarity as earlier code of this family computes it."""

from __future__ import annotations

from collections import deque

import torch

from ..perception.similarity import VideoSimilarity, compare


class HostLoop:
    """S_v of one environment after the other: frames on the host, one encoder pass over the whole clip for each.

    The same encoder, reference and numbers as :class:`VideoSimilarity` with a stride of 1 and every step encoded; only
    the way there differs. Episodes that end are not followed: this is for timing.
    """

    def __init__(self, streams: VideoSimilarity, num_envs: int):
        """Start with empty histories.

        Args:
            streams: what the environment uses; its encoder and reference are shared.
            num_envs: number N of environments.
        """
        self._streams = streams
        self._histories = [deque(maxlen=streams.clip_length) for _ in range(num_envs)]
        self._updates = 0

    def update(self, rgb: torch.Tensor, mask: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Take the newest frames (N, H, W, 3) and masks (N, H, W), the wanted frames (N,); S_v (N,) on the host."""
        streams, values = self._streams, []
        age = torch.full_like(index[:1], min(self._updates, streams.depth - 1))
        self._updates += 1
        for env, history in enumerate(self._histories):
            picture = (rgb[env].to("cpu", copy=True), mask[env].to("cpu", copy=True))  # the renderer reuses its memory
            history.extend([picture] * (1 if history else streams.clip_length))
            frames, masks = (torch.stack(column).to(rgb.device) for column in zip(*history, strict=True))
            rollout = streams.encoder.clip(streams.encoder.frame(frames, masks).unsqueeze(0))
            reference = streams.reference.embedding(index[[env]], age)
            values.append(compare(rollout, reference, streams.kind, streams.centre).item())
        return torch.tensor(values)
