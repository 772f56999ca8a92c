# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The report as a browser shows it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from torch.utils.tensorboard import SummaryWriter

from nil_ext.evaluation.curves import Curve, draw, read_curves
from nil_ext.evaluation.report import write_report

PHONE = 390
"""Width of a phone [CSS pixel]."""

PROBE = """
<script>
addEventListener("load", () => {
  const video = document.querySelector("video");
  const tell = () => parent.postMessage(JSON.stringify({
    inner: innerWidth,
    scroll: document.documentElement.scrollWidth,
    requests: performance.getEntriesByType("resource").map(e => e.name).filter(name => !name.startsWith("data:")),
    video: video && [video.readyState, video.videoWidth],
    charts: document.querySelectorAll("svg").length,
    tables: [...document.querySelectorAll("section table")].map(table => table.rows.length),
  }), "*");
  if (video && video.readyState < 1) video.addEventListener("loadedmetadata", tell); else tell();
});
</script></body>"""
"""Runs inside the page under test, in an iframe as wide as a phone: a headless window itself is never that narrow."""

FRAME = """<!DOCTYPE html><body><iframe src="{page}" style="width: {width}px; height: 800px; border: 0"></iframe>
<script>addEventListener("message", event => document.body.setAttribute("data-seen", event.data));</script></body>"""


def write_events(run: Path, values: list[float]) -> None:
    with SummaryWriter(str(run)) as writer:
        for step, value in enumerate(values):
            writer.add_scalar("Train/env_steps", 1000 * step, step)
            writer.add_scalar("Metrics/reference/mask_iou", value, step)
            writer.add_scalar("Loss/critic", value, step)


@pytest.fixture
def page(make_evaluation, tmp_path: Path) -> Path:
    """Two methods on one page."""
    evaluations = [
        make_evaluation("bro", 10.0, 20.0),
        make_evaluation("a_method_with_a_rather_long_name" * 2, 1.0, 2.0),
    ]
    write_events(tmp_path / "bro", [0.1, 0.2, 0.4])
    write_report(evaluations, tmp_path / "report.html")
    return tmp_path / "report.html"


def test_a_browser_shows_it_on_a_phone_without_asking_anybody(page: Path, tmp_path: Path):
    if not (chromium := shutil.which("chromium")):
        pytest.skip("needs chromium")
    text = page.read_text()
    # the page forbids scripts, ours too
    text = re.sub(r"<meta http-equiv.*\n", "", text).replace("</body>", PROBE)
    (tmp_path / "probed.html").write_text(text)
    (tmp_path / "frame.html").write_text(FRAME.format(page="probed.html", width=PHONE))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]
    command = [chromium, *options, f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "frame.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    [told] = re.findall(r'data-seen="([^"]*)"', done.stdout)
    seen = json.loads(told.replace("&quot;", '"'))
    assert seen["inner"] == PHONE
    assert seen["scroll"] <= PHONE, "the page is wider than the phone"
    assert seen["requests"] == []
    assert seen["video"][0] >= 1 and seen["video"][1] == 192  # it was decoded
    assert seen["charts"] == 1
    # comparison, two tables of policies, and settings and provenance of each
    assert len(seen["tables"]) == 7


def test_nothing_in_it_points_outside(page: Path):
    text = page.read_text()
    assert "default-src 'none'" in text and "<script" not in text
    assert not re.findall(r"(?:src|href)\s*=\s*[\"'](?!data:)|url\(|@import|https?://", text)
    assert text.count("data:video/mp4;base64,") == 2
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text


def test_it_holds_tables_settings_and_provenance(page: Path):
    text = page.read_text()
    for words in ("Env. Reward", "standing", "random", "P(bro &gt; ", "efficientnet", "59a5e72e", "0f0f0f", "aa8a6937"):
        assert words in text, words
    assert "11.5, 21.5]" in text  # the interval over the two seeds
    assert "Metrics/reference/mask_iou" in text and "Loss/critic" not in text


def test_names_cannot_break_the_page(make_evaluation, tmp_path: Path):
    evaluation = make_evaluation("bro", 10.0, film=False)
    evaluation.name = "<script>alert(1)</script>"
    write_report([evaluation], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "<script" not in text and "&lt;script&gt;" in text
    assert "The film of this evaluation is not in its folder any more" in text
    assert "No TensorBoard events lie beside the checkpoints" in text
    assert "Methods compared" not in text


def test_curves_are_over_environment_steps(tmp_path: Path):
    write_events(tmp_path, [0.5, float("nan"), 0.25])
    curves = read_curves(tmp_path)
    assert list(curves) == ["Metrics/reference/mask_iou"]
    assert curves["Metrics/reference/mask_iou"].steps.tolist() == [0.0, 2000.0]
    assert curves["Metrics/reference/mask_iou"].values.tolist() == [0.5, 0.25]
    assert read_curves(tmp_path / "nowhere") == {}


def test_an_iteration_without_its_environment_steps_stays_in_its_place(tmp_path: Path):
    """As where a run is killed while it writes: its last iteration's steps, or others, are missing."""
    with SummaryWriter(str(tmp_path)) as writer:
        for iteration in range(4):
            writer.add_scalar("Metrics/reference/mask_iou", 0.5, iteration)
            if iteration in (0, 2):
                writer.add_scalar("Train/env_steps", 1000 * iteration, iteration)
    [curve] = read_curves(tmp_path).values()
    assert curve.steps.tolist() == [0.0, 1000.0, 2000.0, 2000.0]


def write_ppo(run: Path, values: list[float]) -> None:
    """As rsl_rl's own runner logs: by iteration, and again by seconds."""
    with SummaryWriter(str(run)) as writer:
        for iteration, value in enumerate(values):
            writer.add_scalar("Train/mean_reward", value, iteration)
            writer.add_scalar("Train/mean_reward/time", value, 60 * iteration)


def test_iterations_of_a_run_that_counts_no_environment_steps_are_turned_into_them(tmp_path: Path):
    write_ppo(tmp_path, [0.5, 0.25])
    # without its settings, nothing is known but the iterations
    assert read_curves(tmp_path)["Train/mean_reward"].steps.tolist() == [0.0, 1.0]
    (tmp_path / "params").mkdir()
    lengths = "resampling: !!python/tuple [1.0, 2.0]\nfunc: !!python/name:os.system ''\n"
    (tmp_path / "params" / "env.yaml").write_text(lengths + "scene:\n  num_envs: 64\n")
    (tmp_path / "params" / "agent.yaml").write_text("num_steps_per_env: 24\n")
    curves = read_curves(tmp_path)
    assert list(curves) == ["Train/mean_reward"]  # not the one over seconds
    assert curves["Train/mean_reward"].steps.tolist() == [64 * 24, 2 * 64 * 24]


def test_long_runs_are_thinned_but_keep_their_ends(tmp_path: Path):
    write_events(tmp_path, [float(value) for value in range(1000)])
    [curve] = read_curves(tmp_path).values()
    assert len(curve.values) == 200
    assert (curve.values[0], curve.values[-1]) == (0.0, 999.0)


def test_a_line_runs_from_corner_to_corner():
    svg = draw("a<b", [Curve(np.array([0.0, 2e6]), np.array([1.0, 3.0]), colour=2)])
    assert 'class="line c2" points="46.0,148.0 312.0,8.0"' in svg
    assert ">2M<" in svg and ">3<" in svg and "a&lt;b" in svg
    assert "<circle" in draw("one", [Curve(np.array([5.0]), np.array([1.0]))])
