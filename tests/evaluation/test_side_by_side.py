# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The picture of reference, rollout and masks."""

from __future__ import annotations

import numpy as np

from nil_ext.evaluation.side_by_side import side_by_side

BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def picture(columns: slice, colour: tuple[int, int, int], side: int) -> tuple[np.ndarray, np.ndarray]:
    """A frame with a block of robot over the given columns, and its mask."""
    mask = np.zeros((side, side), bool)
    mask[:, columns] = True
    frame = np.full((side, side, 3), 255, np.uint8)
    frame[mask] = colour
    return frame, mask


def test_red_is_the_reference_blue_the_rollout_and_grey_both():
    reference, mask = picture(slice(0, 4), (10, 20, 30), side=8)  # left half
    rollout, _ = picture(slice(1, 3), (40, 50, 60), side=4)  # middle half, at the camera's own size
    pictures = side_by_side(reference[None], mask[None], [rollout], size=32)
    assert pictures.shape == (1, 32, 96, 3)
    assert pictures.dtype == np.uint8
    row = pictures[0, 28]  # below the captions
    assert row[4].tolist() == [10, 20, 30] and row[24].tolist() == list(WHITE)
    assert row[32 + 16].tolist() == [40, 50, 60] and row[32 + 4].tolist() == list(WHITE)
    only_reference, both, only_rollout, neither = row[64 + 4], row[64 + 12], row[64 + 20], row[64 + 28]
    assert only_reference.argmax() == 0 and only_reference[0] > 200
    assert only_rollout.argmax() == 2 and only_rollout[2] > 200
    assert np.ptp(both) == 0 and 100 < both[0] < 200
    assert neither.tolist() == list(WHITE)


def test_a_rollout_that_fell_early_gives_a_shorter_video():
    reference, mask = picture(slice(0, 4), BLACK, side=8)
    pictures = side_by_side(np.stack([reference] * 5), np.stack([mask] * 5), [reference] * 2)
    assert pictures.shape == (2, 256, 768, 3)


def test_captions_leave_the_inputs_alone():
    reference, mask = picture(slice(0, 4), BLACK, side=256)
    before = reference.copy()
    side_by_side(reference[None], mask[None], [reference], size=256)
    assert np.array_equal(reference, before)
