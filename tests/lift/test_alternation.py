# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Limbs that take turns: on a swing whose course is known, told wrongly in every way that a fit may tell it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_ext.lift.alternation import alternating, half_stride, pace, passings, repeated

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


def test_a_steady_pace_is_the_time_between_passings():
    path = swing()
    assert pace(path, LIMBS, RATE) == pytest.approx(15.0)  # 1 Hz at 30 frames a second
    assert pace(path[:20], LIMBS, RATE) is None  # one passing
    assert pace(0.1 * path, LIMBS, RATE) is None  # they hardly swing
    # the same swing, the second half of it in half the time
    quick = np.concatenate([path[:30], path[30::2], path[::2]])
    assert pace(quick, LIMBS, RATE) is None


def test_half_a_stride_is_what_all_limbs_repeat_themselves_by():
    turn = 2.0 * np.pi * np.arange(60) / 9.4  # half a stride of 4.7 frames
    one = np.stack([np.cos(turn), np.cos(turn - 0.5), -np.cos(turn), -np.cos(turn - 0.5)], axis=1)
    path, pairs = np.concatenate([one, -one], axis=1), [LIMBS, ([4, 5], [6, 7])]
    assert half_stride(one, [LIMBS], [5.0]) == pytest.approx(4.7, abs=0.05)
    # of the second pair a passing was missed now and then, so that its pace seems longer, and in some frames its limbs
    # are exchanged
    path[5::9] = path[5::9][:, [0, 1, 2, 3, 6, 7, 4, 5]]
    for paces in ([5.0, 8.0], [8.0, 5.0]):
        assert half_stride(path, pairs, paces) == pytest.approx(4.7, abs=0.05)


def test_a_symmetrical_gait_repeats_itself_and_its_mirror_image():
    path, columns, swapped = swing(), [0, 1, 2, 3], [2, 3, 0, 1]
    for moments in ((-1, 1), (-2, 2), (-4, -3, -2, -1, 1, 2, 3, 4)):
        np.testing.assert_allclose(repeated(path, columns, swapped, 15.0, moments), path, atol=0.01)
    # a second limb that is never seen to bend: half a stride away it does what the first one does
    stiff = path.copy()
    stiff[:, 3] = 0.0
    found = repeated(stiff, columns, swapped, 15.0, (-1, 1))
    np.testing.assert_allclose(found[:, 3], path[:, 3], atol=0.01)
    np.testing.assert_allclose(found[:, 1], 0.0, atol=1e-9)


def test_a_frame_that_is_wrong_does_not_spread():
    path, columns = swing(), [0, 1, 2, 3]
    wrong = path.copy()
    wrong[20] += 1.0
    found = repeated(wrong, columns, [2, 3, 0, 1], 15.0, (-4, -3, -2, -1, 1, 2, 3, 4))
    # frames 5, 35 and 50 see it among other moments, frame 20 itself does not see it
    for frame in (20, 35, 50):
        np.testing.assert_allclose(found[frame], path[frame], atol=0.05)


def test_what_the_clip_does_not_show_is_unknown():
    path = swing()[:27]
    found = repeated(path, [0, 3], [2, 1], 15.0, (-1, 1))
    assert np.isnan(found[12:15]).all()
    assert np.isfinite(found[:12]).all() and np.isfinite(found[15:]).all()
    np.testing.assert_allclose(found[:12], path[:12][:, [0, 3]], atol=0.02)
