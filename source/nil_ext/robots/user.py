# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A robot of the user's own: a TOML file of facts, or a Python file that defines ``ROBOT`` (and ``SKETCH``)."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import re
import runpy
import tomllib
import types
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from ..errors import InputError
from ..reference.generators.sketch import WalkSketch
from .check import is_usd, mistakes_in, mistakes_in_sketch, read_model
from .robot import Robot

_DEFAULTS = {"colour": [0.3, 0.3, 0.3], "start_joint_pos": {}}
"""Facts of a :class:`Robot` that a file need not give: a mid grey, and 0 for every joint."""

_OPTIONAL = {"package": "", "licence": "", "mass": math.nan}
"""What stands for facts that a file on disk does without; the model says its own mass."""

REGISTERED = types.SimpleNamespace()
"""Robots and sketches (``<name>_WALK``) of files, by name: tasks refer to robots as ``module:name``."""


@dataclass(frozen=True)
class RobotFile:
    """What a robot file says."""

    robot: Robot
    sketch: WalkSketch | None


def load_robot_file(path: Path) -> RobotFile:
    """Read a robot file and hold it against the model that it names.

    Args:
        path: ``.toml`` with the fields of :class:`Robot` (``[model]``, ``[camera]``, ``[fall]``, ``[env_reward]`` and
            ``[sketch]`` are tables), or ``.py`` that defines ``ROBOT``, a :class:`Robot`, and perhaps ``SKETCH``, a
            :class:`WalkSketch`. A model path is relative to the file.

    Raises:
        InputError: When it cannot be used; one line a mistake.
    """
    path = path.expanduser().absolute()
    if path.suffix not in (".toml", ".py") or not path.is_file():
        raise InputError(f"Robot file '{path}' is no .toml or .py file: name one with --robot (see docs/robots.md).")
    mistakes: list[str] = []
    loaded = (_read_toml if path.suffix == ".toml" else _run_python)(path, mistakes)
    if loaded is not None:
        robot = _resolve_model(loaded.robot, path.parent)
        try:
            facts = read_model(robot)
        except InputError as error:
            mistakes.append(f"model: {error}")
        else:
            if math.isnan(robot.mass):  # not given
                robot = replace(robot, mass=facts.mass)
            mistakes += mistakes_in(robot, loaded.sketch, facts)
        loaded = replace(loaded, robot=robot)
    if mistakes or loaded is None:
        raise InputError(f"Robot file '{path}' cannot be used:\n" + "\n".join(f"  {line}" for line in mistakes))
    return loaded


def dump_toml(file: RobotFile) -> str:
    """The same facts as TOML, the model's path made absolute; :func:`load_robot_file` reads it back."""
    robot = dataclasses.asdict(file.robot)
    if is_usd(file.robot.model):
        del robot["colour"]
    if file.sketch is not None:
        moved = file.sketch.start_joint_pos
        robot["start_joint_pos"] = {k: v for k, v in robot["start_joint_pos"].items() if k not in moved}
        del robot["start_height"]
        robot["sketch"] = dataclasses.asdict(file.sketch)
    return "\n".join(_toml_lines(robot, ())) + "\n"


def _read_toml(path: Path, mistakes: list[str]) -> RobotFile | None:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        mistakes.append(f"it is no TOML: {error}.")
        return None
    sketch, coloured = None, "colour" in table
    if "sketch" in table:
        sketch = _build(WalkSketch, table.pop("sketch"), "sketch", mistakes)
        if "start_height" in table:
            mistakes.append("start_height: leave it out, the [sketch] gives it.")
        mistakes += [] if sketch is None else mistakes_in_sketch(sketch)
        if sketch is None or mistakes:
            return None
        table["start_height"] = sketch.root_height
        if isinstance(given := table.get("start_joint_pos", {}), dict):
            table["start_joint_pos"] = {**sketch.start_joint_pos, **given}
    table = {**_DEFAULTS, "noun": f"{table.get('name')} robot", **table}
    robot = _build(Robot, table, "", mistakes)
    if coloured and robot is not None and is_usd(robot.model):
        mistakes.append("colour: a USD keeps its own colours; leave it out.")
    return None if robot is None or mistakes else RobotFile(robot, sketch)


def _run_python(path: Path, mistakes: list[str]) -> RobotFile | None:
    try:
        names = runpy.run_path(str(path))
    except Exception as error:  # whatever the user's own code raises
        mistakes.append(f"it ends with {type(error).__name__}: {error}.")
        return None
    robot, sketch = names.get("ROBOT"), names.get("SKETCH")
    if not isinstance(robot, Robot):
        mistakes.append("it defines no ROBOT, a nil_ext.robots.robot.Robot.")
    if not isinstance(sketch, WalkSketch | None):
        mistakes.append("its SKETCH is no nil_ext.reference.generators.sketch.WalkSketch.")
    elif sketch is not None:
        mistakes += mistakes_in_sketch(sketch)
    return None if mistakes else RobotFile(robot, sketch)


def _resolve_model(robot: Robot, folder: Path) -> Robot:
    """The robot with a model path on disk made absolute."""
    model = robot.model
    if not model.package:
        model = replace(model, path=str((folder / Path(model.path).expanduser()).resolve()))
    return replace(robot, model=model)


# -- tables to dataclasses


def _build(cls: type, table: Any, where: str, mistakes: list[str]):
    """A dataclass from a table; None, with the mistakes noted, where that is impossible."""
    if not isinstance(table, dict):
        mistakes.append(f"{where}: give a table.")
        return None
    at = f"{where}." if where else ""
    fields, hints = {field.name: field for field in dataclasses.fields(cls)}, get_type_hints(cls)
    for key in sorted(set(table) - set(fields)):
        close = difflib.get_close_matches(key, fields, 1)
        mistakes.append(f"{at}{key}: there is no such key" + (f"; did you mean '{close[0]}'?" if close else "."))
    values, before = {}, len(mistakes)
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if name in table:
            values[name] = _convert(hints[name], table[name], f"{at}{name}", mistakes)
        elif required and name in _OPTIONAL:
            values[name] = _OPTIONAL[name]
        elif required:
            mistakes.append(f"{at}{name}: it is missing.")
    return cls(**values) if len(mistakes) == before else None


def _convert(hint: Any, value: Any, where: str, mistakes: list[str]):
    """A TOML value as the type that a dataclass asks for."""
    origin, args = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where, mistakes)
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value):
        return float(value)
    if origin is dict and isinstance(value, dict):
        return {key: _convert(args[1], entry, f"{where}.'{key}'", mistakes) for key, entry in value.items()}
    if origin is tuple and isinstance(value, list):
        hints = [args[0]] * len(value) if args[-1] is Ellipsis else args
        if len(hints) == len(value):
            pairs = enumerate(zip(hints, value, strict=True))
            return tuple(_convert(part, entry, f"{where}[{i}]", mistakes) for i, (part, entry) in pairs)
        mistakes.append(f"{where}: give {len(hints)} values, not {len(value)}.")
        return None
    if hint in (str, int, bool) and type(value) is hint:
        return value
    mistakes.append(f"{where}: {value!r} is no {_wanted(hint)}.")
    return None


def _wanted(hint: Any) -> str:
    names = {float: "number", int: "whole number", str: "text", bool: "true or false"}
    return names.get(hint) or {dict: "table", tuple: "list"}.get(get_origin(hint), "value")


# -- dataclasses to tables


def _toml_lines(table: dict, path: tuple[str, ...]) -> list[str]:
    """A table as TOML: JSON's strings, numbers and lists are TOML's, but for infinity."""
    lines = [f"[{'.'.join(map(_toml_key, path))}]"] if path else []
    inner = {key: value for key, value in table.items() if isinstance(value, dict)}
    lines += [
        f"{_toml_key(key)} = {_toml_value(value)}" for key, value in table.items() if key not in inner and value != ()
    ]
    for key, value in inner.items():
        lines += ["", *_toml_lines(value, (*path, key))] if value else []
    return lines


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_key(key)} = {_toml_value(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return json.dumps(value, ensure_ascii=False)  # JSON escapes an emoji as two halves, which TOML does not know


def _toml_key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
