# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A clip held against a film of motion capture: the moments that are compared, and what the report says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nil_ext.errors import InputError
from nil_ext.reference import Reference, against_mocap
from nil_ext.reference.against_mocap import distance, with_mocap

SIDE = 32


def bars(places: list[int], rate: float, shade: int = 0) -> Reference:
    """A bar that stands at these columns, frame by frame."""
    frames = np.full((len(places), SIDE, SIDE, 3), 255, np.uint8)
    for frame, place in zip(frames, places, strict=True):
        frame[8:24, place : place + 4] = shade
    return Reference(frames, (frames < 255).any(axis=-1), rate, {"source": {"name": "film.mp4"}, "quality": {}})


@pytest.fixture(autouse=True)
def compared(monkeypatch) -> list[tuple[list[int], list[int]]]:
    """Columns of the bars in the pictures that the network is given; its distance is that of their shades."""
    seen = []

    class Shades:
        def __init__(self, device):
            pass

        def __call__(self, some, others):
            seen.append(tuple([int((x[8, :, 0] < 255).argmax()) for x in part] for part in (some, others)))
            return np.abs(some.min(axis=(1, 2, 3)).astype(float) - others.min(axis=(1, 2, 3)))

    monkeypatch.setattr(against_mocap, "StLpips", Shades)
    return seen


def test_each_piece_is_laid_where_it_fits_best_at_real_speed(compared):
    # at 10 Hz: four to the right every 0.1 s, then back; the second piece's last two frames are no whole piece
    clip = bars([0, 4, 8, 12, 16, 16, 12, 8, 4, 0, 0, 0], 10.0, shade=50)
    # the film at 20 Hz: the way back first, after a pause, then the way there
    film = bars([24, 24, 16, 14, 12, 10, 8, 6, 4, 2, 0, 0, 0, 0, 2, 4, 6, 8, 10, 12, 14, 16, 24], 20.0, shade=20)
    report = distance(clip, film)
    [(ours, theirs)] = compared
    assert ours == theirs == [0, 4, 8, 12, 16, 16, 12, 8, 4, 0]
    assert report["mean"] == report["worst"] == 30.0 and report["frames"] == 10
    assert report["iou"] == pytest.approx(1.0)
    assert (report["film"], report["film_digest"]) == ("film.mp4", film.digest)


def test_the_worst_moment_is_named_by_its_time_in_the_clip():
    clip = bars([0] * 25, 50.0)  # 0.48 s: frames 0, 5, ... 20
    clip.frames[10][clip.masks[10]] = 90
    report = distance(clip, bars([0] * 25, 50.0))
    assert (report["worst"], report["worst_at"], report["mean"]) == (90.0, 0.2, 90.0 / 5)


def test_short_clips_are_one_piece_and_short_films_are_refused():
    assert distance(bars([0] * 8, 30.0), bars([0] * 20, 30.0))["frames"] == 3  # at 0, 0.1 and 0.2 s
    with pytest.raises(InputError, match=r"is 0\.38 s long: give at least 0\.4 s"):
        distance(bars([0] * 60, 30.0), bars([0] * 20, 50.0))


def test_the_report_gains_it_and_nothing_else_changes():
    clip = replace(bars([0] * 20, 30.0), meta={"task": "t", "quality": {"verdict": "use"}})
    found = with_mocap(clip, bars([0] * 20, 30.0))
    assert found.digest == clip.digest and found.meta["task"] == "t"
    assert found.meta["quality"]["verdict"] == "use"
    assert found.meta["quality"]["mocap"]["variant"] == "ST-LPIPS (AlexNet, shift-tolerant, vST0.0)"
