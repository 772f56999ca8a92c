# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Limbs that take turns: on a swing whose course is known, told wrongly in every way that a fit may tell it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_ext.lift.alternation import alternating, mirrored, passings

RATE = 30.0
LIMBS = [0, 1], [2, 3]
TIMES = np.arange(60) / RATE
PASSED = [7, 22, 37, 52]
"""Frames nearest to where a swing of 1 Hz that begins in the middle of a step passes the middle."""


def swing() -> np.ndarray:
    """Two limbs of two joints that swing in opposition, 1 Hz, the second joint bent on the way forwards. (60, 4)."""
    turn = 2.0 * np.pi * TIMES + 0.1
    one, other = 0.4 * np.cos(turn), -0.4 * np.cos(turn)
    bent, straight = 0.3 + 0.3 * np.sin(turn), 0.3 - 0.3 * np.sin(turn)
    return np.stack([one, bent, other, straight], axis=1)


def exchanged(path: np.ndarray, frames: np.ndarray) -> np.ndarray:
    path = path.copy()
    path[frames] = path[frames][:, [2, 3, 0, 1]]
    return path


def test_passings_are_where_the_limbs_come_together():
    path = swing()
    assert passings(path, LIMBS, RATE).tolist() == PASSED
    # whichever is called which
    assert passings(exchanged(path, np.arange(60) % 3 == 0), LIMBS, RATE).tolist() == PASSED


@given(st.lists(st.booleans(), min_size=5, max_size=5).filter(lambda steps: len(set(steps)) == 2))
@settings(max_examples=30, deadline=None)
def test_steps_that_are_told_wrongly_are_put_right(wrong: list[bool]):
    path = swing()
    step = np.searchsorted(PASSED, np.arange(60))
    told = exchanged(path, np.array(wrong)[step])
    paths = alternating(told, LIMBS, RATE)
    # the limbs' names are free: one path is the swing, the other one is it with the limbs exchanged throughout
    both = [path, exchanged(path, np.ones(60, dtype=bool))]
    errors = [[np.abs(mine - theirs).max() for theirs in both] for mine in paths]
    assert min(errors[0]) < 0.02
    assert min(errors[1]) < 0.02
    assert np.argmin(errors[0]) != np.argmin(errors[1])


def test_limbs_that_take_turns_or_hardly_swing_stay():
    assert alternating(swing(), LIMBS, RATE) == []
    assert alternating(exchanged(swing(), np.ones(60, dtype=bool)), LIMBS, RATE) == []
    assert alternating(0.1 * swing(), LIMBS, RATE) == []


def test_the_moment_of_passing_keeps_the_course():
    path = swing()
    told = exchanged(path, np.arange(60) > 22)
    told[[21, 22, 23]] = 0.5 * (told[[21, 22, 23]] + exchanged(told, np.arange(60) >= 0)[[21, 22, 23]])  # a mixture
    nearest = min(alternating(told, LIMBS, RATE), key=lambda each: np.abs(each - path).max())
    assert np.abs(nearest - path).max() == pytest.approx(0.0, abs=0.02)


def test_a_symmetrical_gait_is_its_own_mirror_image():
    path = swing()
    found = mirrored(path, LIMBS, RATE)
    assert found is not None
    np.testing.assert_allclose(found, path, atol=0.01)  # half a stride is 15 frames, and 60 there are
    # a second limb that is never seen to bend: it does what the first one does, as far as half of the mean goes
    stiff = path.copy()
    stiff[:, 3] = 0.0
    found = mirrored(stiff, LIMBS, RATE)
    np.testing.assert_allclose(found[:, 3], path[:, 3], atol=0.01)
    np.testing.assert_allclose(found[:, 1], 0.0, atol=1e-9)


def test_what_the_clip_does_not_show_is_not_mirrored():
    path = swing()[:27]  # passings in frames 7 and 22
    found = mirrored(path, LIMBS, RATE)
    assert np.isnan(found[12:15]).all()
    assert np.isfinite(found[:12]).all() and np.isfinite(found[15:]).all()
    np.testing.assert_allclose(found[:12], path[:12], atol=0.02)
    assert mirrored(path[:20], LIMBS, RATE) is None  # one passing
    assert mirrored(0.1 * swing(), LIMBS, RATE) is None  # they hardly swing
