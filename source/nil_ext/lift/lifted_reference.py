# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""References with the motion behind their masks, found once and kept."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ..reference.cache import build_folder, cache_root
from ..reference.reference import Reference
from ..robots.robot import Robot
from .lifting import LiftSettings, Report, lift

VERSION = 1
"""Raise it when the lift finds something else for the same clip: what was kept is then found anew."""


def with_motion(reference: Reference, robot: Robot, report: Report | None = None) -> Reference:
    """The reference with the motion that :func:`~nil_ext.lift.lifting.lift` finds, from the cache where it is there.

    Where too many frames show no pose of the robot it comes back without a motion, and its ``meta["lift"]`` says so.

    Args:
        reference: a clip whose motion is unknown.
        robot: whose clip it is.
        report: told about progress.

    Raises:
        InputError: When the clip is too short, or the robot's model cannot be read or shows no joint in a side view.
    """
    key = hashlib.sha256(f"{VERSION} {LiftSettings()} {robot} {reference.digest}".encode()).hexdigest()
    folder = cache_root() / "lifts" / f"{robot.name}-{key[:16]}"
    if not (folder / "reference.json").is_file():
        lifted = lift(reference.masks, reference.rate, robot, report=report)
        about = lifted.about | {"accepted": lifted.accepted}
        motion = lifted.motion if lifted.accepted else None
        with build_folder(folder) as temporary:
            replace(reference, motion=motion, meta=reference.meta | {"lift": about}).write(temporary)
    return Reference.load(folder)
