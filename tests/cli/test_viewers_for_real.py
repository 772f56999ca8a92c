# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""``play.py`` with the viewers that need no GPU, started as a user starts it, and what they show looked at."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import cv2
import numpy as np
import pytest

from nil_ext.reference.video import decode_video

PLAY = Path(__file__).resolve().parents[2] / "scripts" / "play.py"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SOFTWARE_WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu-rasterization")
START_SECONDS = 240
"""A start takes 25 s on two free cores; test machines are often busy."""

pytestmark = [pytest.mark.sim, pytest.mark.slow]


class Play:
    """A running ``play.py --task NIL-A1-Walk``, which plays the policy that comes with the task."""

    def __init__(self, folder: Path, cache: str, arguments: tuple, wrapper: tuple = ()):
        self.log = folder / "play.log"
        command = [*wrapper, sys.executable, PLAY, "--task", "NIL-A1-Walk", "--device", "cpu", "--num_envs", 2]
        environment = {**os.environ, "NIL_CACHE_DIR": cache, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [*map(str, command), *map(str, arguments)], cwd=folder, env=environment, stdout=log, stderr=log
            )

    def wait_for(self, pattern: str) -> re.Match:
        """The first match in what it prints."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            if found := re.search(pattern, self.log.read_text()):
                return found
            time.sleep(0.2)
        pytest.fail(f"no '{pattern}' in:\n{self.log.read_text()[-3000:]}")

    def ends(self) -> str:
        """Everything that it printed; it must end well."""
        status = self.process.wait(timeout=START_SECONDS)
        text = self.log.read_text()
        assert status == 0, text[-3000:]
        return text


@contextmanager
def playing(folder: Path, scripts, *arguments: object, wrapper: tuple = ()) -> Iterator[Play]:
    play = Play(folder, scripts.environment["NIL_CACHE_DIR"], arguments, wrapper)
    try:
        yield play
    finally:
        if play.process.poll() is None:
            play.process.kill()
            play.process.wait()


def photograph(url: str, folder: Path) -> np.ndarray | None:
    """The page as headless Chromium draws it (700, 1000, 3); None where it drew nothing in time."""
    file = folder / "page.png"
    file.unlink(missing_ok=True)
    command = [CHROMIUM, "--headless=new", "--no-sandbox", *SOFTWARE_WEBGL, f"--user-data-dir={folder / 'chromium'}"]
    command += ["--window-size=1000,700", "--virtual-time-budget=8000", f"--screenshot={file}", url]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as browser:
        try:
            browser.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(browser.pid, signal.SIGKILL)  # it has many processes
    return cv2.imread(str(file)) if file.is_file() else None


def robot_in(picture: np.ndarray) -> np.ndarray | None:
    """Pixels (350, 330) of the robot and its shadow in the middle of viser's page, which its panels leave free.

    None until the camera is beside the robot: then the sky, which is white, fills the upper part. A page that has just
    been opened shows a view from above.
    """
    if (picture[100, 330:660] < 250).any():
        return None
    return (picture[175:525, 330:660] < 200).all(axis=-1)  # the ground is lighter


def have_legs_moved(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether both show the same robot, of which a part is elsewhere: the camera follows, so the trunk stays.

    A page that has just been opened may lack some of its parts: then the areas differ.
    """
    changed = (before ^ after).sum() / (before | after).sum()
    return 0.9 < before.sum() / after.sum() < 1.1 and 0.03 < changed < 0.7


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium to open the viewer's page")
def test_viser_shows_the_robot_walking(scripts, tmp_path: Path):
    with playing(tmp_path, scripts, "--viz", "viser", "--steps", 100_000) as play:
        url = play.wait_for(r"http://localhost:\d+").group()
        with urlopen(url, timeout=60) as page:
            assert b"<html" in page.read()
        before, walks = None, False
        end = time.monotonic() + 180
        while not walks and time.monotonic() < end:
            picture = photograph(url, tmp_path)
            robot = None if picture is None else robot_in(picture)
            if robot is not None and robot.sum() > 2000:  # else the camera's place or the robot has not arrived yet
                walks = before is not None and have_legs_moved(before, robot)
                before = robot
        assert walks, play.log.read_text()[-3000:]
        play.process.send_signal(signal.SIGINT)
        assert "Traceback" not in play.ends()


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="needs Xvfb, a screen that nobody sees")
def test_newton_gl_films_its_window_and_rerun_records(scripts, tmp_path: Path):
    from rerun.chunk import RrdReader

    screen = ("xvfb-run", "-a", "-s", "-screen 0 1280x800x24")
    viewers = ("--viz", "newton_gl,rerun", "--record", tmp_path / "walk.rrd")
    with playing(tmp_path, scripts, *viewers, "--video", "--video_length", 30, wrapper=screen) as play:
        assert "[nil_ext] Playing 30 steps." in play.ends()

    [film] = tmp_path.rglob("*.mp4")
    frames, _ = decode_video(film, max_side=1280)
    assert frames.shape == (30, 720, 1280, 3)
    middle = frames[:, 180:-180, 320:-320].astype(int)
    assert middle[0].std() > 5  # not blank
    changed = np.abs(middle[10] - middle[25]).max(axis=-1) > 30
    assert 200 < changed.sum() < 0.2 * changed.size  # the robot, and not the whole picture

    places: dict[str, list[np.ndarray]] = {}
    for chunk in RrdReader(tmp_path / "walk.rrd").stream():
        batch = chunk.to_record_batch()
        if chunk.entity_path.startswith("/model/shapes/") and "InstancePoses3D:translations" in batch.schema.names:
            here = batch.column("InstancePoses3D:translations").to_pylist()[0]
            places.setdefault(chunk.entity_path, []).append(np.array(here))
    travelled = {shape: np.ptp(steps, axis=0).max() for shape, steps in places.items() if len(steps) == 30}
    assert len(travelled) == len(places) >= 8  # the ground and the A1's meshes, at every step
    assert min(travelled.values()) == 0.0 and max(travelled.values()) > 0.05  # [m]: the ground stays, the robot goes
