# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""scripts/generate.py as a user drives it: first frame, a video model on disk, own clips, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from nil_ext.cli import generate
from nil_ext.errors import InputError
from nil_ext.reference import Reference
from nil_ext.reference.video import decode_video, write_video
from nil_ext.tasks.embedded import embedded_reference
from tiny_video_models import save_tiny

TASK = "NIL-H1-Walk"


# -- refused before anything starts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "x"], "--model is not used here: it goes with --generator cogvideox or --generator hunyuan or"),
        (["--clips", "a.mp4"], "--clips is not used here: it goes with --generator file."),
        (["--generator", "svd", "--duration", 2], "--duration is not used here: it goes with --generator sketch."),
        (["--generator", "file"], "--generator file: name the videos with --clips."),
        (["--generator", "file", "--clips", "no.mp4"], "No such video: no.mp4."),
        (["--generator", "file", "--first_frame_only"], "leave --generator file out"),
        (["--generator", "mocap", "--first_frame_only"], "leave --generator mocap out"),
        (["--generator", "mocap"], "--generator mocap: name the trajectory (.npz) with --mocap."),
        (["--generator", "mocap", "--mocap", "no.npz"], "No such mocap file: 'no.npz'."),
        (["--mocap", "walk.npz"], "--mocap is not used here: it goes with --generator mocap."),
        (["--mocap_render", "film"], "--mocap_render is not used here: it goes with "),
        (["--generator", "svd", "--num_candidates", 0], "--num_candidates 0: give at least 1."),
        (["--generator", "svd", "--steps", 0], "--steps 0: give at least 1."),
        (["--generator", "svd", "--seed", -1], "--seed -1: give at least 0."),
        (["--generator", "svd", "--size", "100x100"], "--size 100x100: give width x height in multiples of 64"),
        (["--first_frame_only", "--size", "large"], "--size large: give width x height in multiples of 2"),
        (["--generator", "svd", "--model", "./svd"], "No such model: './svd'."),
        (["--generator", "svd", "--model", "Lightricks/LTX-Video"], "give --generator ltx"),
        (["--output", "/proc/none"], "Cannot write to '/proc' ("),
        (["--generator", "svd", "--output", "/proc/none"], "Cannot write to '/proc/none' ("),
    ],
)
def test_generate_refuses(refuse, arguments: list, message: str):
    assert message in refuse(generate.run, "--task", TASK, *arguments)


def test_a_full_output_folder_and_a_wrong_model_are_refused(refuse, capsys, tmp_path: Path):
    (tmp_path / "holiday.txt").write_text("precious")
    line = refuse(generate.run, "--task", TASK, "--first_frame_only", "--output", tmp_path)
    assert "is not empty: name another folder" in line
    save_tiny("ltx", tmp_path / "ltx")
    capsys.readouterr()  # what diffusers says while it saves
    line = refuse(generate.run, "--task", TASK, "--generator", "svd", "--model", tmp_path / "ltx")
    assert "is no 'svd' model (it holds LTXVideoTransformer3DModel" in line


@pytest.mark.parametrize("generator", ["svd", "file"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--trim", "abc"), "--trim abc: give START:END in seconds"),
        (("--rate", 5000), "--rate 5000: give 1 to 1000 Hz."),
        (("--rife_weights", "gone.pkl"), "No such RIFE weights: gone.pkl."),
        (("--segmenter", "sam2", "--sam2_model", "gone.pt"), "No such SAM2 checkpoint: 'gone.pt'."),
    ],
)
def test_how_videos_are_prepared_is_checked_before_they_are_drawn(
    refuse, monkeypatch, tmp_path, generator, options, message
):
    monkeypatch.setattr("nil_ext.cli.generate_videos.simulation", None)
    monkeypatch.setattr("nil_ext.cli.generate_videos.judge_clips", None)
    monkeypatch.setattr("nil_ext.reference.generators.model_folder.find_model", lambda *_: tmp_path)
    (tmp_path / "clip.mp4").touch()
    clips = ("--clips", "clip.mp4") if generator == "file" else ()
    assert message in refuse(generate.run, "--task", TASK, "--generator", generator, *clips, *options)


def test_an_output_that_cannot_be_written_is_refused_early(refuse, shared, tmp_path: Path):
    write_video(tmp_path / "clip.mp4", embedded_reference(TASK).frames[:20], 50.0)
    mocap = ("--generator", "mocap", "--mocap", shared / "mocap" / "h1_walk.npz")
    for options in (mocap, ("--video", "clip.mp4"), ("--lift", "--video", "clip.mp4")):
        assert "Cannot write to '/proc' (" in refuse(generate.run, "--task", TASK, *options, "--output", "/proc/none")
    file = ("--generator", "file", "--clips", "clip.mp4", "--output", "/proc/none")
    assert "Cannot write to '/proc/none' (" in refuse(generate.run, "--task", TASK, *file)


def test_a_trajectory_may_lie_in_the_home(tmp_path: Path, monkeypatch):
    """A shell leaves the ~ in --mocap=~/walk.npz alone."""

    def launch(*_):
        raise InputError("far enough.")

    np.savez(tmp_path / "walk.npz", q_knee_angle_l=np.zeros(500))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nil_ext.cli.mocap_film.simulation", launch)
    arguments = ["--task", TASK, "--device", "cpu", "--generator", "mocap", "--mocap=~/walk.npz"]
    monkeypatch.setattr(sys, "argv", ["generate.py", *arguments])
    with pytest.raises(InputError, match="far enough"):
        generate.run(arguments)


# -- as a process


@pytest.mark.sim
def test_the_first_frame_and_the_prompt_for_a_web_generator(scripts, tmp_path: Path):
    done = scripts.run("generate.py", "--first_frame_only", "--size", "180x320", "--output", "e0", cwd=tmp_path)
    picture = cv2.imread(str(tmp_path / "e0" / "first_frame.png"))
    assert picture.shape == (320, 180, 3)
    prompt = (tmp_path / "e0" / "prompt.txt").read_text().strip()
    assert prompt == "The H1 robot agent is walking, camera follows the agent."
    assert f"[nil_ext] Prompt: {prompt}" in done.stdout
    assert "--generator file --clips a.mp4 b.mp4 --first_frame_mask e0/first_frame_mask.png" in done.stdout
    assert sorted(path.name for path in (tmp_path / "e0").iterdir()) == [
        "first_frame.png",
        "first_frame_mask.png",
        "prompt.txt",
    ]


@pytest.mark.slow
@pytest.mark.sim
def test_a_model_that_draws_noise_is_run_to_the_end_and_refused_in_one_line(scripts, tmp_path: Path):
    save_tiny("svd", tmp_path / "tiny")
    options = ("--generator", "svd", "--model", "tiny", "--num_candidates", 2, "--steps", 2, "--seed", 5)
    done = scripts.run(
        "generate.py", *options, "--size", "64x64", "--output", "out", "--prompt", "-", cwd=tmp_path, status=2
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: None of the 2 videos can be used") and "Traceback" not in done.stderr
    assert "'svd' reads no prompt" in done.stdout
    assert "candidate 2 of 2, seed 6: 100%" in done.stderr
    ranking = json.loads((tmp_path / "out" / "ranking.json").read_text())
    assert [row["rank"] for row in ranking] == [None, None] and all(row["refused"] for row in ranking)
    first = np.asarray(cv2.imread(str(tmp_path / "out" / "first_frame.png")))
    for seed in (5, 6):
        frames, _ = decode_video(tmp_path / "out" / f"seed_{seed}.mp4")
        assert frames.shape == (25, *first.shape)
        about = json.loads((tmp_path / "out" / f"seed_{seed}.json").read_text())
        assert (about["seed"], about["steps"], about["pipeline"]) == (seed, 2, "StableVideoDiffusionPipeline")
        assert not (tmp_path / "out" / f"seed_{seed}").exists()


@pytest.mark.sim
def test_own_clips_are_ranked_and_the_best_is_named(scripts, tmp_path: Path):
    sketch = embedded_reference(TASK)
    write_video(tmp_path / "good.mp4", sketch.frames[:100:2], sketch.rate / 2)
    write_video(tmp_path / "left.mp4", sketch.frames[:100:2, :, ::-1], sketch.rate / 2)
    clips = ("--generator", "file", "--clips", "left.mp4", "good.mp4", "--interpolator", "linear")
    done = scripts.run("generate.py", *clips, "--output", "out", cwd=tmp_path)
    assert "[nil_ext] 1. good: " in done.stdout
    assert "-  left: refused: left.mp4: the robot faces left" in done.stdout
    assert "robot cut out by background: 100% of the picture's rim has one colour" in done.stdout
    best = next(line for line in done.stdout.splitlines() if line.startswith("[nil_ext] Train: "))
    assert best.endswith(f"train.py --task {TASK} --reference out/good")
    assert Reference.load(tmp_path / "out" / "good").meta["segmenter"]["name"] == "background"
