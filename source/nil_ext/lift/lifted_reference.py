# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""References with the motion behind their masks, found once and kept."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ..reference.alignment import apply
from ..reference.cache import build_folder, cache_root
from ..reference.reference import Reference
from ..reference.verdict import with_lift
from ..robots.robot import Robot
from .lifting import Lifted, lift
from .search import LiftSettings, Report

VERSION = 4
"""Raise it when the lift finds or reports something else for the same clip: what was kept is then found anew."""


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
        with build_folder(folder) as temporary:
            moved_to(reference, lifted).write(temporary)
    return Reference.load(folder)


def moved_to(reference: Reference, lifted: Lifted) -> Reference:
    """The reference with its motion, its pictures moved to where the motion is; both as before where it is refused.

    A clip is aligned by heights before it is lifted, so that a robot which crouches comes out too large. The quality
    report, where there is one, learns how nearly poses of the robot make the masks.
    """
    meta = reference.meta | {"lift": lifted.about | {"accepted": lifted.accepted}}
    if "quality" in meta:
        supported = lifted.about["supported"]
        meta["quality"] = with_lift(meta["quality"], lifted.motion["iou"], supported, reference.rate)
    if not lifted.accepted:
        return replace(reference, meta=meta)
    frames, masks = apply(lifted.alignment, reference.frames, reference.masks, reference.masks.shape[-1])
    return replace(reference, frames=frames, masks=masks, motion=lifted.motion, meta=meta)
