# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A clip is lifted once for training, kept, and used without a motion where no pose fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from motion_checks import overlap
from nil_ext.lift import lifted_reference
from nil_ext.lift.lifted_reference import with_motion
from nil_ext.lift.lifting import Lifted, _alignment
from nil_ext.lift.silhouette import Puppet
from nil_ext.lift.skeleton import read_skeleton
from nil_ext.reference import Reference
from nil_ext.reference.alignment import Alignment, apply
from nil_ext.robots.a1 import A1
from nil_ext.robots.robot import RobotModel
from nil_ext.tasks import embedded
from nil_ext.tasks.embedded import ASSETS, describe, load_reference, view_of
from nil_ext.tasks.mdp import ReferenceCommandCfg

TASK = "NIL-A1-Walk"


@pytest.fixture
def sketch() -> Reference:
    return Reference.load(ASSETS / "references" / TASK)


@pytest.fixture
def clip(sketch) -> Reference:
    """The sketch as a clip whose motion nobody knows."""
    return Reference(sketch.frames, sketch.masks, sketch.rate, {"source": {"kind": "video", "name": "clip.mp4"}})


@pytest.fixture
def searches(sketch, monkeypatch, tmp_path) -> list[float]:
    """IoUs of the searches to come; each takes one away and finds the sketch's own motion at that IoU."""
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path))
    left: list[float] = []

    def lift(masks, rate, robot, report=None) -> Lifted:
        iou = left.pop()
        lost = np.arange(0 if iou > 0.6 else len(masks))
        about = {"deviation": 0.01, "speed": 0.5, "supported": 1.0, "camera_elevation": 9.0, "lost": lost.tolist()}
        about["iou"] = {"mean": iou, "least": iou, "each": [iou] * len(masks)}
        still = np.zeros(len(masks))
        alignment = Alignment(still + 1.0, still, still + 4.0, 0.0)
        motion = sketch.motion | {"iou": np.full(len(masks), iou)}
        return Lifted(motion, ("FL_thigh_joint",), 0.5, masks, alignment, lost, not len(lost), about)

    monkeypatch.setattr(lifted_reference, "lift", lift)
    return left


def test_a_motion_is_found_once(clip, sketch, searches):
    searches.append(0.9)
    first = with_motion(clip, A1)
    again = with_motion(clip, A1)  # from the cache: nothing is left to search
    assert searches == []
    assert first.digest == again.digest != clip.digest
    np.testing.assert_array_equal(again.motion["joint_pos"], sketch.motion["joint_pos"])
    np.testing.assert_array_equal(again.masks[:, 4:], clip.masks[:, :-4])  # moved as the lift said
    np.testing.assert_array_equal(again.frames[:, 4:][again.masks[:, 4:]], clip.frames[:, :-4][clip.masks[:, :-4]])
    assert view_of(first) == view_of(again) == (0.0, 9.0) and view_of(clip) == (0.0, 0.0)
    assert describe(again).endswith("\n  its motion was lifted: 0.50 m/s, mask IoU 0.90")
    assert describe(clip).endswith("\n  its motion is not known")


@pytest.mark.parametrize("iou", [0.9, 0.4], ids=["accepted", "refused"])
def test_the_same_pixels_under_another_name_keep_their_own_notes(clip, searches, iou):
    searches.append(iou)
    first = with_motion(clip, A1)
    quality = {"verdict": "use with care", "findings": [["mark", "use with care", "a watermark."]]}
    other = replace(clip, meta={"source": {"kind": "video", "name": "copy.mp4"}, "quality": quality})
    again = with_motion(other, A1)
    assert searches == [] and again.digest == first.digest
    assert again.meta["source"]["name"] == "copy.mp4" and again.meta["lift"] == first.meta["lift"]
    report = again.meta["quality"]
    assert report["findings"][0] == quality["findings"][0] and report["reachable_iou"]["median"] == iou
    assert view_of(again) == view_of(first) == (0.0, 9.0 if iou == 0.9 else 0.0)  # which a refused lift does not know
    assert with_motion(clip, A1).meta == first.meta  # which has no report


def test_where_no_pose_fits_the_clip_stays_without_a_motion(clip, searches):
    searches.append(0.4)
    refused = with_motion(clip, A1)
    assert with_motion(clip, A1).motion is refused.motion is None
    assert refused.digest == clip.digest
    frames = f"in {len(clip)} of {len(clip)} frames no pose looks like the mask (0.00 to {clip.duration:.2f} s)"
    assert describe(refused).endswith(f"its motion is not known: {frames}")


def test_a_clip_that_cannot_be_searched_is_used_without_a_motion(clip, tmp_path, monkeypatch):
    """With the lift itself: four frames are too few for it."""
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path))
    short = Reference(clip.frames[:4], clip.masks[:4], clip.rate, clip.meta)
    cfg = ReferenceCommandCfg(task=TASK, robot="A1", path=str(short.save(tmp_path / "clip")), lift=True)
    loaded = load_reference(cfg)
    assert loaded.motion is None and loaded.digest == short.digest
    [_, why] = describe(loaded).splitlines()
    assert why == "  its motion is not known: 4 frames at 50 Hz are too few to lift: give more of the clip."


def test_a_clips_networks_run_where_training_does(clip, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(embedded, "prepare", lambda *_, settings, **__: asked.append(settings) or clip)
    load_reference(ReferenceCommandCfg(task=TASK, robot="A1", path="clip.mp4"), device="cuda:1")
    assert [(how.device, how.segmenter.device) for how in asked] == [("cuda:1", "cuda:1")]


def test_a_damaged_lift_is_made_again(clip, searches, tmp_path):
    searches.append(0.9)
    first = with_motion(clip, A1)
    [folder] = (tmp_path / "lifts").iterdir()
    (folder / "motion.npz").write_bytes(b"half")
    searches.append(0.9)
    again = with_motion(clip, A1)
    assert searches == [] and again.digest == first.digest
    assert with_motion(clip, A1).digest == first.digest  # from the cache, which is whole again
    (folder / "reference.json").unlink()
    searches.append(0.9)
    assert with_motion(clip, A1).digest == Reference.load(folder).digest == first.digest


def test_an_edited_model_is_lifted_anew(clip, searches, tmp_path):
    """A model of the user's own: the same path, another content."""
    file = tmp_path / "stick.urdf"
    robot = replace(A1, model=RobotModel("", str(file), "MIT"))
    for width, left in ((0.1, [0.9]), (0.1, []), (0.2, [0.8])):
        shape = f'<visual><geometry><box size="{width} 0.1 0.1"/></geometry></visual>'
        file.write_text(f'<robot name="stick"><link name="base">{shape}</link></robot>')
        searches += left
        with_motion(clip, robot)
        assert searches == []


def test_a_task_lifts_when_told_and_only_what_needs_it(clip, sketch, searches, tmp_path):
    folder = str(clip.save(tmp_path / "clip"))
    cfg = ReferenceCommandCfg(task=TASK, robot="A1")
    assert load_reference(cfg.replace(path=folder)).motion is None
    assert load_reference(cfg.replace(lift=True)).digest == sketch.digest
    searches.append(0.9)
    assert load_reference(cfg.replace(path=folder, lift=True)).motion is not None
    assert searches == []


def test_a_clip_is_moved_to_where_its_motion_is():
    """A robot drawn too large, aside, and ever higher in the air comes to where the puppet of its motion is."""
    puppet = Puppet(read_skeleton(A1), A1)
    shown = np.tile(puppet.e0, (8, 1))
    shown[:, 0], shown[:, 3] = np.linspace(-0.03, 0.05, 8), 1.15
    shown[:, 1] = puppet.e0[1] + np.linspace(0.0, 0.06, 8)
    masks = puppet.draw(shown, 224) > 0.5
    heights = np.full(15, puppet.e0[1])
    alignment = _alignment(puppet, shown, 2, heights, 224)  # a pose for every second frame of 15
    assert alignment.scale == pytest.approx(1.0 / 1.15)
    every_second = Alignment(alignment.scale[::2], alignment.shift_x[::2], alignment.shift_y[::2], alignment.drift)
    _, moved = apply(every_second, np.zeros((8, 224, 224, 3), dtype=np.uint8), masks, 224)
    wanted = puppet.draw(puppet.e0[None], 224) > 0.5
    seen = overlap(moved, wanted)
    # far and near legs move by other amounts, which one move of the picture cannot show: no shift makes it better
    assert seen.min() > 0.87
    for shift in ((0, 2), (0, -2), (2, 0), (-2, 0)):
        assert (overlap(np.roll(moved, shift, axis=(1, 2)), wanted) < seen).all()
    assert overlap(masks[:1], wanted) < 0.5
