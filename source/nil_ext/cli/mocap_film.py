# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""``generate.py --generator mocap``: motion capture, filmed by the task's camera, to hold generated clips against."""

from __future__ import annotations

import argparse
import pkgutil
from pathlib import Path

import gymnasium as gym

from ..evaluation.mocap import read_mocap
from ..files import file_hash
from ..lift.mocap_motion import mocap_motion
from ..reference import Reference
from ..reference.reference import require_place
from .common import simulation

RATE = 50.0
"""Frames per second of the film [Hz]."""


def film_mocap(args: argparse.Namespace, env_cfg, size: int) -> None:
    """Play a trajectory back kinematically, film it and save it as a folder for ``--mocap_render``.

    Args:
        args: what the script was called with.
        env_cfg: the task's resolved configuration.
        size: side of the pictures [px].

    Raises:
        InputError: When the trajectory is none of this robot's, or the folder cannot be written to.
    """
    robot = pkgutil.resolve_name(gym.spec(args.task).kwargs["robot_entry_point"])
    args.mocap = args.mocap.expanduser()
    read_mocap(args.mocap, robot.name)  # what can be refused is refused before the simulator starts
    output = args.output or Path(f"{args.mocap.stem}_film")
    require_place(output)
    about = {
        "task": args.task,
        "robot": robot.name,
        "source": {"kind": "mocap", "name": args.mocap.name, "sha256": file_hash(args.mocap)},
    }
    with simulation(env_cfg, args):
        from ..tasks.playback import film_motion

        _, frames, masks = film_motion(env_cfg, lambda default: mocap_motion(args.mocap, robot, default, RATE), size)
    frames[~masks] = 255
    Reference(frames, masks, RATE, about).save(output)
    print(f"[nil_ext] Film of {args.mocap.name}: {len(frames)} frames at {RATE:g} Hz in {output}")
