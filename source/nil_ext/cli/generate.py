# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/generate.py``: make a reference."""

from __future__ import annotations

import argparse
import pkgutil
from pathlib import Path

import gymnasium as gym

from ..errors import InputError
from ..reference import Reference
from ..tasks.embedded import ASSETS
from .common import parse_args, resolve_cfgs, run_main, simulation

SIZE = 224
"""Side of a reference's pictures [px]: the input of the paper's encoder."""

RATE = 50.0
"""Frames per second of a sketch [Hz]."""


def run(argv: list[str]) -> None:
    """Draw the task's sketch and save it as a reference folder."""
    parser = argparse.ArgumentParser(description="Make a reference: a sketch of the skill, filmed in simulation.")
    parser.add_argument("--generator", choices=["sketch"], default="sketch", help="Where the reference comes from.")
    parser.add_argument("--output", type=Path, help="Folder to write; default: the task's embedded reference.")
    parser.add_argument("--duration", type=float, help="Length [s]; default: the task's episode.")
    args = parse_args(parser, argv, agent=False)
    env_cfg, _ = resolve_cfgs(args, "bro_cfg_entry_point")
    env_cfg.sim.device = args.device
    if args.duration is not None and args.duration <= 0.0:
        raise InputError(f"--duration {args.duration:g}: give a length above 0 s.")
    output = _free_folder(args.output, ASSETS / "references" / args.task)
    with simulation(env_cfg, args):
        reference = draw_sketch(args.task, env_cfg, args.duration or env_cfg.episode_length_s)
    reference.save(output)
    print(f"[nil_ext] Sketch of {args.task}: {len(reference)} frames at {reference.rate:g} Hz in {output}")


def _free_folder(output: Path | None, embedded: Path) -> Path:
    """Where to write; the task's embedded reference is made where it is missing, and replaced only by name."""
    if output is None and embedded.exists():
        raise InputError(f"'{embedded}' exists already: name a folder with --output (this one, to replace it).")
    output = output or embedded
    if output.exists() and not (output / "reference.json").is_file():
        raise InputError(f"--output '{output}' exists and is no reference: name another folder.")
    return output


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
