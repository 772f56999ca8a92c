# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""References with the motion behind their masks, found once and kept."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..reference.alignment import apply
from ..reference.cache import build_folder, cache_root
from ..reference.reference import Reference, load_kept
from ..reference.verdict import with_lift
from ..robots.robot import Robot
from .lifting import Lifted, lift
from .search import LiftSettings, Report
from .skeleton import model_hash

VERSION = 10
"""Raise it when the lift finds or reports something else for the same clip: what was kept is then found anew."""


def with_motion(reference: Reference, robot: Robot, report: Report | None = None) -> Reference:
    """The reference with the motion that :func:`~nil_ext.lift.lifting.lift` finds, from the cache where it is there.

    Where it cannot be lifted it comes back without a motion, and its ``meta["lift"]`` says so: ``lost`` names the
    frames that show no pose of the robot, or ``refused`` gives the reason why none was searched for (a clip too short,
    a model that the lift does not know).

    Args:
        reference: a clip whose motion is unknown.
        robot: whose clip it is.
        report: told about progress.

    Raises:
        InputError: When the robot's model is missing, or the cache cannot be written.
    """
    about = f"{VERSION} {LiftSettings()} {robot} {model_hash(robot)} {reference.digest}"
    folder = cache_root() / "lifts" / f"{robot.name}-{hashlib.sha256(about.encode()).hexdigest()[:16]}"
    damaged = folder.is_dir()
    if damaged and (kept := load_kept(folder)) is not None:
        # the same pixels may be another clip's, or have been judged anew
        return replace(kept, meta=_meta(reference, kept.meta["lift"], kept.motion))
    try:
        lifted = lift(reference.masks, reference.rate, robot, report=report)
    except InputError as error:
        return replace(reference, meta=reference.meta | {"lift": {"accepted": False, "refused": str(error)}})
    found = moved_to(reference, lifted)
    with build_folder(folder, replace=damaged) as temporary:
        found.write(temporary)
    return found


def moved_to(reference: Reference, lifted: Lifted) -> Reference:
    """The reference with its motion, its pictures moved to where the motion is; both as before where it is refused.

    A clip is aligned by heights before it is lifted, so that a robot which crouches comes out too large. The quality
    report, where there is one, learns how nearly poses of the robot make the masks.
    """
    meta = _meta(reference, lifted.about | {"accepted": lifted.accepted}, lifted.motion)
    if not lifted.accepted:
        return replace(reference, meta=meta)
    frames, masks = apply(lifted.alignment, reference.frames, reference.masks, reference.masks.shape[-1])
    return replace(reference, frames=frames, masks=masks, motion=lifted.motion, meta=meta)


def _meta(reference: Reference, about: dict, motion: dict[str, np.ndarray] | None) -> dict:
    """The reference's notes with what the lift says of itself; of a kept lift that was refused there is no motion."""
    meta = reference.meta | {"lift": about}
    if about["accepted"]:
        meta["view"] = [0.0, about["camera_elevation"]]
    if "quality" in meta:
        iou = np.array(about["iou"]["each"]) if motion is None else motion["iou"]
        meta["quality"] = with_lift(meta["quality"], iou, about["supported"], about["speed"], reference.rate)
    return meta
