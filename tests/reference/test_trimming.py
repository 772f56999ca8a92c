# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Which part of a clip is offered."""

from __future__ import annotations

import numpy as np
import pytest

from nil_ext.errors import InputError
from nil_ext.reference import alignment
from nil_ext.reference.trimming import parse_part, propose

TIMES = np.arange(90) / 30.0


def offer(motion=None, second=None, cuts=(), fit=None):
    return propose(
        TIMES,
        np.ones(89) if motion is None else motion,
        np.zeros(90) if second is None else second,
        list(cuts),
        np.full(90, 0.5) if fit is None else fit,
    )


def test_a_clean_clip_is_used_whole():
    assert offer() is None


def test_standing_ends_go():
    motion = np.ones(89)
    motion[:20], motion[80:] = 0.02, 0.02
    part = offer(motion)
    # the average over a third of a second blurs an end by five frames
    assert part.start == pytest.approx(20 / 30, abs=6 / 30) and part.end == pytest.approx(80 / 30, abs=6 / 30)
    assert part.reasons == ("standing",)


def test_the_longer_side_of_a_cut_is_kept():
    assert (offer(cuts=[2.0]).start, offer(cuts=[2.0]).end) == (0.0, pytest.approx(59 / 30))
    part = offer(cuts=[0.5])
    assert (part.start, part.end, part.reasons) == (0.5, pytest.approx(89 / 30), ("hard cut",))


def test_a_caption_at_an_end_goes():
    second = np.zeros(90)
    second[:12] = 0.4
    assert offer(second=second).start == pytest.approx(12 / 30)


def test_the_start_pose_is_sought_in_the_first_third():
    fit = np.full(90, 0.5)
    fit[10], fit[70] = 0.6, 0.9
    part = offer(fit=fit)
    assert part.start == pytest.approx(10 / 30) and part.reasons == ("start pose",)
    fit[10] = 0.52  # no better than the first, or hardly
    assert offer(fit=fit) is None


def test_less_than_a_second_is_not_offered():
    motion = np.full(89, 0.02)
    motion[40:50] = 3.0
    assert offer(motion) is None


def test_the_start_phase_of_a_walk_is_found(walk, start_mask):
    # the walk starts at the phase of the start mask: 12 frames dropped, it is back at frame 3 (a step has 15)
    frames, masks = walk(45)
    masks = masks[12:]
    fit = alignment.align(masks, start_mask, 30.0)
    _, aligned = alignment.apply(fit, frames[12:], masks, 96)
    assert int(alignment.start_fit(aligned, start_mask)[:12].argmax()) == 3


def test_start_fit_forgives_small_shifts(start_mask):
    shifted = np.roll(start_mask, (2, -4), axis=(0, 1))
    far = np.roll(start_mask, 12, axis=1)
    fit = alignment.start_fit(np.stack([start_mask, shifted, far]), start_mask)
    assert fit[:2] == pytest.approx([1.0, 1.0]) and fit[2] < 0.9


@pytest.mark.parametrize(("text", "part"), [("0.5:3", (0.5, 3.0)), (":2", (0.0, 2.0)), ("1:", (1.0, np.inf))])
def test_parts_are_read(text, part):
    assert (parse_part(text).start, parse_part(text).end) == part


@pytest.mark.parametrize("text", ["3", "3:1", "-1:2", "a:b", "1:1", ""])
def test_other_parts_are_refused(text):
    with pytest.raises(InputError, match="START:END"):
        parse_part(text)
