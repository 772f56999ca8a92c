# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""generate.py --lift: what is refused, and a folder that gets its motion (the search itself is tested elsewhere)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from nil_ext.cli import generate
from nil_ext.cli import lift as command
from nil_ext.errors import InputError
from nil_ext.lift.export import LAYOUTS
from nil_ext.lift.lifting import Lifted
from nil_ext.reference import Reference
from nil_ext.reference.alignment import Alignment
from nil_ext.reference.reference import OF_A_LIFT
from nil_ext.tasks.embedded import ASSETS

TASK = "NIL-A1-Walk"
SKETCH = ASSETS / "references" / TASK


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lift"], "--lift is not used here: it goes with --video."),
        (["--video", "a.mp4", "--export", "tracking"], "--export writes the motion that --lift finds: add --lift."),
        (["--video", "no.mp4", "--lift"], "No such video: no.mp4."),
        (["--video", str(SKETCH), "--lift"], "knows its motion already: name another folder with --output"),
        (["--video", str(ASSETS / "references" / "NIL-H1-Walk"), "--lift", "--output", "x"], "was made for H1"),
    ],
)
def test_refusals(arguments: list[str], message: str, monkeypatch):
    argv = ["--task", TASK, "--device", "cpu", *arguments]
    monkeypatch.setattr("sys.argv", ["generate.py", *argv])
    with pytest.raises(InputError, match=message):
        generate.run(argv)


def _found(reference: Reference, iou: float) -> Lifted:
    """The sketch's own motion as if it had been lifted."""
    count = len(reference)
    motion = reference.motion | {"iou": np.full(count, iou), "foot_names": np.array(["foot"])}
    lost = np.arange(count) if iou < 0.6 else np.zeros(0, dtype=int)
    about = {
        "iou": {"mean": iou, "least": iou},
        "deviation": 0.01,
        "speed": 0.5,
        "supported": 1.0,
        "camera_elevation": 0.0,
    }
    still = np.zeros(count)
    alignment = Alignment(still + 1.0, still, still, 0.0)
    return Lifted(motion, ("FL_thigh_joint",), 0.5, reference.masks, alignment, lost, not len(lost), about)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Half a second of the sketch as a clip whose motion nobody knows."""
    sketch = Reference.load(SKETCH)
    quality = {"verdict": "use", "findings": [], "start_iou": 0.9, "best_iou": 0.9, "area": 1.0, "gait_period": 0.5}
    meta = sketch.meta | {"quality": quality}
    return Reference(sketch.frames[:26], sketch.masks[:26], sketch.rate, meta).save(tmp_path / "clip")


def _run(folder: Path, monkeypatch, iou: float, *more: str, turn: float = 0.0) -> int | None:
    """Lift the folder; the sketch's own motion is found, each joint turned further."""
    reference = Reference.load(SKETCH)
    motion = {k: v if k == "joint_names" else v[:26] for k, v in reference.motion.items()}
    motion["joint_pos"] = motion["joint_pos"] + turn
    known = replace(reference, frames=reference.frames[:26], masks=reference.masks[:26], motion=motion)
    monkeypatch.setattr(command, "lift", lambda masks, rate, robot, report: _found(known, iou))
    argv = ["--task", TASK, "--device", "cpu", "--video", str(folder), "--lift", *more]
    monkeypatch.setattr("sys.argv", ["generate.py", *argv])
    return generate.run(argv)


def test_a_folder_gets_its_motion(folder: Path, monkeypatch, capsys):
    before = Reference.load(folder)
    assert _run(folder, monkeypatch, 0.9, "--export", "tracking", "--export", "loco_mujoco") == 0
    after = Reference.load(folder)
    np.testing.assert_array_equal(after.masks, before.masks)
    assert after.motion["joint_pos"].shape == (26, 12)
    assert after.meta["lift"]["speed"] == 0.5
    assert after.meta["quality"]["reachable_iou"]["median"] == 0.9 and after.meta["quality"]["verdict"] == "use"
    out = capsys.readouterr().out
    assert "forward speed 0.50 m/s" in out and "reachable IoU 0.90 (low 0.90), lifted speed 0.50 m/s" in out
    assert cv2.imread(str(folder / "lift.png")) is not None
    with np.load(folder / "tracking.npz", allow_pickle=False) as file:
        assert file["body_pos_w"].shape == (26, 17, 3)
        # the sketch's root is 0.31 m up and its feet stand on the ground
        assert file["body_pos_w"][0, 0].tolist() == pytest.approx([0.0, 0.0, 0.31], abs=1e-4)
    with np.load(folder / "loco_mujoco.npz", allow_pickle=False) as file:
        assert file["qpos"].shape == (26, 19)


def test_lifted_again_a_folder_keeps_what_else_is_in_it(folder: Path, monkeypatch):
    assert _run(folder, monkeypatch, 0.9, "--export", "loco_mujoco") == 0
    (folder / "notes.txt").write_text("the good one")
    with np.load(folder / "loco_mujoco.npz", allow_pickle=False) as file:
        first = file["qpos"]
    assert _run(folder, monkeypatch, 0.8, "--export", "tracking", turn=0.1) == 0
    assert (folder / "notes.txt").read_text() == "the good one"
    assert (folder / "tracking.npz").is_file() and (folder / "lift.png").is_file()
    with np.load(folder / "loco_mujoco.npz", allow_pickle=False) as file:  # not asked for again, and yet of this motion
        np.testing.assert_allclose(file["qpos"][:, 7:], first[:, 7:] + 0.1)
    with pytest.raises(InputError, match="cannot be lifted"):
        _run(folder, monkeypatch, 0.4)
    assert (folder / "tracking.npz").is_file()  # of the motion that is still there


def test_the_folder_knows_what_a_lift_adds():
    assert set(OF_A_LIFT) == {command.SHEET, *(f"{name}.npz" for name in LAYOUTS)}


@pytest.mark.parametrize(
    "option", [("--trim", "0.2:1"), ("--flip", "yes"), ("--rate", "60"), ("--segmenter", "sam2"), ("--profile",)]
)
def test_options_for_preparing_a_clip_are_refused_for_a_folder(option: tuple[str, ...], folder: Path, monkeypatch):
    before = (folder / "reference.json").read_bytes()
    with pytest.raises(InputError, match=f"{option[0]} is for preparing a clip, and '.*/clip' is prepared already: "):
        _run(folder, monkeypatch, 0.9, *option)
    assert (folder / "reference.json").read_bytes() == before


def test_frames_that_are_lost_are_told_one_by_one(capsys):
    sketch = Reference.load(SKETCH)
    found = _found(sketch, 0.9)
    found.motion["iou"][[3, 4, 5, 9]] = 0.41, 0.5, 0.38, 0.29
    command._print_lift(replace(found, lost=np.array([3, 4, 5, 9])), 50.0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        "  care: 4 of 151 frames do not show it: 0.06 to 0.10 s, 0.18 s",
        "  frames 3 to 5: IoU 0.41 0.50 0.38",
        "  frame 9: IoU 0.29",
    ]


def test_a_refused_lift_leaves_the_folder_without_a_motion_and_its_report_says_why(folder: Path, monkeypatch):
    before = Reference.load(folder)
    with pytest.raises(InputError, match=r"100% of the frames \(0.00 to 0.50 s\)"):
        _run(folder, monkeypatch, 0.4)
    after = Reference.load(folder)
    assert after.motion is None and after.digest == before.digest
    assert (folder / "lift.png").is_file()
    assert after.meta["quality"]["verdict"] == "use with care"
    [[name, _, text]] = after.meta["quality"]["findings"]
    assert name == "reachable IoU" and "in 26 of 26 frames (0.00 to 0.50 s)" in text


def test_a_refused_lift_of_a_lifted_folder_leaves_motion_report_and_sheet(folder: Path, monkeypatch):
    assert _run(folder, monkeypatch, 0.9) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match="cannot be lifted"):
        _run(folder, monkeypatch, 0.4)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_refused_lift_into_another_folder_changes_nothing(folder: Path, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match="cannot be lifted"):
        _run(folder, monkeypatch, 0.4, "--output", str(folder.parent / "other"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not (folder.parent / "other").exists()
