# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What a clip looks like beside the task's robot."""

from __future__ import annotations

import numpy as np
import pytest

from nil_ext.reference import alignment, quality

RATE = 30.0


def numbers(masks: np.ndarray) -> dict:
    areas = masks.sum(axis=(1, 2)).astype(float)
    fit = alignment.start_fit(masks, masks[0])
    return quality.clip_numbers(masks, np.zeros(len(masks)), masks[0]) | quality.aligned_numbers(
        masks, areas, masks[0], fit, np.arange(len(masks)) / RATE
    )


def test_the_step_period_is_found(walk):
    _, masks = walk(60)  # one step every 0.5 s
    assert quality.gait_period(masks, RATE) == pytest.approx(0.5, abs=0.02)


def test_what_does_not_repeat_has_no_period(walk):
    _, masks = walk(60)
    assert quality.gait_period(np.repeat(masks[:1], 60, axis=0), RATE) is None
    assert quality.gait_period(masks[:4], RATE) is None


def test_frozen_frames_are_counted(walk):
    _, masks = walk(30)
    frozen = masks.copy()
    frozen[1::3] = frozen[0::3]  # every third change is nothing: 10 of 29
    assert numbers(masks)["frozen_frames"] < 0.1
    assert numbers(frozen)["frozen_frames"] == pytest.approx(10 / 29)
    assert numbers(np.repeat(masks[:1], 30, axis=0))["frozen_frames"] == 1.0


def test_overlaps_and_sizes(walk):
    _, masks = walk(30)
    result = numbers(masks)
    assert result["start_iou"] == result["best_iou"] == 1.0
    assert result["best_iou_upside_down"] < 0.8 and result["best_iou_mirrored"] < 0.95
    assert result["components"] == 1.0 and result["aspect"] == pytest.approx(1.0, abs=0.4)
    assert result["cut_frames"] == 0.0 and result["empty_frames"] == 0.0
