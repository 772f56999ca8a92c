# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""``generate.py --lift``: the motion behind a clip, or behind a reference that is there, into its folder."""

from __future__ import annotations

import argparse
import os
import pkgutil
import textwrap
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import gymnasium as gym
import numpy as np

from ..errors import InputError
from ..lift.export import LAYOUTS, write_layout
from ..lift.lifted_reference import moved_to
from ..lift.lifting import Lifted, lift, require_accepted
from ..lift.skeleton import read_skeleton
from ..reference.preview import write_contact_sheet
from ..reference.reference import Reference, is_reference, require_place
from ..reference.verdict import summary, times_of
from .prepare_video import output_folder, prepare_video

SHEET = "lift.png"
"""Contact sheet of the poses found, beside the reference's files."""


def add_lift_args(parser: argparse.ArgumentParser) -> None:
    """Add ``--lift`` and what goes with it."""
    parser.add_argument(
        "--lift",
        action="store_true",
        default=None,
        help="With --video (a clip, or a reference's folder): find the joint angles and the speed behind the masks.",
    )
    parser.add_argument(
        "--export",
        choices=sorted(LAYOUTS),
        action="append",
        help="With --lift: write the motion for other projects too; give it once for each.",
    )


def lift_video(args: argparse.Namespace, robot_name: str) -> int:
    """Prepare a clip, or load a prepared folder, and put the motion into it.

    Returns:
        The exit code of the preparation.

    Raises:
        InputError: When no poses of the robot look like the masks.
    """
    prepared = is_reference(args.video)
    folder = args.video if prepared else output_folder(args)
    output = args.output or folder
    require_place(output)
    # an earlier lift's go with the motion that they were of, and are written anew
    exports = {name for name in LAYOUTS if _export(output, name).is_file()} | set(args.export or ())
    code = 0 if prepared else prepare_video(args, robot_name)
    reference = Reference.load(folder)
    made_for = reference.meta.get("robot", robot_name)
    if made_for != robot_name:
        raise InputError(f"Reference {folder} was made for {made_for}, not {robot_name}: give the task of {made_for}.")
    if reference.motion is not None and "lift" not in reference.meta and not args.output:
        raise InputError(f"Reference {folder} knows its motion already: name another folder with --output to lift it.")
    robot = pkgutil.resolve_name(gym.spec(args.task).kwargs["robot_entry_point"])
    watch = LiftWatch()
    lifted = lift(reference.masks, reference.rate, robot, report=watch)
    _print_lift(lifted, reference.rate)
    found = moved_to(reference, lifted)
    if "quality" in found.meta:
        print(f"[nil_ext] {summary(found.meta['quality'])}")
    # of a folder without a motion the report tells what was measured; that of an earlier lift goes with its motion
    if not lifted.accepted and output == folder and reference.motion is None:
        found.save(folder)
        _write_sheet(folder, reference, lifted)
    require_accepted(lifted, reference.rate)
    found.save(output)
    _write_sheet(output, reference, lifted)
    for name in sorted(exports):
        write_layout(_export(output, name), name, lifted.motion, read_skeleton(robot), reference.rate)
    print(f"[nil_ext] {output}: motion.npz written; look at {SHEET}. {watch.spent()}")
    return code


def _export(folder: Path, name: str) -> Path:
    """File of the motion in one of the layouts."""
    return folder / f"{name}.npz"


class LiftWatch:
    """Prints how far the lift is."""

    def __init__(self):
        self._start, self._processor = time.perf_counter(), time.process_time()

    def __call__(self, step: str, share: float) -> None:
        """Print what is done now and which share of the whole is behind it."""
        if share < 1.0:
            print(f"[nil_ext] Lift: {share:4.0%} {step} ({self._seconds():.0f} s)", flush=True)

    def _seconds(self) -> float:
        return time.perf_counter() - self._start

    def spent(self) -> str:
        """Seconds since the beginning, and those of them that this process worked."""
        return f"{self._seconds():.0f} s, {time.process_time() - self._processor:.0f} s of processor time."


def _print_lift(lifted: Lifted, rate: float) -> None:
    """What was found, and the frames that show another pose."""
    iou, deviation = lifted.motion["iou"], lifted.about["deviation"]
    print(
        f"[nil_ext] Lift: mask IoU {iou.mean():.2f} on average, {iou.min():.2f} at least (at {iou.argmin() / rate:.2f} "
        f"s); forward speed {lifted.speed:.2f} m/s; {len(lifted.joints)} joints, each to about "
        f"{np.degrees(deviation):.1f} degrees by its own estimate"
    )
    if len(lifted.lost):
        print(f"  care: {len(lifted.lost)} of {len(iou)} frames do not show it: {times_of(lifted.lost, rate)}")
        for run in np.split(lifted.lost, np.flatnonzero(np.diff(lifted.lost) > 1) + 1):
            numbers = f"frame {run[0]}" if len(run) == 1 else f"frames {run[0]} to {run[-1]}"
            text = f"{numbers}: IoU {' '.join(f'{value:.2f}' for value in iou[run])}"
            print(textwrap.fill(text, 118, initial_indent="  ", subsequent_indent="    "))


def _write_sheet(folder: Path, reference: Reference, lifted: Lifted) -> None:
    """The clip's frames with the outline of the poses found."""
    notes = [f"lift: mean IoU {lifted.motion['iou'].mean():.2f}, {lifted.speed:.2f} m/s"]
    notes[0] += "" if lifted.accepted else "; refused"
    with TemporaryDirectory(dir=folder) as scratch:
        write_contact_sheet(Path(scratch) / SHEET, reference.frames, lifted.drawn, reference.rate, notes)
        os.replace(Path(scratch) / SHEET, folder / SHEET)
