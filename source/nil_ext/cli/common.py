# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What the scripts share: tasks, the machine's preset, and errors in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable

import gymnasium as gym
import torch

import nil_ext.tasks  # noqa: F401  (registers the tasks)

from ..errors import InputError

PROFILES = ("paper", "cpu")
"""Presets that say for which machine an environment is set up."""


def run_main(body: Callable[[list[str]], int | None]) -> int:
    """Run a script's body on the command line and turn bad input into one line on stderr and exit code 2."""
    try:
        return body(sys.argv[1:]) or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def require_task(task: str | None) -> str:
    """Check the task id.

    Raises:
        InputError: When it is missing or unknown.
    """
    known = sorted(name for name in gym.registry if name.startswith("NIL-"))
    if not task:
        raise InputError(f"--task is missing: choose one of {', '.join(known)}.")
    name = task.split(":")[-1]
    if name not in gym.registry:
        raise InputError(f"Unknown task '{task}': choose one of {', '.join(known)}.")
    return name


def with_machine_settings(argv: list[str]) -> list[str]:
    """The arguments with ``--device cpu presets=cpu`` added where there is no CUDA and nothing else was chosen.

    The choice is printed: a default is never swapped silently.

    Raises:
        InputError: When a CUDA device is asked for and there is none.
    """
    if torch.cuda.is_available() or "--help" in argv or "-h" in argv:
        return argv
    device = _value_of(argv, "--device")
    if device is not None and device.startswith("cuda"):
        raise InputError(f"--device {device}: PyTorch finds no CUDA device here; leave it out to run on the CPU.")
    if device is None:
        argv = [*argv, "--device", "cpu"]
    chosen = {name for arg in argv if arg.startswith("presets=") for name in arg.removeprefix("presets=").split(",")}
    if chosen & set(PROFILES):
        return argv
    print("[nil_ext] No CUDA device: running the 'cpu' profile (see docs/method.md; 'presets=paper' overrides).")
    rest = [arg for arg in argv if not arg.startswith("presets=")]
    return [*rest, "presets=" + ",".join(["cpu", *sorted(chosen)])]


def _value_of(argv: list[str], option: str) -> str | None:
    for index, arg in enumerate(argv):
        if arg.startswith(f"{option}="):
            return arg.split("=", 1)[1]
        if arg == option and index + 1 < len(argv):
            return argv[index + 1]
    return None


def require_num_envs(num_envs: int | None) -> None:
    """Check ``--num_envs``.

    Raises:
        InputError: When it is below 1.
    """
    if num_envs is not None and num_envs < 1:
        raise InputError(f"--num_envs {num_envs} leaves nothing to simulate: give at least 1.")
