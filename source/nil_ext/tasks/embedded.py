# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""References that come with the repository, one a task, under ``assets/references``."""

from __future__ import annotations

import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

import gymnasium as gym
import numpy as np

from ..errors import InputError
from ..lift.lifted_reference import with_motion
from ..lift.search import Report
from ..reference import Reference, prepare
from ..reference.pipeline import Preparation
from ..reference.reference import is_reference
from ..reference.segmenters import SegmenterChoice
from ..reference.verdict import summary, times_of

if TYPE_CHECKING:
    from .mdp import ReferenceCommandCfg

ASSETS = Path(__file__).resolve().parents[3] / "assets"
"""Folder of embedded assets; it lies beside the package in a checkout (and in an editable install)."""


SIDE_VIEW = (0.0, 0.0)
"""Azimuth and elevation [deg] of a camera at the robot's side."""

START_POSE = "start pose"
"""Kind of a reference that shows e0 and no motion: of a robot that has no sketch. Clips are aligned to it."""


def reference_folder(task: str) -> Path:
    """Where the task's own reference is: among the assets, or for a robot of the user's own in the cache."""
    own = gym.spec(task).kwargs.get("reference_folder")
    return Path(own) if own else ASSETS / "references" / task


def embedded_reference(task: str) -> Reference:
    """The task's own reference, a sketch.

    Raises:
        InputError: When there is none.
    """
    folder = reference_folder(task)
    if not folder.is_dir():
        robot_file = gym.spec(task).kwargs.get("robot_file")
        option = f"--robot {robot_file}" if robot_file else f"--task {task}"
        raise InputError(
            f"Task '{task}' has no reference of its own at '{folder}' yet: draw it with "
            f"'./isaaclab.sh -p scripts/generate.py {option}'."
        )
    return Reference.load(folder)


def load_reference(cfg: ReferenceCommandCfg, report: Report | None = None, device: str = "cpu") -> Reference:
    """The reference that a task's settings name (a prepared folder or a video file), or its own where they name none.

    A clip is aligned to the first frame of the embedded reference, which is the robot at e0 as the task's camera
    sees it, and lifted where the settings say so and its motion is not known (minutes; then it is in the cache). What
    cannot be lifted comes without a motion, and :func:`describe` says why.

    Args:
        cfg: settings of the reference.
        report: told how far the lift is.
        device: where a clip's networks run (segmentation, frames between frames), the first time it is seen.

    Raises:
        InputError: When the task's own shows no motion, the one at the path cannot be used, or the robot is seen from
            elsewhere than the settings say.
    """
    embedded = embedded_reference(cfg.task)
    if cfg.path:
        if not is_reference(cfg.path):
            _require_view(embedded, cfg)  # before minutes are spent on a clip, which is aligned to it
        how = Preparation(device=device, segmenter=SegmenterChoice(device=device))
        reference = prepare(cfg.path, embedded.masks[0], task=cfg.task, robot=cfg.robot, settings=how)
        if cfg.lift and reference.motion is None:
            robot = pkgutil.resolve_name(gym.spec(cfg.task).kwargs["robot_entry_point"])
            reference = with_motion(reference, robot, report)
    elif embedded.meta["source"]["kind"] == START_POSE:
        raise InputError(f"Robot '{cfg.robot}' has no sketch to imitate: give a clip with --reference, or a [sketch].")
    else:
        reference = embedded
    _require_view(reference, cfg)
    return reference


def at_control_rate(reference: Reference, cfg: ReferenceCommandCfg, rate: float) -> Reference:
    """The reference with a frame for each control step, by time or as the settings say (``frame_per_step``).

    Args:
        reference: any.
        cfg: settings of the reference.
        rate: control steps per second [Hz].
    """
    return reference.frame_per_step(rate) if cfg.frame_per_step else reference.resample(rate)


def wanted_view(cfg: ReferenceCommandCfg) -> tuple[float, float]:
    """Azimuth and elevation [deg] that a sketch is drawn from: the side view where the settings name none."""
    azimuth, elevation = (
        0.0 if angle is None else float(angle) for angle in (cfg.camera_azimuth, cfg.camera_elevation)
    )
    return azimuth, elevation


def view_of(reference: Reference) -> tuple[float, float]:
    """Azimuth and elevation [deg] from which a reference shows the robot: what notes none was aligned to the side view.

    A sketch notes it, and a clip of which the lift has found that its camera looks down.
    """
    azimuth, elevation = reference.meta.get("view", SIDE_VIEW)
    return azimuth, elevation


def _require_view(reference: Reference, cfg: ReferenceCommandCfg) -> None:
    """Refuse settings that name another view than a reference's.

    Raises:
        InputError: When they do.
    """
    for name, setting, shown in zip(
        ("azimuth", "elevation"), (cfg.camera_azimuth, cfg.camera_elevation), view_of(reference), strict=True
    ):
        if setting is not None and float(setting) != shown:
            raise InputError(
                f"The reference shows the robot from an {name} of {shown:g} degrees, and "
                f"env.commands.reference.camera_{name} is {setting:g}: leave that out, or draw a sketch with it "
                "(scripts/generate.py --output FOLDER) and give that with --reference."
            )


def describe(reference: Reference) -> str:
    """What a reference is, how good it is, and what is known of its motion; a few lines at most."""
    source, quality, lifted = (reference.meta.get(name) for name in ("source", "quality", "lift"))
    text = f"{source.get('name', source['kind'])}, {reference.duration:.2f} s at {reference.rate:g} Hz"
    if quality:
        text += f"; {summary(quality)}"
    if reference.motion is None:
        text += f"\n  its motion is not known{_why(lifted, reference) if lifted else ''}"
    elif lifted:
        text += f"\n  its motion was lifted: {lifted['speed']:.2f} m/s, mask IoU {lifted['iou']['mean']:.2f}"
    return text


def _why(lifted: dict, reference: Reference) -> str:
    """Why a lift found no motion: part of a sentence."""
    if "refused" in lifted:
        return f": {lifted['refused']}"
    times = times_of(np.array(lifted["lost"]), reference.rate)
    return f": in {len(lifted['lost'])} of {len(reference)} frames no pose looks like the mask ({times})"
