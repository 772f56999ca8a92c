# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Bad input is one clear line, exit code 2, and nothing is left behind; it is found before a simulator starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from nil_ext.cli import generate, play, train
from nil_ext.cli.common import run_main
from nil_ext.errors import InputError, NonFiniteError
from nil_ext.reference.video import write_video
from nil_ext.tasks.embedded import embedded_reference

TASK = "NIL-H1-Walk"

TASKS = "NIL-A1-Walk, NIL-G1-Walk, NIL-H1-Walk, NIL-Talos-Walk"


# -- options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], f"--task is missing: choose one of {TASKS}."),
        (
            ["--task", "NIL-Foo-Walk"],
            f"Unknown task 'NIL-Foo-Walk': choose one of {TASKS}.",
        ),
        (["--task", "CartPole-v1"], "Unknown task 'CartPole-v1'"),
        (["--task", TASK, "--num_envs", "0"], "--num_envs 0 leaves nothing to simulate"),
        (["--task", TASK, "env.scene.num_envs=0"], "env.scene.num_envs=0 leaves nothing to simulate"),
        (["--task", TASK, "env.scene.camera.width=96"], "references are square: set env.scene.camera.width and"),
        (
            ["--task", TASK, "env.commands.reference.camera_height=1.2"],
            "does not show what references do (3.5, 0.9, 2.2",
        ),
        (["--task", TASK, "env.scene.camera.spawn.focal_length=24"], "leave these settings out, or change the camera"),
        (
            ["--task", TASK, "agent.init_at_random_ep_len=true"],
            "agent.init_at_random_ep_len has no effect here",
        ),
        (["--task", TASK, "agent.device=cpu"], "agent.device has no effect here: use --device."),
        (
            ["--task", TASK, "--max_minutes", "5", "agent.class_name=OnPolicyRunner"],
            "--max_minutes: runner OnPolic",
        ),
        (["--task", TASK, "--headless"], "Unknown option '--headless'"),
        (["--task", TASK, "--agent", "sac"], "has no agent 'sac': choose one of bro, bro_reference, rsl_rl"),
        (["--task", TASK, "presets=gpu"], "Unknown preset(s): gpu"),
        (["--task", TASK, "env.rewards.mask_iuo.weight=0"], "no attribute 'mask_iuo'"),
        (["--task", TASK, "env.commands.reference.encode_evry=2"], "there is no 'encode_evry' among"),
        (["--task", TASK, "agent.algorithm.gama=0.5"], "there is no 'gama' among alpha_learning_rate, batch_size"),
        (["--task", TASK, "--checkpoint", "latest"], "--checkpoint latest: no run of NIL-H1-Walk"),
        (["--task", TASK, "--checkpoint", "nope.pt"], "No such checkpoint: 'nope.pt'"),
        (["--task", TASK, "--checkpoint", "."], "Run folder '.' holds no model_*.pt"),
    ],
)
def test_train_refuses(refuse, arguments: list[str], message: str):
    assert message in refuse(train.run, *arguments)


def test_play_and_generate_refuse_alike(refuse, tmp_path: Path):
    assert "no run of NIL-H1-Walk" in refuse(play.run, "--task", TASK, "--checkpoint", "latest")
    assert "leaves nothing" in refuse(play.run, "--task", TASK, "--num_envs", -1)
    for option in (("--steps", 5), ("--real-time",)):
        line = refuse(play.run, "--task", TASK, *option)
        assert line.startswith(f"{option[0]} is for playing, which nothing asks for here: add --viz or --video")
    line = refuse(play.run, "--task", TASK, "--follow", 1, "--video")
    assert line.startswith("--follow is for playing, which nothing asks for here: add --viz,")
    assert "--duration 0: give a length above 0 s." in refuse(generate.run, "--task", TASK, "--duration", 0)
    assert "exists already: name a folder with --output" in refuse(generate.run, "--task", TASK)
    (tmp_path / "holiday.txt").write_text("precious")
    assert "exists and is no reference" in refuse(generate.run, "--task", TASK, "--output", tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is at hand")
def test_a_cuda_device_that_is_not_there_is_refused(refuse):
    assert "--device cuda:0: PyTorch finds no CUDA device" in refuse(train.run, "--task", TASK, "--device", "cuda:0")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("no such file"), 2, "error: no such file\n"),
        (NonFiniteError("Not finite: joint_pos"), 1, "error: Not finite: joint_pos\n"),
        (KeyboardInterrupt(), 130, "\nstopped\n"),
    ],
)
def test_what_ends_a_script_is_one_line(error, code, line, capsys):
    def body(argv):
        raise error

    assert run_main(body) == code
    assert capsys.readouterr().err == line


def test_as_a_process(tmp_path: Path):
    script = Path(__file__).resolve().parents[2] / "scripts" / "train.py"
    command = [sys.executable, str(script), "--task", "NIL-Foo-Walk"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"error: Unknown task 'NIL-Foo-Walk': choose one of {TASKS}."
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


# -- references


@pytest.fixture(scope="module")
def sketch() -> np.ndarray:
    """A second of the embedded sketch on a plain background: a clip that is as good as can be. (T, 224, 224, 3)."""
    return embedded_reference(TASK).frames[:50]


def two_robots(frames: np.ndarray) -> np.ndarray:
    return np.concatenate([frames[:, :, 40:184], frames[:, :, 40:184]], axis=2)


CLIPS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "one frame": (lambda f: f[:1], "has 1 frame: give a video of at least 8"),
    "all white": (lambda f: np.full_like(f, 255), "robot"),
    "two robots": (two_robots, "a second figure of"),
    "cut by the border": (lambda f: f[:, 30:], "the picture cuts the robot (top)"),
    "upside down": (lambda f: f[:, ::-1], "the robot is upside down: flip the clip vertically"),
    "lying": (lambda f: np.rot90(f, axes=(1, 2)), "lying, or another robot"),
    "facing left": (lambda f: f[:, :, ::-1], "the robot faces left"),
    "standing still": (lambda f: np.repeat(f[:1], 50, axis=0), "the robot stands still"),
}


@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_that_cannot_be_imitated_is_refused(refuse, sketch: np.ndarray, tmp_path: Path, name: str):
    spoil, message = CLIPS[name]
    clip = tmp_path / "clip.mp4"
    write_video(clip, spoil(sketch), 50.0)
    line = refuse(train.run, "--task", TASK, "--reference", clip)
    assert line.startswith(str(clip))
    assert message in line
    assert not list(tmp_path.glob("cache/**/clip*"))  # no half-made reference in the cache either


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty (0 bytes)"), (b"not a video\n" * 100, "is not a video that can be decoded")],
    ids=["empty", "text"],
)
def test_a_file_that_is_no_video_is_refused(refuse, tmp_path: Path, content: bytes, message: str):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(content)
    for body in (train.run, play.run):
        line = refuse(body, "--task", TASK, "--reference", clip, "--checkpoint", "latest")
        assert message in line or "no run of" in line
    assert message in refuse(train.run, "--task", TASK, "--reference", clip)


def test_a_missing_reference_and_a_strange_folder_are_refused(refuse, tmp_path: Path):
    assert "No such reference" in refuse(train.run, "--task", TASK, "--reference", "nope.mp4")
    (tmp_path / "folder").mkdir()
    line = refuse(train.run, "--task", TASK, "--reference", tmp_path / "folder")
    assert "holds neither a reference (reference.json) nor numbered pictures" in line


@pytest.mark.parametrize("setting", ["env.joints_weight=1", "env.orientation_weight=0.5"])
def test_what_only_a_known_motion_has_is_refused_for_a_clip_that_is_not_lifted(
    refuse, sketch: np.ndarray, tmp_path: Path, setting: str
):
    write_video(tmp_path / "clip.mp4", sketch, 50.0)
    options = ("--reference", tmp_path / "clip.mp4", "env.commands.reference.lift=false", setting)
    line = refuse(train.run, "--task", TASK, "presets=cpu", *options, left=("cache", "clip.mp4"))
    assert line.startswith(f"{setting} needs a reference with joint angles: lift the clip (env.commands")


def test_pictures_with_a_gap_are_refused_by_train_and_generate(refuse, sketch: np.ndarray, tmp_path: Path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in (*range(10), *range(30, 50)):
        cv2.imwrite(str(pictures / f"{number:03d}.png"), sketch[number])
    message = "lacks the pictures between 009.png and 030.png, 0.70 s"
    assert message in refuse(train.run, "--task", TASK, "--reference", pictures)
    assert message in refuse(generate.run, "--task", TASK, "--video", pictures)


# -- log folders


def test_a_file_where_the_logs_should_be_is_refused(refuse, tmp_path: Path):
    (tmp_path / "logs").write_text("")
    assert "Cannot write logs to" in refuse(train.run, "--task", TASK)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """``disk(options)``: a small file system of its own; needs the right to mount one."""
    mounts = []

    def mount(options: str) -> Path:
        folder = tmp_path / "disk"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("may not mount a file system here")
        mounts.append(folder)
        return folder

    yield mount
    os.chdir(tmp_path)  # a working folder inside would keep it busy
    for folder in mounts:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("state", "reason"), [("full", "No space left on device"), ("read-only", "Read-only file system")]
)
def test_a_full_or_read_only_log_folder_is_refused(
    refuse, disk, monkeypatch: pytest.MonkeyPatch, state: str, reason: str
):
    folder = disk("size=16k" if state == "full" else "size=16k,ro")
    if state == "full":
        (folder / "holiday.bin").write_bytes(b"0" * 16384)
    monkeypatch.chdir(folder)
    line = refuse(train.run, "--task", TASK, left=("cache", "logs"))
    assert f"({reason}): free some space, or start from another folder." in line
    assert not list(folder.glob("logs/nil_ext/*/*"))  # no run folder
