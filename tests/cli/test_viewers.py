# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Playing, as far as it needs no simulator: which policy, which viewers, what films, and when it ends."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from isaaclab.app.sim_launcher import validate_launch

from nil_ext.cli import checkpoints, play, viewers
from nil_ext.cli.checkpoints import find_checkpoint
from nil_ext.errors import InputError
from nil_ext.rl.runners.checkpoint import write_checkpoint

TASK = "NIL-H1-Walk"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint that does not say what it was trained for; its networks are loaded once the simulation runs."""
    path = tmp_path / "run" / "model_1.pt"
    path.parent.mkdir()
    write_checkpoint({"infos": None}, path)
    return path


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the policy that comes with the task, still empty."""
    monkeypatch.setattr(checkpoints, "ASSETS", tmp_path / "assets")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "assets" / "policies" / TASK
    folder.mkdir(parents=True)
    return folder


def test_without_a_checkpoint_the_shipped_policy_is_played(shipped: Path, tmp_path: Path):
    for name in ("policy.pt", "manifest.json"):
        (shipped / name).touch()
    path = find_checkpoint(None, "walk", TASK, "bro")
    assert path == shipped / "policy.pt"
    # what is made from it goes to the logs, not into the assets
    assert checkpoints.output_folder(path, TASK) == tmp_path / "logs" / "nil_ext" / "shipped" / TASK
    assert checkpoints.output_folder(tmp_path / "run" / "model_1.pt", TASK) == tmp_path / "run"


def test_with_nothing_shipped_and_nothing_trained_there_is_one_clear_line(shipped: Path):
    with pytest.raises(InputError, match=r"no run of NIL-H1-Walk in '.*'\. Train one first, or name a file\."):
        find_checkpoint(None, "walk", TASK, "bro")


@pytest.mark.parametrize(("present", "lacks"), [("policy.pt", "manifest.json"), ("manifest.json", "policy.pt")])
def test_half_a_shipped_policy_is_refused(shipped: Path, present: str, lacks: str):
    (shipped / present).touch()
    with pytest.raises(InputError, match=f"The policy that comes with {TASK} lacks '.*{lacks}'"):
        find_checkpoint(None, "walk", TASK, "bro")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", 0], "--steps 0 plays nothing: give at least 1."),
        (["--follow", 2], "--follow 2: the 2 robots have numbers from 0 to 1."),
        (["--viz", "viser", "--record", "film.rrd"], "--record 'film.rrd': no chosen viewer writes that"),
        (["--record", "film.viser"], "--record 'film.viser': no chosen viewer writes that"),
    ],
)
def test_play_refuses(refuse, checkpoint: Path, arguments: list, message: str):
    assert message in refuse(play.run, "--task", TASK, "--num_envs", 2, "--checkpoint", checkpoint, *arguments)


@pytest.mark.parametrize(
    ("arguments", "source"),
    [
        ([], "sensor:camera"),
        (["--viz", "viser"], "sensor:camera"),
        (["--viz", "newton_gl"], "visualizer:newton_gl"),
        (["--viz", "rerun,newton_gl"], "visualizer:newton_gl"),
    ],
)
def test_video_never_starts_kit(monkeypatch, tmp_path: Path, checkpoint: Path, arguments: list[str], source: str):
    """Isaac Lab's own ``--video`` without a viewer brings in Kit; ours films with the task's camera."""
    asked = SimpleNamespace()

    def launch(args: argparse.Namespace, env_cfg, *_):
        asked.args, asked.env_cfg = args, env_cfg
        raise InputError("far enough.")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(play, "open_session", launch)
    arguments = ["--task", TASK, "--checkpoint", str(checkpoint), "--video", "--video_length", "7", *arguments]
    monkeypatch.setattr(sys, "argv", ["play.py", *arguments])
    with pytest.raises(InputError, match="far enough"):
        play.run(arguments)
    [recorder] = asked.env_cfg.video_recorders
    assert (recorder.source, recorder.video_length) == (source, 7)
    assert recorder.output_dir == str(checkpoint.parent / "videos" / "play")
    _, needs_kit = validate_launch(asked.env_cfg, asked.args)
    assert needs_kit == ()


class Steps:
    """What ``show`` steps: counts, and closes its last viewer when told."""

    def __init__(self, close_after: int | None = None):
        self.count, self.unwrapped, self.step_dt = 0, self, 0.02
        self.sim = SimpleNamespace(visualizers=[], is_running=lambda: self.count != close_after)

    def get_observations(self):
        return None

    def step(self, action):
        self.count += 1
        return None, None, None, None


def test_playing_ends_by_itself_or_with_the_last_viewer():
    class Policy:
        reset = staticmethod(lambda dones: None)
        __call__ = staticmethod(lambda obs: None)

    env = Steps()
    viewers.show(SimpleNamespace(env=env), Policy(), steps=12)
    assert env.count == 12
    start = time.monotonic()
    viewers.show(SimpleNamespace(env=Steps()), Policy(), steps=12, real_time=True)
    assert time.monotonic() - start >= 12 * 0.02
    env = Steps(close_after=5)
    viewers.show(SimpleNamespace(env=env), Policy(), steps=None)
    assert env.count == 5
