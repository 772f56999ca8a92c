# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What is done to a clip is named, and a good clip is left in peace."""

from __future__ import annotations

import numpy as np
import pytest

from nil_ext.errors import InputError
from nil_ext.reference import Reference, damages, measurements, pipeline, verdict, video

RATE = 30.0
BACKGROUND = np.array([251, 251, 251])

GOOD = {
    "cut_frames": 0.0, "cut_sides": [], "kept": 1.0, "repeated": 0.0, "change": 0.2, "best_iou": 0.9,
    "best_iou_upside_down": 0.3, "best_iou_mirrored": 0.5, "foot_slide": -0.4, "area": 1.0, "contrast_change": 0.0,
    "scale_change": 0.0, "width_change": 0.0, "area_change": 0.0, "identity_change": 2.0, "shadow": 0.0, "marks": [],
    "second_figure": 0.0, "area_jump": 0.1, "cuts": [], "frozen_for": 0.0, "frozen_from": 0.0, "gaps": 0.0,
    "jitter": 0.001, "gait_period": 0.5, "gait_regularity": 0.6, "start_iou": 0.9, "best_fit": 0.9,
}  # fmt: skip
"""Numbers of a clip in which nothing is wrong."""


def test_a_good_clip_is_to_be_used():
    assert verdict.judge(GOOD, "H1") == {"verdict": "use", "findings": []}


@pytest.mark.parametrize(
    ("numbers", "name", "level"),
    [
        ({"contrast_change": -0.3}, "fading", "use with care"),
        ({"contrast_change": -0.7}, "fading", "do not use"),
        ({"scale_change": 0.2}, "zoom", "use with care"),
        ({"scale_change": -0.5}, "zoom", "do not use"),
        ({"width_change": -0.2}, "turning", "use with care"),
        ({"area_change": 0.2}, "turning", "use with care"),
        ({"identity_change": 30.0}, "identity", "use with care"),
        ({"shadow": 0.5}, "shadow", "use with care"),
        ({"marks": ["top left"]}, "mark", "use with care"),
        ({"second_figure": 0.06}, "extra object", "use with care"),
        ({"cut_frames": 0.05}, "border", "use with care"),
        ({"cut_frames": 0.5, "cut_sides": ["top"]}, "border", "do not use"),
        ({"area_jump": 0.5}, "area jump", "use with care"),
        ({"cuts": [2.5]}, "cut", "do not use"),
        ({"frozen_for": 1.0, "frozen_from": 2.0, "repeated": 0.2}, "frozen", "use with care"),
        ({"repeated": 0.9}, "frozen", "do not use"),
        ({"repeated": 0.22}, "repeated frames", "use with care"),
        ({"gaps": 0.1}, "dropped frames", "use with care"),
        ({"jitter": 0.05}, "jitter", "use with care"),
        ({"foot_slide": 0.4, "best_iou": 0.5, "best_iou_mirrored": 0.51}, "flipped", "do not use"),
        ({"foot_slide": 0.0, "best_iou": 0.5, "best_iou_mirrored": 0.6}, "flipped", "do not use"),
        ({"best_iou_upside_down": 0.96}, "upside down", "do not use"),
        ({"area": 1.7}, "other figure", "do not use"),
        ({"kept": 0.8}, "framing", "do not use"),
        ({"gait_period": None}, "irregular", "use with care"),
        ({"gait_period": 1.06}, "slow", "use with care"),
        ({"gait_period": 0.25}, "fast", "use with care"),
    ],
)
def test_each_fault_has_its_name_and_weight(numbers, name, level):
    judged = verdict.judge(GOOD | numbers, "H1")
    assert [(found, weight) for found, weight, _ in judged["findings"]] == [(name, level)]
    assert judged["verdict"] == level
    if level == "do not use":
        with pytest.raises(InputError, match="in_a_clip: "):
            verdict.refuse("in_a_clip", judged)
    else:
        verdict.refuse("in_a_clip", judged)


def test_a_walk_to_the_right_is_not_mirrored_nor_is_a_shape_that_clearly_fits():
    assert not verdict.faces_left(GOOD | {"foot_slide": 0.4})


def test_the_walking_foot_outvotes_the_shape_and_robots_without_a_prior_have_no_pace():
    assert not verdict.faces_left(GOOD | {"best_iou": 0.4, "best_iou_mirrored": 0.6})
    assert verdict.judge(GOOD | {"gait_period": 3.0}, "somebody's own")["verdict"] == "use"


def test_the_summary_is_one_line_and_better_clips_rank_first():
    worse = GOOD | verdict.judge(GOOD | {"shadow": 0.5}, "H1")
    text = verdict.summary(worse)
    assert "\n" not in text and "use with care (shadow)" in text and "start IoU 0.90" in text
    bad = GOOD | verdict.judge(GOOD | {"cuts": [1.0]}, "H1")
    good = GOOD | verdict.judge(GOOD, "H1")
    assert sorted([bad, worse, good], key=verdict.ranking) == [good, worse, bad]


def test_the_reachable_iou_is_not_measured_until_a_lift_tells_it():
    judged = GOOD | verdict.judge(GOOD, "H1")
    assert verdict.summary(judged).endswith(", reachable IoU not measured")
    assert verdict.notes(judged) == ["use; reachable IoU not measured"]
    iou = np.linspace(0.7, 0.9, 41)[::-1]  # falls by 0.005 a frame
    after = verdict.with_lift(judged, iou, 0.9, 1.2, RATE)
    assert (after["verdict"], after["findings"]) == ("use", [])
    told = {"median": 0.8, "low": 0.71, "least": 0.7, "least_at": 40 / RATE}
    assert {key: after["reachable_iou"][key] for key in told} == pytest.approx(told)
    assert after["reachable_iou"]["unreached"] == []
    assert after["speed"] == 1.2
    assert verdict.summary(after).endswith(", reachable IoU 0.80 (low 0.71), lifted speed 1.20 m/s")
    assert verdict.notes(after) == ["use; reachable IoU 0.80 (low 0.71), lifted speed 1.20 m/s"]
    del after["speed"]  # a report of before the speed was in it
    assert verdict.summary(after).endswith(", reachable IoU 0.80 (low 0.71)")
    assert "reachable_iou" not in judged  # the report before is as it was


def test_frames_that_no_pose_reaches_are_named_by_their_times():
    iou = np.full(60, 0.9)
    iou[[6, 7, 8, 30]] = 0.5
    before = GOOD | verdict.judge(GOOD | {"shadow": 0.5}, "H1")
    after = verdict.with_lift(before, iou, 0.9, 1.2, RATE)
    assert after["verdict"] == "use with care" and after["reachable_iou"]["unreached"] == [6, 7, 8, 30]
    [shadow, (name, level, text)] = after["findings"]
    assert (shadow[0], name, level) == ("shadow", "reachable IoU", "use with care")
    assert text.startswith("in 4 of 60 frames (0.20 to 0.27 s, 1.00 s) no pose")
    assert verdict.notes(after)[1:] == [shadow[2], text]
    iou[[6, 7, 8]] = 0.9  # one frame of 60 is no reason for care
    assert verdict.with_lift(before, iou, 0.9, 1.2, RATE)["findings"] == [shadow]
    # lifted again, it is told once; and a refusal for another reason stands
    again = verdict.with_lift(after, np.full(60, 0.65), 0.9, 1.2, RATE)
    assert [name for name, _, _ in again["findings"]] == ["shadow", "reachable IoU"]
    assert "median IoU 0.65" in again["findings"][1][2]
    cut = GOOD | verdict.judge(GOOD | {"cuts": [1.0]}, "H1")
    assert verdict.with_lift(cut, iou - 0.3, 0.9, 1.2, RATE)["verdict"] == "do not use"


def test_feet_that_hover_are_a_reason_for_care():
    judged = GOOD | verdict.judge(GOOD, "H1")
    after = verdict.with_lift(judged, np.full(60, 0.9), 0.49, 1.2, RATE)
    [(name, level, text)] = after["findings"]
    assert (name, level, after["verdict"], after["supported"]) == (
        "hovering feet",
        "use with care",
        "use with care",
        0.49,
    )
    assert text.startswith("in 51% of the frames fewer than half of the feet are on the ground")
    assert verdict.with_lift(after, np.full(60, 0.9), 0.96, 1.2, RATE)["findings"] == []  # lifted again


def test_the_distance_to_mocap_is_told_with_its_variant():
    judged = GOOD | verdict.judge(GOOD, "H1") | {"mocap": {"variant": "ST-LPIPS (AlexNet)", "mean": 0.1234}}
    assert verdict.summary(judged).endswith("reachable IoU not measured, ST-LPIPS (AlexNet) to mocap 0.123")


# -- damages done to a drawn walker


@pytest.fixture
def numbers(walk):
    """Measures the walker after a damage: (damage or None) -> numbers."""
    from nil_ext.reference.segmenters import background

    def measured(damage=None) -> dict:
        frames, masks = walk(60)
        if damage is not None:
            frames = damage(frames, masks)
            masks = background.segment(frames).masks
        return measurements.measure(frames, masks, BACKGROUND, np.arange(len(frames)) / RATE)[0]

    return measured


def test_measurements_of_a_good_walk(numbers):
    n = numbers()
    assert abs(n["contrast_change"]) < 0.02 and abs(n["scale_change"]) < 0.03 and abs(n["area_change"]) < 0.05
    assert n["cuts"] == [] and n["marks"] == [] and n["shadow"] < 0.3 and n["foot_slide"] < -0.06
    assert n["frozen_for"] < 0.1


def test_measurements_follow_what_was_done(numbers):
    # the last third of a fade from 0 to 60 % has lost 50 % (median), the first 10 %: 0.5 / 0.9 - 1
    assert numbers(damages.faded)["contrast_change"] == pytest.approx(0.5 / 0.9 - 1, abs=0.04)
    # zoom from 0.75 to 1: medians of the thirds are at 1/6 and 5/6 of the way
    grown = (0.75 + 0.25 * 5 / 6) / (0.75 + 0.25 / 6) - 1
    assert numbers(damages.zoomed)["scale_change"] == pytest.approx(grown, abs=0.04)
    assert numbers(damages.turned)["area_change"] < -0.1
    frozen = numbers(damages.frozen)
    assert frozen["frozen_for"] == pytest.approx(12 / RATE, abs=1.5 / RATE)
    assert frozen["frozen_from"] == pytest.approx(31 / RATE, abs=1.5 / RATE)
    assert numbers(damages.cut)["cuts"] == pytest.approx([30 / RATE])
    assert numbers(damages.shadowed)["shadow"] > 0.3
    assert numbers(damages.watermark)["marks"] == ["top left"]


def test_every_damage_has_a_name():
    assert {damage.__name__ for damage in damages.DAMAGES} == set(damages.NAMES)


def test_the_command_judges_a_clip_and_every_damaged_copy(walk, start_mask, tmp_path, monkeypatch, capsys):
    video.write_video(tmp_path / "clip.mp4", walk(60)[0], RATE)
    start = np.where(start_mask[..., None], 110, 255).astype(np.uint8).repeat(3, axis=-1)
    about = {"task": "NIL-Walker-Walk", "robot": "walker"}
    Reference(start[None], start_mask[None], RATE, about).save(tmp_path / "start")
    monkeypatch.setattr("sys.argv", ["damages", str(tmp_path / "clip.mp4"), str(tmp_path / "start")])
    damages.main()
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("undamaged: use")
    assert [line.partition(":")[0] for line in lines] == [damage.__name__ for damage in damages.DAMAGES]
    told = {line.partition(":")[0] for line in lines if ": named; " in line}
    assert told >= {"faded", "zoomed", "frozen", "cut", "shadowed", "watermark"}


# -- a real clip


@pytest.fixture(scope="module")
def real(shared, tmp_path_factory) -> tuple:
    """The real Talos clip's first 3 s: path, frames, masks."""
    from nil_ext.reference.segmenters import background

    frames = video.decode_video(shared / "references" / "talos_walk.mp4")[0][:90]
    return tmp_path_factory.mktemp("real"), frames, background.segment(frames).masks


def quality_of(folder, name, frames, start) -> dict:
    video.write_video(folder / f"{name}.mp4", frames, RATE)
    settings = pipeline.Preparation(interpolator="linear")
    return pipeline.prepare_clip(folder / f"{name}.mp4", start, "NIL-Talos-Walk", "Talos", settings, refuse=False).meta[
        "quality"
    ]


def test_damages_of_a_real_clip_are_named(real):
    from nil_ext.reference import alignment

    folder, frames, masks = real
    start_fit = alignment.Alignment(np.array([0.55]), np.array([60.0]), np.array([30.0]), 0.0)
    start = alignment.apply(start_fit, frames[:1], masks[:1], 224)[1][0]
    before = quality_of(folder, "good", frames, start)
    assert before["verdict"] != verdict.REFUSE and before["findings"] == []
    for damage in (damages.faded, damages.flipped, damages.dropped):
        after = quality_of(folder, damage.__name__, damage(frames, masks), start)
        assert damages.named(damage.__name__, after, before), damage.__name__


@pytest.mark.parametrize(("height", "width"), [(16, 200), (200, 16), (4, 4)])
def test_motion_is_measured_in_low_pictures_too(height, width):
    """OpenCV's optical flow of 200 x 16 pixels ended the process."""
    frames = np.random.default_rng(0).integers(0, 255, (3, height, width, 3)).astype(np.uint8)
    flow = measurements.flow_between(frames)
    assert len(flow) == 2
    assert np.isfinite(flow).all()
