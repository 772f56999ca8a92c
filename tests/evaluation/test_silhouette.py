# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Distances of outlines and periods of gaits whose values are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from nil_ext.evaluation.silhouette import ChamferDistance, gait_period
from nil_ext.tasks.embedded import embedded_reference


def block(rows: slice, columns: slice, side: int = 16) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[rows, columns] = True
    return mask


def test_a_robot_on_the_spot_is_at_distance_0_and_a_pixel_beside_one_pixel_away():
    here, there = block(slice(4, 5), slice(3, 4)), block(slice(4, 5), slice(6, 7))
    chamfer = ChamferDistance(np.stack([here, there]), metres_per_pixel=0.5)
    assert chamfer(np.stack([here, here]), np.array([0, 1])).tolist() == pytest.approx([0.0, 1.5])


def test_only_the_outline_counts():
    """The outline of a 5 x 5 block has 16 pixels; a 3 x 3 block in its middle has 8, of which each is 1 away."""
    outer, inner = block(slice(4, 9), slice(4, 9)), block(slice(5, 8), slice(5, 8))
    [distance] = ChamferDistance(outer[None], 1.0)(inner[None], np.array([0]))
    # from the outer's corners the inner's corner is sqrt(2) away: 4 of 16
    assert distance == pytest.approx(0.5 * (1.0 + (12 + 4 * np.sqrt(2)) / 16), abs=1e-5)


def test_against_every_pair_of_outline_pixels():
    rng = np.random.default_rng(0)
    shapes = [block(slice(*sorted(rng.choice(17, 2, False))), slice(*sorted(rng.choice(17, 2, False)))) for _ in "ab"]

    def outline(mask: np.ndarray) -> np.ndarray:
        padded = np.pad(mask, 1)
        inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        return np.argwhere(mask & ~inside)

    pairs = cdist(outline(shapes[0]), outline(shapes[1]))
    expected = 0.5 * (pairs.min(axis=0).mean() + pairs.min(axis=1).mean())
    [distance] = ChamferDistance(shapes[0][None], 1.0)(shapes[1][None], np.array([0]))
    assert distance == pytest.approx(expected, abs=1e-4)


def test_a_robot_out_of_the_picture_is_the_picture_s_side_away():
    chamfer = ChamferDistance(block(slice(4, 9), slice(4, 9))[None], metres_per_pixel=0.1)
    assert chamfer(np.zeros((1, 16, 16), bool), np.array([0])).tolist() == pytest.approx([1.6])


def test_period_of_the_sketch_is_its_stride():
    masks = embedded_reference("NIL-H1-Walk").masks
    assert gait_period(masks, 50.0) == pytest.approx(0.9, abs=0.01)


def test_what_stands_still_left_the_picture_or_was_not_seen_to_repeat_has_no_period():
    masks = embedded_reference("NIL-H1-Walk").masks
    for nothing in (masks[:1].repeat(50, axis=0), np.zeros((50, 8, 8), bool), masks[:3], masks[:80]):
        assert np.isnan(gait_period(nothing, 50.0))  # 80 frames are 1.6 s: less than two strides
