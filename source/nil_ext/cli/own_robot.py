# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""``--robot FILE``: a task for a robot of the user's own, which its run folders remember."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import gymnasium as gym

from ..errors import InputError
from ..files import whole_file
from ..reference.cache import cache_root
from ..robots.model import content_hash, model_file
from ..robots.user import REGISTERED, RobotFile, dump_toml, load_robot_file
from ..tasks.walk.register import REWARDS, register_walk

RECORD = "robot.toml"
"""Copy of a robot file in a run folder, the model's path made absolute."""


def own_task(args: argparse.Namespace) -> str | None:
    """The task's id, registered first where a robot file makes it: the one given, or the one a run folder remembers.

    Raises:
        InputError: When the file cannot be used, or makes another task than ``--task`` names.
    """
    path = args.robot or _recorded(args)
    if path is None:
        return args.task
    task = register_robot_file(load_robot_file(path), path)
    if args.task not in (None, task):
        raise InputError(f"--task {args.task}: robot file '{path}' makes {task}; leave --task out.")
    return task


def register_robot_file(file: RobotFile, path: Path) -> str:
    """Register ``NIL-<name>-Walk`` for a robot file.

    Raises:
        InputError: When a robot that comes with the package has this name.
    """
    robot = file.robot
    task = f"NIL-{robot.name}-Walk"
    # log folders are in small letters
    for other in [name for name in gym.registry if name.lower() == task.lower()]:
        if "robot_file" not in gym.spec(other).kwargs:
            raise InputError(f"Robot file '{path}': {other} comes with nil_ext; give the robot another name.")
        del gym.registry[other]  # the same file once more, perhaps changed
    place = "nil_ext.robots.user:REGISTERED"
    setattr(REGISTERED, robot.name, robot)
    sketch = ""
    if file.sketch is not None:
        setattr(REGISTERED, f"{robot.name}_WALK", file.sketch)
        sketch = f"{place}.{robot.name}_WALK"
    register_walk(f"{place}.{robot.name}", robot.name, sketch=sketch)
    facts = dump_toml(file)
    # with its meshes: a sketch shows them
    content = content_hash(model_file(robot.model.package, robot.model.path), facts)
    folder = cache_root() / "references" / f"{task}-{content}"
    gym.spec(task).kwargs.update(reference_folder=str(folder), robot_file=str(path), robot_facts=facts)
    return task


def task_option(task: str) -> list[str]:
    """What names a task on a command line: its id, or the robot file without which no other process knows it."""
    robot_file = gym.spec(task).kwargs.get("robot_file")
    return ["--robot", robot_file] if robot_file else ["--task", task]


def record_robot(task: str, folder: Path) -> None:
    """Keep the robot file of a task in a run folder; nothing for a robot that comes with the package."""
    facts = gym.spec(task).kwargs.get("robot_facts")
    if facts is not None:
        with whole_file(folder / RECORD) as file:
            file.write_text(facts, encoding="utf-8")


def _recorded(args: argparse.Namespace) -> Path | None:
    """The robot file that a run of this call's task or checkpoint remembers."""
    from .run_folders import log_root

    given = getattr(args, "checkpoint", None) or []
    for selector in [given] if isinstance(given, str) else given:
        path = Path(selector).expanduser()
        record = (path if path.is_dir() else path.parent) / RECORD
        if path.exists() and record.is_file():
            return record
    name = re.fullmatch("NIL-([A-Za-z][A-Za-z0-9]*)-Walk", args.task or "")
    if name is None or args.task in gym.registry:
        return None
    experiment = f"nil_{name[1].lower()}_walk"
    experiments = (experiment, *(f"{experiment}_{reward}" for reward in REWARDS))  # see register_walk
    records = [record for each in experiments for record in log_root(each).glob(f"*/{RECORD}")]
    return max(records, key=lambda file: file.parent.name, default=None)
