# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Rings of frames against plain Python histories."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_ext.perception.clips import ClipRing, clip_indices


@settings(deadline=None)
@given(
    length=st.integers(1, 9),
    stride=st.integers(1, 4),
    every=st.integers(1, 3),
    num_frames=st.integers(1, 40),
    start=st.integers(0, 39),
)
def test_a_ring_fed_with_the_reference_holds_the_clips_of_its_age(length, stride, every, num_frames, start):
    table = clip_indices(num_frames, length, stride, every)
    ring = ClipRing(3, length, stride, (2,))
    assert table.shape == (num_frames, ring.depth, length)
    frames = torch.arange(num_frames * 2, dtype=torch.float32).reshape(num_frames, 2)
    for t in range(start, num_frames, every):
        ring.push(frames[t].expand(3, 2))
        age = ring.age()
        assert age.tolist() == [min((t - start) // every, ring.depth - 1)] * 3
        assert torch.equal(ring.clip(), frames[table[torch.tensor([t] * 3), age]])


def test_clip_indices_by_hand():
    whole = clip_indices(6, clip_length=3, stride=2)[:, -1]
    assert whole.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 3], [0, 2, 4], [1, 3, 5]]
    # began one push ago, at frame 2, with every third frame
    assert clip_indices(6, clip_length=3, stride=1, every=3)[5, 1].tolist() == [2, 2, 5]


actions = st.lists(
    st.one_of(
        st.just("push"),
        st.sets(st.integers(0, 3)).map(lambda s: ("reset", sorted(s))),
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
        ring.push(values)
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
