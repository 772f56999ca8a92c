# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Table and plot of the throughput benchmark over numbers of environments."""

from __future__ import annotations

import argparse
import json
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from nil_ext.cli import throughput_sweep
from nil_ext.errors import InputError

SPLIT = ("physics", "render", "compose", "encode", "masks, rewards and the rest", "act and learn")


def result(count: int) -> dict:
    """What one process writes: a loop step of 0.1 s, of which each part takes a sixth, whatever the number."""
    seconds = {"physics": 0.02, "physics + camera": 0.04, "environment": 0.05, "loop": 0.1, "one by one on the host": 1}
    return {
        "num_envs": count,
        "seconds per step": seconds,
        "env-steps per second": {name: count / value for name, value in seconds.items()},
        "split [s]": dict.fromkeys(SPLIT, 0.1 / 6),
        "memory [byte]": {"used": 3 * 2**29},
        "environment against the host": 20.0,
    }


def test_lists_of_environments():
    assert throughput_sweep.environment_counts("64,1,16,16") == [1, 16, 64]
    for text in ("", "0,4", "many", "4;8"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no list of numbers of environments"):
            throughput_sweep.environment_counts(text)


def test_table():
    head, _, row = throughput_sweep.table([result(4)]).splitlines()
    assert head.count("|") == row.count("|")
    assert row == "| 4 | 200 | 100 | 80 | 40 | 4 | 17% | 17% | 17% | 17% | 17% | 17% | 20.0 times | 1.5 |"


def test_plot_is_a_picture_with_a_line_for_each_part():
    root = ElementTree.fromstring(throughput_sweep.plot([result(1), result(4), result(16)]))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    lines = [node for node in root if node.tag.endswith("polyline")]
    assert len(lines) == 5 and all(len(line.get("points").split()) == 3 for line in lines)
    assert "one by one on the host" in [node.text for node in root if node.tag.endswith("text")]


@pytest.fixture
def processes(monkeypatch):
    """Stands in for the measuring processes: the third number of environments does not fit."""
    commands = []

    def run(command, check):
        commands.append(command)
        count = int(command[command.index("--num_envs") + 1])
        if count > 4:
            return subprocess.CompletedProcess(command, 2)
        Path(command[command.index("--output") + 1], throughput_sweep.JSON_FILE).write_text(json.dumps(result(count)))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_what_fits_is_measured_and_written(processes, tmp_path, capsys):
    argv = ["--task", "NIL-A1-Walk", "--envs", "1,4,8,16", "--output", str(tmp_path), "presets=cpu"]
    throughput_sweep.sweep(argv, [1, 4, 8, 16], tmp_path)
    assert [command[command.index("--num_envs") + 1] for command in processes] == ["1", "4", "8"]
    assert all(command[3:6] == ["--task", "NIL-A1-Walk", "presets=cpu"] for command in processes)
    assert "--envs" not in processes[0] and str(tmp_path) not in processes[0]
    assert [row["num_envs"] for row in json.loads((tmp_path / "throughput.json").read_text())] == [1, 4]
    assert (tmp_path / "throughput.svg").is_file()
    assert "8 environments could not be measured (exit code 2): see above." in capsys.readouterr().out


def test_nothing_measured_is_an_error(processes, tmp_path):
    with pytest.raises(InputError, match="Nothing was measured with 8 environments"):
        throughput_sweep.sweep([], [8], tmp_path)
