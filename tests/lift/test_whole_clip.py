# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""All frames of a clip fitted together: whose strides repeat, whose limbs at least take turns, and of neither kind."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from nil_ext.lift import whole_clip
from nil_ext.lift.alternation import Gait, exchange
from nil_ext.lift.search import Clip, Found, LiftSettings, motion_prior
from nil_ext.lift.silhouette import Puppet
from nil_ext.lift.skeleton import read_skeleton
from nil_ext.lift.whole_clip import fit_whole
from nil_ext.robots.a1 import A1

HALF, FRAMES = 8, 40
"""Frames of half a stride, and of the clip: at 25 Hz hind legs pass each other every 0.32 s."""

SWAPPED = slice(10, 14)
"""Frames between two passings in which the path that was found has the hind legs exchanged."""


@pytest.fixture(scope="module")
def puppet() -> Puppet:
    return Puppet(read_skeleton(A1), A1)


def _walk(puppet: Puppet, swings: tuple[float, ...]) -> np.ndarray:
    """Hind thighs that swing against each other by an angle of their own in each half stride [rad]; the rest at e0."""
    frames = np.arange(FRAMES)
    swing = np.array(swings)[frames // HALF] * np.sin(np.pi * frames / HALF)
    path = np.tile(puppet.e0, (FRAMES, 1))
    for (thigh, _), sign in zip(puppet.pairs[1], (1.0, -1.0), strict=True):
        path[:, thigh] += sign * swing
    return path


def _found(puppet: Puppet, path: np.ndarray, gait: Gait | None) -> Found:
    clip = Clip(puppet.draw(path, 96) > 0.5, 25.0, LiftSettings(sizes=(32, 48, 96)))
    wrong = path.copy()
    wrong[SWAPPED] = exchange(path, puppet.pairs[1])[SWAPPED]
    return Found(clip, puppet, motion_prior(puppet, clip), wrong, gait, path)


def _error(puppet: Puppet, path: np.ndarray, truth: np.ndarray) -> float:
    """Largest error of a hind thigh in the frames in which the legs were exchanged [deg]."""
    thighs = [limb[0] for limb in puppet.pairs[1]]
    return float(np.degrees(np.abs(path - truth)[SWAPPED][:, thighs].max()))


def _no_report(step: str, share: float) -> None:
    pass


def test_strides_that_repeat_are_held_to_it(puppet: Puppet):
    truth = _walk(puppet, (0.4,) * 5)
    gait = Gait(HALF, [puppet.pairs[1]])
    fit = fit_whole(_found(puppet, truth, gait), _no_report)
    assert _error(puppet, fit.path, truth) < 4.0
    assert fit.iou > 0.95
    assert fit.puppet.distance == A1.camera.distance


def test_limbs_take_turns_where_no_two_strides_are_alike(puppet: Puppet, monkeypatch):
    monkeypatch.setattr(whole_clip, "_DISTANCES", (1.0,))
    truth = _walk(puppet, (0.15, 0.6, 0.6, 0.15, 0.15))
    gait = Gait(HALF, [puppet.pairs[1]])
    found = _found(puppet, truth, gait)
    found = replace(found, clip=replace(found.clip, trust=0.02))  # as on a generated clip
    fit = fit_whole(found, _no_report)
    assert _error(puppet, fit.path, truth) < 4.0
    # held to repeat itself it would lose the large swings
    steady = whole_clip._cheapest(found, found.in_turn, partial(whole_clip._repeating, found, gait))
    assert steady.iou < fit.iou - 0.05
    # and if the pictures speak against turns too, the path stays as it was found
    monkeypatch.setattr(whole_clip, "_GIVEN_UP", -1.0)
    assert _error(puppet, fit_whole(found, _no_report).path, truth) > 15.0


def test_without_a_gait_a_path_is_taken_as_it_looks(puppet: Puppet, monkeypatch):
    truth = _walk(puppet, (0.4,) * 5)
    monkeypatch.setattr(whole_clip, "_DISTANCES", (1.0,))
    found = replace(_found(puppet, truth, None), path=truth)
    fit = fit_whole(found, _no_report)
    assert _error(puppet, fit.path, truth) < 4.0 and fit.path.shape == fit.deviation.shape == truth.shape
