# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""From the clip's pixels to the task's camera."""

from __future__ import annotations

import numpy as np
import pytest

from nil_ext.reference import alignment

RATE = 30.0


def test_height_foot_line_and_trunk_match_the_start_pose(walk, start_mask):
    frames, masks = walk(45)
    fit = alignment.align(masks, start_mask, RATE)
    assert fit.scale == pytest.approx(np.full(45, 78 / 130), rel=0.02)
    drawn, aligned = alignment.apply(fit, frames, masks, 96)
    assert (aligned[0] & start_mask).sum() / (aligned[0] | start_mask).sum() > 0.8  # thin limbs
    rows = np.flatnonzero(aligned[0].any(axis=1))
    start_rows = np.flatnonzero(start_mask.any(axis=1))
    assert np.abs(rows[[0, -1]] - start_rows[[0, -1]]).max() <= 1
    assert alignment.trunk_x(aligned[0]) == pytest.approx(alignment.trunk_x(start_mask), abs=0.7)
    assert drawn.dtype == np.uint8 and (drawn[~aligned] == 255).all()
    assert np.abs(drawn[aligned].astype(int) - 110).max() <= 6  # no background in the edges


@pytest.mark.parametrize("drift", [0.0, 0.6, -0.6])
def test_drift_is_taken_out(walk, start_mask, drift):
    frames, masks = walk(45, drift=drift)
    fit = alignment.align(masks, start_mask, RATE)
    _, aligned = alignment.apply(fit, frames, masks, 96)
    places = np.array([alignment.trunk_x(mask) for mask in aligned])
    assert np.abs(places - alignment.trunk_x(start_mask)).max() < 1.2
    assert fit.drift == pytest.approx(abs(drift) * 44 * fit.scale[0], abs=2.0)


def test_one_vertical_shift_holds_for_the_whole_clip(walk, start_mask):
    frames, masks = walk(20)
    jump = np.zeros_like(masks)
    jump[10:, :-10] = masks[10:, 10:]  # the robot rises by 10 pixels
    jump[:10] = masks[:10]
    fit = alignment.align(jump, start_mask, RATE)
    _, aligned = alignment.apply(fit, frames, jump, 96)
    bottoms = [np.flatnonzero(mask.any(axis=1))[-1] for mask in aligned]
    assert bottoms[0] - bottoms[15] == pytest.approx(10 * fit.scale[0], abs=1)


@pytest.mark.parametrize("shift", [0.0, 0.25, 7.0])
@pytest.mark.parametrize("scale", [0.4, 1.0, 1.7])
def test_areas_and_centres_follow_the_map(scale, shift):
    rows, columns = np.mgrid[:60, :60] + 0.5
    mask = (rows - 25) ** 2 + (columns - 30) ** 2 < 14**2
    frame = np.where(mask[..., None], 90, 255).astype(np.uint8).repeat(3, -1)
    fit = alignment.Alignment(np.array([scale]), np.array([shift]), np.array([2.0]), 0.0)
    _, drawn = alignment.apply(fit, frame[None], mask[None], 96)
    ys, xs = np.nonzero(drawn[0])
    assert xs.mean() + 0.5 == pytest.approx(scale * 30 + shift, abs=0.3)
    assert ys.mean() + 0.5 == pytest.approx(scale * 25 + 2.0, abs=0.3)
    assert drawn.sum() == pytest.approx(scale**2 * mask.sum(), rel=0.06)


def test_a_zoom_is_followed_where_it_is_asked_for(walk, start_mask):
    frames, masks = walk(60)
    zooms = np.linspace(0.7, 1.0, 60)
    still = np.zeros(60)
    pictures, zoomed = alignment.apply(alignment.Alignment(zooms, 60 * (1 - zooms), still, 0.0), frames, masks, 160)

    def heights(smoothed: bool) -> np.ndarray:
        fit = alignment.align(zoomed, start_mask, RATE, smoothed)
        _, drawn = alignment.apply(fit, pictures, zoomed, 160)
        return np.array([np.ptp(np.flatnonzero(mask.any(axis=1))) + 1 for mask in drawn])

    fixed, followed = heights(False), heights(True)
    assert fixed[-1] / fixed[0] == pytest.approx(1.0 / 0.7, rel=0.05)
    assert np.abs(followed / followed[0] - 1).max() < 0.12  # the ends are smoothed over half a second
    assert followed[0] == pytest.approx(fixed[0], rel=0.08)
