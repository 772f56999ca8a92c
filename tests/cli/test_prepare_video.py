# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""``generate.py --video``: a user's clip as a reference folder, with its report and exit code."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from nil_ext.cli import generate
from nil_ext.reference import Reference
from nil_ext.reference.video import write_video
from nil_ext.tasks.embedded import embedded_reference, reference_folder

TASK = "NIL-H1-Walk"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """1.5 s of the embedded sketch as a video file."""
    write_video(tmp_path / "clip.mp4", embedded_reference(TASK).frames[:75], 50.0)
    return tmp_path / "clip.mp4"


def prepare(monkeypatch, clip: Path, *options: str) -> int:
    arguments = ["--task", TASK, "--video", str(clip), "--output", str(clip.parent / "out"), *options]
    monkeypatch.setattr("sys.argv", ["generate.py", *arguments])
    monkeypatch.chdir(clip.parent)
    return generate.run(arguments)


def test_a_good_clip_gives_a_folder_a_report_and_exit_code_0(monkeypatch, clip, capsys):
    assert prepare(monkeypatch, clip, "--interpolator", "linear", "--profile") == 0
    reference = Reference.load(clip.parent / "out")
    assert len(reference) == 75 and reference.meta["quality"]["verdict"] in ("use", "use with care")
    assert reference.meta["quality"]["start_iou"] > 0.9
    out = capsys.readouterr().out
    assert "out: 75 frames at 50 Hz by linear" in out and "reference quality: use" in out
    assert "Seconds: decode" in out and re.search(r"\d in all, \d+\.\d of processor time", out)


def test_a_clip_that_is_not_to_be_used_gives_exit_code_3_and_the_remedy_works(monkeypatch, clip, capsys):
    write_video(clip, np.ascontiguousarray(embedded_reference(TASK).frames[:75, :, ::-1]), 50.0)
    assert prepare(monkeypatch, clip, "--interpolator", "linear") == 3
    assert "do not use: flipped: the robot faces left" in capsys.readouterr().out
    assert prepare(monkeypatch, clip, "--interpolator", "linear", "--flip", "auto", "--trim", "0.1:1.3") == 0
    out = capsys.readouterr().out
    assert "mirrored left to right" in out and "trimmed to 0.10 to 1.30 s" in out


def test_a_film_of_motion_capture_gives_st_lpips_in_the_report(monkeypatch, clip, capsys):
    """The film here is the sketch itself from 0.2 s on: its stride holds every moment, the codec differs."""
    sketch = embedded_reference(TASK)
    film = Reference(sketch.frames[10:75], sketch.masks[10:75], 50.0, {"robot": "H1", "source": {"name": "walk.npz"}})
    film.save(clip.parent / "film")
    options = ("--interpolator", "linear", "--trim", "0:0.5", "--mocap_render", str(clip.parent / "film"))
    assert prepare(monkeypatch, clip, *options) == 0
    found = Reference.load(clip.parent / "out").meta["quality"]["mocap"]
    assert found["film_digest"] == film.digest and found["frames"] == 5 and found["iou"] > 0.9
    assert 0.0 < found["mean"] < 0.05
    line = f"ST-LPIPS (AlexNet, shift-tolerant, vST0.0) to mocap {found['mean']:.3f}"
    assert line in capsys.readouterr().out


def test_a_folder_of_pictures_is_prepared_at_the_rate_that_is_given(monkeypatch, tmp_path, capsys):
    (tmp_path / "walk").mkdir()
    for number, frame in enumerate(embedded_reference(TASK).frames[:75]):
        if number != 40:
            cv2.imwrite(str(tmp_path / "walk" / f"{number:04d}.png"), frame[..., ::-1])
    assert prepare(monkeypatch, tmp_path / "walk", "--interpolator", "linear", "--fps", "50") == 0
    reference = Reference.load(tmp_path / "out")
    assert (len(reference), reference.rate) == (75, 50.0)
    assert reference.meta["source"]["name"] == "walk (74 pictures at 50 Hz)"
    assert "1 pictures are missing and were drawn in: 40" in capsys.readouterr().out
    assert prepare(monkeypatch, tmp_path / "walk", "--interpolator", "linear") == 0
    assert Reference.load(tmp_path / "out").rate == 30.0  # the default


def test_what_does_not_fit_is_refused(refuse, clip):
    base = ("--task", TASK, "--video", clip)
    assert "leave --generator" in refuse(generate.run, *base, "--generator", "file")
    assert "give START:END" in refuse(generate.run, *base, "--trim", "later")
    assert "--rate 0: give 1 to 1000 Hz" in refuse(generate.run, *base, "--rate", 0)
    assert "No such video" in refuse(generate.run, "--task", TASK, "--video", "nope.mp4")
    assert "--fps 25: " in (line := refuse(generate.run, *base, "--fps", 25)) and "is no folder of pictures" in line
    assert "--fps 0: give 1 to 1000 Hz" in refuse(generate.run, *base, "--fps", 0)
    assert "No such reference: film.mp4" in refuse(generate.run, *base, "--mocap_render", "film.mp4")
    other = reference_folder("NIL-A1-Walk")
    assert "was made for A1, the task's robot is H1" in refuse(generate.run, *base, "--mocap_render", other)
    prepared = reference_folder(TASK)
    assert "is prepared already" in refuse(generate.run, "--task", TASK, "--video", prepared)
    line = refuse(generate.run, "--task", TASK, "--trim", "auto")
    assert line.startswith("--trim is not used here") and "--video" in line
