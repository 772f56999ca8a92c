# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Rings of frames against plain Python histories."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_ext.perception.clips import ClipRing, reference_clips


@settings(deadline=None)
@given(length=st.integers(1, 9), stride=st.integers(1, 4), num_frames=st.integers(1, 40))
def test_a_ring_fed_with_the_reference_holds_its_clips(length, stride, num_frames):
    features = torch.arange(num_frames * 2, dtype=torch.float32).reshape(num_frames, 2)
    expected = reference_clips(features, length, stride)
    ring = ClipRing(3, length, stride, (2,))
    for t in range(num_frames):
        ring.push(features[t].expand(3, 2))
        assert torch.equal(ring.clip(), expected[t].expand(3, length, 2))


def test_reference_clips_by_hand():
    clips = reference_clips(torch.arange(6), clip_length=3, stride=2)
    assert clips.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 3], [0, 2, 4], [1, 3, 5]]


actions = st.lists(
    st.one_of(
        st.just("push"),
        st.sets(st.integers(0, 3)).map(lambda s: ("reset", sorted(s))),
        st.sets(st.integers(0, 3), min_size=1).map(lambda s: ("push some", sorted(s))),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(actions, st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_any_order_of_pushes_and_resets_equals_lists(steps, length, stride, by_mask):
    ring = ClipRing(4, length, stride, (), torch.long)
    histories: list[list[int]] = [[] for _ in range(4)]
    for time, step in enumerate(steps):
        values = torch.arange(4) + 10 * time
        kind, ids = step if isinstance(step, tuple) else (step, [0, 1, 2, 3])
        index = torch.tensor(ids, dtype=torch.long)
        if kind == "reset":
            mask = torch.zeros(4, dtype=torch.bool)
            mask[index] = True
            ring.reset(mask if by_mask else index)
            for i in ids:
                histories[i] = []
            continue
        ring.push(values[index], None if kind == "push" else index)
        for i in ids:
            histories[i].append(values[i].item())
        for i, history in enumerate(histories):
            if history:
                last = len(history) - 1
                expected = [history[max(last - k * stride, 0)] for k in range(length - 1, -1, -1)]
                assert ring.clip()[i].tolist() == expected
        assert torch.equal(ring.clip(index), ring.clip()[index])


def test_reset_of_all_and_no_new_memory():
    ring = ClipRing(2, 4, 1, (3, 5), torch.float16)
    address = ring._buffer.data_ptr()
    for value in range(20):
        ring.push(torch.full((2, 3, 5), float(value), dtype=torch.float16))
    ring.reset()
    ring.push(torch.full((2, 3, 5), 7.0, dtype=torch.float16))
    assert (ring.clip() == 7).all() and ring.clip().dtype == torch.float16
    assert ring._buffer.data_ptr() == address


@pytest.mark.gpu
def test_a_ring_on_the_gpu_never_waits(device="cuda"):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    ring = ClipRing(8, 4, 2, (16,), device=device)
    frame, ids = torch.rand(8, 16, device=device), torch.tensor([1, 3], device=device)
    mask = torch.zeros(8, dtype=torch.bool, device=device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(5):
            ring.push(frame)
            ring.reset(ids)
            ring.reset(mask)
            ring.clip()
    finally:
        torch.cuda.set_sync_debug_mode("default")
