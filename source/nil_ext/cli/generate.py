# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/generate.py``: make a reference."""

from __future__ import annotations

import argparse
import pkgutil
from pathlib import Path

import gymnasium as gym

from isaaclab.app import add_launcher_args, launch_simulation
from isaaclab_rl.entrypoints.common import set_hydra_args
from isaaclab_tasks.utils import resolve_task_config, setup_preset_cli

from ..errors import InputError
from ..reference import Reference
from ..tasks.embedded import ASSETS
from .common import require_task, run_main, with_machine_settings

SIZE = 224
"""Side of a reference's pictures [px]: the input of the paper's encoder."""

RATE = 50.0
"""Frames per second of a sketch [Hz]."""


def run(argv: list[str]) -> None:
    """Draw the task's sketch and save it as a reference folder."""
    parser = argparse.ArgumentParser(
        description="Make a reference: a sketch of the task's skill, filmed in simulation."
    )
    parser.add_argument("--task", help="Gym id of the task.")
    parser.add_argument("--generator", choices=["sketch"], default="sketch", help="Where the reference comes from.")
    parser.add_argument("--output", type=Path, help="Folder to write; default: the task's embedded reference.")
    parser.add_argument("--duration", type=float, help="Length [s]; default: the task's episode.")
    add_launcher_args(parser)
    args, rest = setup_preset_cli(parser, with_machine_settings(argv))
    set_hydra_args(rest)
    task = require_task(args.task)
    env_cfg, _ = resolve_task_config(task, "bro_cfg_entry_point")
    env_cfg.sim.device = args.device
    output = args.output or ASSETS / "references" / task
    with launch_simulation(env_cfg, args):
        reference = draw_sketch(task, env_cfg, args.duration or env_cfg.episode_length_s)
    reference.save(output)
    print(f"[nil_ext] Sketch of {task}: {len(reference)} frames at {reference.rate:g} Hz in {output}")


def draw_sketch(task: str, env_cfg, duration: float) -> Reference:
    """Film the task's procedural gait; call inside a launched simulation.

    Args:
        task: gym id of the task.
        env_cfg: its resolved configuration.
        duration: length [s].

    Raises:
        InputError: When the task has no sketch.
    """
    from ..tasks.playback import film_motion

    entry_point = gym.spec(task).kwargs.get("sketch_entry_point")
    if entry_point is None:
        raise InputError(f"Task '{task}' has no sketch: name a video with --reference instead.")
    sketch = pkgutil.resolve_name(entry_point)
    motion, frames, masks = film_motion(env_cfg, lambda default: sketch.motion(default, duration, RATE), SIZE)
    frames[~masks] = 255
    meta = {
        "task": task,
        "robot": env_cfg.commands.reference.robot,
        "source": {"kind": "sketch", "gait": entry_point, "speed": sketch.speed, "stride_time": sketch.stride_time},
    }
    return Reference(frames, masks, RATE, meta, motion)


def main() -> int:
    """Entry point of the script."""
    return run_main(run)
