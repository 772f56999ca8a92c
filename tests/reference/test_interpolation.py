# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Resampling in time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_ext.errors import InputError
from nil_ext.reference import Reference
from nil_ext.reference.interpolators.linear import interpolate_images, interpolate_motion


def disc(x: float, size: int = 48, radius: float = 8.0) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    return (rows - 24) ** 2 + (columns - x) ** 2 <= radius**2


def reference_of(masks: np.ndarray, rate: float = 30.0, **kwargs) -> Reference:
    shades = (np.arange(len(masks)) * 10).astype(np.uint8)[:, None, None, None]
    frames = np.where(masks[..., None], shades, 255).astype(np.uint8).repeat(3, -1)
    return Reference(frames, masks, rate, **kwargs)


MOVING = reference_of(np.stack([disc(14 + 2 * i) for i in range(8)]))


@settings(max_examples=25, deadline=None)
@given(rate=st.floats(1.0, 130.0))
def test_resampling_keeps_time_and_source_frames(rate):
    result = MOVING.resample(rate)
    assert result.rate == rate
    assert result.duration <= MOVING.duration + 1e-6 < result.duration + 1 / rate + 1e-5
    assert len(result) == math.floor(MOVING.duration * rate + 1e-6) + 1
    for k in range(len(result)):
        position = k * MOVING.rate / rate
        if abs(position - round(position)) < 1e-9:
            np.testing.assert_array_equal(result.frames[k], MOVING.frames[round(position)])
            np.testing.assert_array_equal(result.masks[k], MOVING.masks[round(position)])


def test_whole_multiples_pass_through_the_source_frames():
    result = MOVING.resample(90.0)
    assert len(result) == 7 * 3 + 1
    np.testing.assert_array_equal(result.masks[::3], MOVING.masks)
    np.testing.assert_array_equal(result.frames[::3], MOVING.frames)
    assert MOVING.resample(30.0) is MOVING


def test_a_moving_disc_moves_instead_of_fading():
    # Two discs 6 pixels apart, radius 8: half-way the disc stands at the middle with its own size and colour.
    masks = np.stack([disc(20), disc(26)])
    frames = np.where(masks[..., None], 100, 255).astype(np.uint8).repeat(3, -1)
    between, mask = interpolate_images(frames, masks, np.array([0.5]))
    columns = np.nonzero(mask[0])[1]
    assert columns.mean() == pytest.approx(23.0, abs=0.1)
    assert mask.sum() == pytest.approx(masks[0].sum(), rel=0.15)
    assert (between[0][mask[0]] == 100).all() and (between[0][~mask[0]] == 255).all()


def test_colours_blend_by_time():
    masks = np.stack([disc(24), disc(24)])
    frames = np.stack([np.where(m[..., None], v, 255) for m, v in zip(masks, (100, 200), strict=True)])
    between, _ = interpolate_images(frames.astype(np.uint8).repeat(3, -1), masks, np.array([0.25]))
    assert (between[0][masks[0]] == 125).all()


def test_an_empty_mask_between_is_no_error():
    masks = np.stack([disc(24), np.zeros((48, 48), dtype=bool)])
    _, between = interpolate_images(reference_of(masks).frames, masks, np.array([0.1, 0.9]))
    assert between[1].sum() == 0 and between[0].sum() <= masks[0].sum()


def test_motion_is_linear_and_turns_on_the_sphere():
    angles = np.array([0.0, np.pi / 2])
    poses = np.zeros((2, 7))
    poses[:, 0] = [0.0, 2.0]
    poses[:, 5], poses[:, 6] = np.sin(angles / 2), np.cos(angles / 2)  # about z
    motion = {"joint_names": np.array(["a"]), "joint_pos": np.array([[0.0], [1.0]]), "root_pose": poses}
    result = interpolate_motion(motion, np.array([0.0, 0.25, 1.0]))
    np.testing.assert_allclose(result["joint_pos"][:, 0], [0.0, 0.25, 1.0])
    np.testing.assert_allclose(result["root_pose"][:, 0], [0.0, 0.5, 2.0])
    turned = 2 * np.arctan2(result["root_pose"][:, 5], result["root_pose"][:, 6])
    np.testing.assert_allclose(turned, [0.0, np.pi / 8, np.pi / 2], atol=1e-12)


def test_a_motion_of_one_frame_is_resampled():
    """``generate.py --duration 0.005`` draws one."""
    pose = np.array([[1.0, 2.0, 3.0, 0.0, np.sin(0.1), 0.0, np.cos(0.1)]])
    motion = {"joint_names": np.array(["knee"]), "joint_pos": np.ones((1, 1)), "root_pose": pose}
    result = reference_of(MOVING.masks[:1], motion=motion).resample(25.0)
    assert len(result) == 1
    np.testing.assert_allclose(result.motion["root_pose"], pose)


def test_every_array_of_a_lifted_motion_keeps_its_shape():
    motion = {
        "joint_names": np.array(["a", "b"]),
        "foot_names": np.array(["left", "right"]),
        "joint_pos": np.array([[0.0, 4.0], [2.0, 0.0], [3.0, 0.0]]),
        "contact": np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]),
        "iou": np.array([0.8, 0.4, 0.6]),
    }
    positions = np.array([0.0, 0.25, 0.75, 1.5, 2.0])
    result = interpolate_motion(motion, positions)
    np.testing.assert_allclose(result["iou"], [0.8, 0.7, 0.5, 0.5, 0.6])
    np.testing.assert_allclose(result["joint_pos"], [[0, 4], [0.5, 3], [1.5, 1], [2.5, 0], [3, 0]])
    # a foot stands or does not, as in the nearest frame
    np.testing.assert_array_equal(result["contact"], [[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]])
    assert result["foot_names"].tolist() == ["left", "right"]


@pytest.mark.parametrize("rate", [0.0, -3.0, math.nan, math.inf])
def test_an_impossible_rate_is_refused(rate):
    with pytest.raises(InputError, match="above 0"):
        MOVING.resample(rate)


def test_one_frame_a_step_keeps_the_frames_and_slows_their_motion():
    motion = {"joint_names": np.array(["a"]), "joint_pos": np.ones((8, 1)), "joint_vel": np.full((8, 1), 3.0)}
    source = reference_of(MOVING.masks, 120.0, motion=motion)
    slower = source.frame_per_step(100.0)
    np.testing.assert_array_equal(slower.frames, source.frames)
    assert (slower.rate, slower.duration) == (100.0, 0.07)
    np.testing.assert_allclose(slower.motion["joint_vel"], 2.5)  # 3 rad/s at 100/120 of the speed
    np.testing.assert_array_equal(slower.motion["joint_pos"], motion["joint_pos"])
