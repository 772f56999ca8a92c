# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/doctor.py``: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym

import nil_ext.tasks  # noqa: F401  (registers the tasks)

from ..errors import InputError
from ..robots.user import load_robot_file
from ..tasks.embedded import ASSETS
from .checks import Line
from .common import run_main
from .own_robot import register_robot_file


def run(argv: list[str]) -> int:
    """Print a line for everything that is looked at, as soon as it is known. Exit code 1 where there is a problem."""
    parser = argparse.ArgumentParser(
        description="Look at what this program needs. Anything else on the command line goes to the tasks that are "
        "started: physics=..., renderer=..., presets=..., --device, overrides."
    )
    parser.add_argument("--task", action="append", help="Look at this task only; may be given again. Default: all.")
    parser.add_argument("--robot", type=Path, help="Facts of your own robot (.toml or .py): look at its walk.")
    parser.add_argument("--quick", action="store_true", help="Start no simulation: no frames, no memory.")
    parser.add_argument("--json", action="store_true", help="Print the report as JSON.")
    args, options = parser.parse_known_args(argv)
    lines = []
    for line in examine(_tasks(args.task, args.robot), options, simulate=not args.quick):
        lines.append(line)
        if not args.json:
            print(line, flush=True)
    counts = Counter(line.level for line in lines)
    if args.json:
        print(
            json.dumps({"lines": [dataclasses.asdict(line) for line in lines], "problems": counts["problem"]}, indent=2)
        )
    else:
        print(f"\n{counts['problem']} problems, {counts['warning']} warnings, {counts['ok']} ok")
    return 1 if counts["problem"] else 0


def examine(tasks: list[str], options: list[str], simulate: bool = True) -> Iterator[Line]:
    """Every line of the report, quick ones first.

    Args:
        tasks: gym ids of the tasks to look at.
        options: presets, overrides and launcher options for the tasks that are started.
        simulate: whether tasks are started at all.
    """
    from .checks.hardware import check_hardware
    from .checks.models import check_hub, check_robot
    from .checks.packages import check_packages

    yield from check_packages(ASSETS.parent / "constraints.txt")
    yield from check_hardware()
    yield from check_hub()
    yield from map(check_robot, tasks)
    if simulate:
        from .checks.simulation import check_task

        for task in tasks:
            yield from check_task(task, options)


def _tasks(asked: list[str] | None, robot_file: Path | None = None) -> list[str]:
    """Registered tasks of ours, or those asked for, by name or by the file of a robot."""
    if robot_file is not None:
        asked = [*(asked or []), register_robot_file(load_robot_file(robot_file), robot_file)]
    known = sorted(name for name in gym.registry if name.startswith("NIL-"))
    for task in asked or []:
        if task not in known:
            raise InputError(f"Unknown task '{task}': choose one of {', '.join(known)}.")
    return asked or known


def main() -> int:
    """Entry point of the script."""
    return run_main(run)
