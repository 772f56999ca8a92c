# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The throughput benchmark's baseline computes the same number as the batched stream, the long way round."""

from __future__ import annotations

import pytest
import torch

from nil_ext.cli.host_loop import HostLoop
from nil_ext.perception.encoders import make_encoder
from nil_ext.perception.similarity import VideoSimilarity


@pytest.mark.parametrize("name", ["efficientnet", "timesformer"])
def test_one_by_one_equals_all_at_once(name, tiny_timesformer, tmp_path, monkeypatch):
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path))
    generator = torch.Generator().manual_seed(5)
    masks = torch.rand(14, 64, 64, generator=generator) < 0.5
    frames = torch.randint(0, 200, (14, 64, 64, 3), generator=generator, dtype=torch.uint8)
    frames.masked_fill_(~masks.unsqueeze(-1), 255)
    encoder = make_encoder(name, weights=str(tiny_timesformer))
    streams = VideoSimilarity(encoder, frames, masks, 3, centred=True)
    loop = HostLoop(streams, 3)
    streams.reset()
    for t in range(10):
        index = torch.tensor([t, t, t])
        picture = index + torch.tensor([0, 1, 4])
        batched = streams.update(frames[picture], masks[picture], index)
        torch.testing.assert_close(loop.update(frames[picture], masks[picture], index), batched, atol=1e-4, rtol=0)
    assert batched[0] == pytest.approx(1.0, abs=1e-4) and batched[1:].max() < 0.95
