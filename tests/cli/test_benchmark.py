# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The two benchmarks as a user runs them, on the real simulator with few frames and a tiny TimeSformer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nil_ext.cli import benchmark, benchmark_agent

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "benchmark.py"
TASK = "NIL-H1-Walk"


def test_an_unknown_benchmark_is_refused(refuse):
    assert refuse(benchmark.run, "training", "--task", TASK) == (
        "Unknown benchmark 'training': use one of throughput, signal, fast, ablation, table1, agent."
    )


def test_help_names_every_benchmark(capsys):
    assert benchmark.run(["--help"]) is None
    said = capsys.readouterr().out
    for name in ("throughput", "signal", "fast", "ablation", "table1", "agent"):
        assert f"\n  {name} " in said


def test_a_batch_of_the_losses_is_none_of_an_update(refuse):
    line = refuse(benchmark.run, "agent", "--update", "cpu", "--batch_size", 16)
    assert line.startswith("--batch_size is for the losses")


@pytest.mark.parametrize("name", [[], ["throughput"]])
def test_measuring_nothing_is_refused(refuse, name: list[str]):
    assert (
        refuse(benchmark.run, *name, "--task", TASK, "--steps", "0") == "--steps 0 measures nothing: give at least 1."
    )


@pytest.mark.sim
def test_throughput(scripts, tmp_path, tiny_timesformer):
    """A name may be left out; here a TimeSformer encodes, so that the baseline runs the whole network too."""
    settings = ("encoder=timesformer", f"encoder_weights={tiny_timesformer}", "start_along_reference=0")
    done = scripts.run(
        "benchmark.py",
        *("presets=cpu", "--num_envs", 4, "--steps", 2, "--repeats", 1, "--output", tmp_path / "result"),
        *(f"env.commands.reference.{setting}" for setting in settings),
        *("agent.algorithm.warmup_transitions=16", "agent.algorithm.replay_size=4096"),
        *("agent.algorithm.reuse=64", "agent.algorithm.batch_size=16"),  # 16 updates a step: no load hides them
        cwd=tmp_path,
    )
    rows = re.findall(r"^\| (.+?) \| ([\d.]+) \| (\d+) \| ([\d.]+)% \|$", done.stdout, re.MULTILINE)
    names = [row[0] for row in rows]
    result = json.loads((tmp_path / "result" / "throughput.json").read_text(encoding="utf-8"))
    parts = ["physics", "physics + camera", "compose", "compose + encode", "environment", "loop"]
    beside = [] if result["machine"] == "1 threads" else ["loop, learning beside"]
    assert names == [*parts, *beside, "one by one on the host"]
    for name, milliseconds, per_second, _ in rows:
        if name == "compose":  # microseconds, too few digits
            continue
        assert float(milliseconds) > 0.0
        assert int(per_second) == pytest.approx(4000.0 / float(milliseconds), rel=0.05, abs=1.0)
    assert (
        "4 environments, timesformer, filmed every 2 steps\nbaseline: physics, and the camera in every" in done.stdout
    )
    ratio = float(re.search(r"the environment is ([\d.]+) times as fast", done.stdout)[1])
    assert ratio == pytest.approx(float(rows[-1][1]) / float(rows[4][1]), rel=0.1, abs=0.06)
    assert result["num_envs"] == 4 and result["environment against the host"] == pytest.approx(ratio, abs=0.06)
    seconds, split = result["seconds per step"], result["split [s]"]
    assert split["render"] == pytest.approx((seconds["physics + camera"] - seconds["physics"]) / 2)
    assert sum(split.values()) == pytest.approx(seconds["loop"])
    assert split["encode"] == pytest.approx((seconds["compose + encode"] - seconds["compose"]) / 2)
    assert split["physics"] > 0.0 and split["encode"] > 0.0 and split["act and learn"] > 0.0
    assert result["memory [byte]"]["history"] == 4 * 96 * 1024
    # 8 pictures of 64 x 64 x 3 bytes
    assert "history of frames: 96 KiB an environment, 0 MiB in all" in done.stdout


@pytest.mark.slow
@pytest.mark.sim
def test_signal(scripts, tmp_path, tiny_timesformer):
    command = [sys.executable, str(SCRIPT), "signal", "--task", TASK, "--device", "cpu", "presets=cpu"]
    encoders = ["--encoder", "efficientnet", "--encoder", "timesformer"]
    settings = [f"env.commands.reference.encoder_weights={tiny_timesformer}", "env.episode_length_s=1.0"]
    done = subprocess.run(
        [*command, *encoders, *settings],
        cwd=tmp_path,
        env=scripts.environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    head, rows = lines[0], {line[0]: [float(cell) for cell in line[1:]] for line in lines[1:] if len(line) == 7}
    streams = ["S_v efficientnet", "S_v efficientnet, centred", "S_v timesformer", "S_v timesformer, centred"]
    assert head == ["rollout", "mask IoU", "shaped", *streams]
    assert rows["itself"] == pytest.approx([1.0] * 6, abs=1e-3)
    assert {"20 frames ahead", "at half speed", "mirrored in time", "standing at e0", "falling forwards"} <= set(rows)
    again = rows["the sketch, filmed again"]
    for name, scores in rows.items():
        if name not in ("itself", "1 frame ahead", "the sketch, filmed again"):
            assert scores[0] < again[0] and scores[3] < again[3], name
    assert "| mask IoU | 1.000 | " in done.stdout


def test_agent(scripts, tmp_path, capsys):
    command = [sys.executable, str(SCRIPT), "agent", "--batch_size", "16", "--repeats", "1"]
    done = subprocess.run(command, cwd=tmp_path, env=scripts.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [[float(cell) for cell in line.strip("| ").split(" | ")] for line in done.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == [10, 25, 100]
    assert all(row[1] < 1e-5 and row[2] < 1e-5 for row in rows)  # both losses are the same
    assert all(row[8] > 5.0 for row in rows)  # the table of pairs is what takes the memory
    with pytest.raises(SystemExit, match="2"):
        benchmark.run(["agent", "--repeats", "0"])
    assert "at least 1" in capsys.readouterr().err


def test_updates_are_timed_against_the_first_mode(monkeypatch):
    modes = {name: benchmark_agent.UPDATE_MODES[name] for name in ("float32", "bfloat16", "CUDA graph")}
    monkeypatch.setattr(benchmark_agent, "UPDATE_MODES", modes)
    _, _, *rows = benchmark_agent.update_table("cpu", repeats=3).splitlines()
    cells = [row.strip("| ").split(" | ") for row in rows]
    assert [name for name, *_ in cells] == ["float32", "bfloat16"]  # a CUDA graph needs CUDA
    times = [float(time) for _, time, _ in cells]
    assert min(times) > 0.0 and float(cells[0][2]) == 1.0
    assert float(cells[1][2]) == pytest.approx(times[0] / times[1], rel=0.02, abs=0.006)  # two decimals are shown
