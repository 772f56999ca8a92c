# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Mask measures against hand arithmetic and independent methods."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import uniform_filter

from nil_ext.perception import masks as m

pairs = hnp.array_shapes(min_dims=3, max_dims=3, max_side=8).flatmap(
    lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
)


def square(left: int, top: int, side: int, size: int = 16) -> torch.Tensor:
    mask = torch.zeros(1, size, size, dtype=torch.bool)
    mask[:, top : top + side, left : left + side] = True
    return mask


def test_iou_by_hand():
    a = torch.cat([square(0, 0, 4), square(0, 0, 4), square(0, 0, 4), square(0, 0, 0)])
    b = torch.cat([square(2, 0, 4), square(0, 0, 4), square(8, 8, 4), square(0, 0, 0)])
    # 8 shared of 16 + 16 - 8; equal; apart; both empty.
    torch.testing.assert_close(m.iou(a, b), torch.tensor([8 / 24, 1.0, 0.0, 1.0]))
    torch.testing.assert_close(m.iou(a, square(0, 0, 4)[0]), torch.tensor([1.0, 1.0, 1.0, 0.0]))


@settings(deadline=None)
@given(pairs)
def test_overlaps_are_symmetric_bounded_and_one_on_equality(pair):
    a, b = map(torch.from_numpy, pair)
    for measure in (m.iou, m.soft_iou):
        values = measure(a, b)
        torch.testing.assert_close(values, measure(b, a))
        assert ((values >= 0) & (values <= 1)).all()
        torch.testing.assert_close(measure(a, a), torch.ones(len(a)))


@settings(deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9)))
def test_soften_is_two_box_filters(mask):
    padded = np.pad(mask.astype(np.float64), ((0, 0), (2, 2), (2, 2)))
    expected = uniform_filter(uniform_filter(padded, (1, 3, 3), mode="constant"), (1, 3, 3), mode="constant")
    result = m.soften(torch.from_numpy(mask))
    np.testing.assert_allclose(result.numpy(), expected[:, 2:-2, 2:-2], atol=1e-6)


def test_soft_iou_has_a_slope_where_iou_is_flat():
    # A leg 2 pixels wide, beside the reference's leg by 2, 3, 4 pixels: they no longer touch.
    leg = torch.zeros(1, 24, 24, dtype=torch.bool)
    leg[:, 4:20, 8:10] = True
    moved = torch.cat([leg.roll(shift, dims=2) for shift in (0, 1, 2, 3, 4)])
    assert m.iou(moved, leg)[2:].tolist() == [0.0, 0.0, 0.0]
    soft = m.soft_iou(moved, leg)
    assert (soft[:-1] - soft[1:] > 0.03).all()
    torch.testing.assert_close(m.soft_iou(m.soften(moved), m.soften(leg)), soft)


def test_weights_by_hand():
    weight = torch.zeros(16, 16)
    weight[:, :8] = 1.0  # the right half does not count
    a, b = square(0, 0, 4), square(0, 0, 4) | square(12, 12, 4)
    assert m.soft_iou(a, b).item() < 0.6
    assert m.soft_iou(a, b, weight).item() == pytest.approx(1.0)


def test_change_weight_looks_where_the_reference_moves():
    masks = torch.cat([square(2, 2, 4), square(2, 2, 4)])
    torch.testing.assert_close(m.change_weight(masks), torch.ones(16, 16))
    masks = torch.cat([square(2, 2, 4) | square(10, 10, 4), square(2, 2, 4)])
    weight = m.change_weight(masks)
    assert weight.mean().item() == pytest.approx(1.0)
    # Inside the square that comes and goes the softened mask is 1 or 0: the largest deviation. The rest is the floor.
    assert (weight[11, 11] / weight[3, 3]).item() == pytest.approx(1 / m.CHANGE_FLOOR, rel=0.2)
    assert weight[3, 3] == weight[0, 0] == weight.min()


def test_shaping_by_hand():
    torch.testing.assert_close(
        m.shaped(torch.tensor([1.0, 0.8, 0.0])), torch.tensor([1.0, 0.4 + 0.5 * math.exp(-1.0), 0.5 * math.exp(-5.0)])
    )


def test_composite_paints_the_background_white():
    rgb = torch.arange(2 * 3 * 3 * 3, dtype=torch.uint8).reshape(2, 3, 3, 3)
    mask = torch.zeros(2, 3, 3, dtype=torch.bool)
    mask[1, 2, 0] = True
    result = m.composite(rgb, mask)
    assert result.dtype == torch.uint8 and (result[~mask] == 255).all()
    assert result[1, 2, 0].tolist() == rgb[1, 2, 0].tolist()


def fitted(mask: torch.Tensor, size: int) -> torch.Tensor:
    return m.fit_frames(torch.zeros(*mask.shape, 3, dtype=torch.uint8), mask, size)[1]


def test_fitting_masks_by_area():
    mask = square(0, 0, 8)
    mask[0, 0, 8] = True  # a quarter of a pixel of the smaller image
    small = fitted(mask, 8)
    assert small.sum() == 16 and small[0, :4, :4].all()
    assert fitted(mask, 16) is mask
    assert fitted(square(0, 0, 8), 32).sum() == 16 * 16
    # 16 to 6 is no whole ratio: the share of the area stays.
    assert fitted(square(0, 0, 8), 6).sum() == 9


def test_fitting_frames_keeps_the_robots_colour_at_its_edge():
    mask = square(1, 1, 9)
    frames = torch.full((1, 16, 16, 3), 255, dtype=torch.uint8)
    frames[mask] = torch.tensor([40, 80, 120], dtype=torch.uint8)
    small, small_mask = m.fit_frames(frames, mask, 8)
    # rows and columns 1 to 9 fill pixels 1 to 4 and half of pixel 0, whose corner they fill by a quarter
    assert small_mask.sum() == 5 * 5 - 1 and not small_mask[0, 0, 0]
    assert (small[small_mask] == torch.tensor([40, 80, 120], dtype=torch.uint8)).all()
    assert (small[~small_mask] == 255).all()


def moving_masks(num_frames: int = 40) -> torch.Tensor:
    phase = torch.arange(num_frames) / 10 * 2 * math.pi
    rows, columns = torch.meshgrid(torch.arange(20), torch.arange(20), indexing="ij")
    centre = 10 + 4 * torch.sin(phase)
    return (rows - 10).square() + (columns - centre[:, None, None]).square() < 15.7


def test_mask_code_is_principal_component_analysis():
    masks = moving_masks()
    code = m.MaskCode(masks, 3)
    coefficients = code.encode(masks)
    torch.testing.assert_close(coefficients.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(coefficients.std(0, correction=0), torch.ones(3), atol=1e-3, rtol=0)
    # An independent method: the singular value decomposition of the centred data.
    flat = m.soften(masks).flatten(1).numpy().astype(np.float64)
    left, _, _ = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    expected = left[:, :3] * math.sqrt(len(masks))
    signs = np.sign((expected * coefficients.numpy()).sum(0))
    np.testing.assert_allclose(coefficients.numpy(), expected * signs, atol=2e-3)


def test_mask_code_tells_the_time_of_the_gait_and_is_reproducible():
    masks = moving_masks()
    code = m.MaskCode(masks, 6)
    coefficients = code.encode(masks)
    torch.testing.assert_close(coefficients[:10], coefficients[10:20], atol=1e-3, rtol=0)  # one period later
    assert (coefficients[0] - coefficients[3]).norm() > 0.5
    torch.testing.assert_close(m.MaskCode(masks, 6).encode(masks), coefficients)


def test_mask_code_of_few_or_frozen_frames_has_zeros():
    masks = moving_masks(3)
    coefficients = m.MaskCode(masks, 6).encode(masks)
    assert coefficients.shape == (3, 6) and coefficients.isfinite().all()
    assert (coefficients[:, 3:] == 0).all()
    still = masks[:1].repeat(5, 1, 1)
    assert (m.MaskCode(still, 6).encode(masks) == 0).all()


@settings(deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9)), st.integers(0, 2**16))
def test_composite_is_a_fill_with_white(mask, seed):
    """Bit for bit, also for colours that are a view of four channels."""
    rgba = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (*mask.shape, 4), dtype=np.uint8))
    mask, rgb = torch.from_numpy(mask), rgba[..., :3]
    assert torch.equal(m.composite(rgb, mask), rgb.masked_fill(~mask.unsqueeze(-1), 255))
    assert torch.equal(rgb, rgba[..., :3])
