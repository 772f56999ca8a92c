# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""From the masks of a clip to the motion that makes them: poses are searched, and what the feet do gives the speed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from ..reference.alignment import Alignment
from ..reference.verdict import times_of
from ..robots.robot import Robot
from .motion import course_through, make_motion
from .search import Clip, LiftSettings, PoseSearch, Report
from .silhouette import NUM_ROOT, Puppet
from .skeleton import read_skeleton
from .whole_clip import fit_whole

_FEWEST = 6
"""Fewest frames that are lifted: courses and speeds need some."""


@dataclass(frozen=True)
class Lifted:
    """What was found, at the reference's own rate."""

    motion: dict[str, np.ndarray]
    """As :attr:`~nil_ext.reference.Reference.motion`; with ``contact`` (T, F), 1 where a foot stands, ``foot_names``
    (F,), ``iou`` (T,) of each mask with the pose's, and ``deviation`` (T, J), the angles' uncertainty [rad]."""
    joints: tuple[str, ...]
    """The joints that the pictures decided; the others are at e0."""
    speed: float
    """Mean forward speed [m/s]."""
    drawn: np.ndarray
    """Masks of the poses found. Shape is (T, S, S) bool."""
    alignment: Alignment
    """How the clip has to be moved to show the motion in the task's camera: the robot at its own size, its root in the
    middle, its feet on the ground."""
    lost: np.ndarray
    """Numbers of the frames below :attr:`LiftSettings.least_iou`."""
    accepted: bool
    """Whether few enough frames are lost."""
    about: dict = field(default_factory=dict)
    """What the reference's manifest keeps."""


def lift(
    masks: np.ndarray, rate: float, robot: Robot, settings: LiftSettings | None = None, report: Report | None = None
) -> Lifted:
    """Find the motion that makes the masks.

    Args:
        masks: the robot in the task's camera. Shape is (T, S, S) bool.
        rate: frames per second [Hz].
        robot: whose clip it is.
        settings: how; ours if None.
        report: told about progress.

    Raises:
        InputError: When the clip is too short, or the robot's model cannot be read or shows no joint that turns in the
            picture's plane.
    """
    settings, report = settings or LiftSettings(), report or (lambda step, share: None)
    report("reading the model", 0.0)
    puppet = Puppet(read_skeleton(robot), robot)
    if not puppet.joints:
        raise InputError(f"Robot '{robot.name}' has no joint that turns in a side view's plane: nothing can be lifted.")
    stride = max(1, round(rate / settings.rate))
    seen = masks[::stride]
    if len(seen) < _FEWEST:
        raise InputError(f"{len(masks)} frames at {rate:g} Hz are too few to lift: give more of the clip.")
    found = PoseSearch(Clip(seen, rate / stride, settings), puppet, report).run()
    fit = fit_whole(found, report)
    path, puppet = fit.path, fit.puppet
    report("measuring the ground", 0.98)
    drawn = _drawn(puppet, path, len(masks), stride, masks.shape[-1])
    overlap = (drawn & masks).sum(axis=(1, 2)) / np.maximum((drawn | masks).sum(axis=(1, 2)), 1)
    motion, speed, support = make_motion(puppet, path, fit.deviation, len(masks), stride, rate)
    motion["iou"] = overlap
    alignment = _alignment(puppet, path, stride, motion["root_pose"][:, 2], masks.shape[-1])
    lost = np.flatnonzero(overlap < settings.least_iou)
    about = {
        "joints": list(puppet.joint_names),
        "iou": {"mean": float(overlap.mean()), "least": float(overlap.min()), "each": overlap.round(3).tolist()},
        "deviation": float(np.median(fit.deviation[:, NUM_ROOT:])),
        "speed": speed,
        "supported": support,
        "zoom": float(np.median(path[:, 3])),
        "camera_distance": puppet.distance,
        "camera_elevation": puppet.elevation,
        "rate": rate / stride,
        "lost": lost.tolist(),
    }
    report("done", 1.0)
    accepted = len(lost) <= settings.most_lost * len(masks)
    return Lifted(motion, puppet.joint_names, speed, drawn, alignment, lost, accepted, about)


def require_accepted(lifted: Lifted, rate: float, settings: LiftSettings | None = None) -> None:
    """Refuse a lift that lost the robot.

    Raises:
        InputError: With the frames, as times.
    """
    if lifted.accepted:
        return
    settings = settings or LiftSettings()
    iou, where = lifted.motion["iou"], times_of(lifted.lost, rate)
    raise InputError(
        f"The clip cannot be lifted: in {len(lifted.lost) / len(iou):.0%} of the frames ({where}) "
        f"no pose of this robot looks like the mask (IoU below {settings.least_iou:g}, {iou.mean():.2f} on average): "
        "give a clip that shows this robot exactly from the side, whole, in every frame, or a part of it that does "
        "(--video CLIP --trim START:END)."
    )


def _drawn(puppet: Puppet, path: np.ndarray, count: int, stride: int, size: int) -> np.ndarray:
    """Masks (T, size, size) of the path at the reference's rate."""
    poses = course_through(np.arange(len(path)) * stride, path)(np.arange(count))
    parts = np.array_split(poses, -(-count // 64))
    return np.concatenate([puppet.draw(part, size) > 0.5 for part in parts])


def _alignment(puppet: Puppet, path: np.ndarray, stride: int, heights: np.ndarray, size: int) -> Alignment:
    """From the poses as the clip shows them to the motion: root heights (T,) on the ground, its way left out.

    Each frame is moved to where the root is: in x because the follow camera holds it, in y because a generated robot
    hovers and sinks, which one with weight cannot follow. In size one value holds for all frames, because that camera
    does not zoom.
    """
    poses = course_through(np.arange(len(path)) * stride, path)(np.arange(len(heights)))
    pixels = size / puppet.extent  # a metre, where the root is
    scale = 1.0 / np.median(poses[:, 3])
    middle = 0.5 * size * (1.0 - scale)
    above = poses[:, 1] - heights
    shift_y = middle + pixels * puppet.lowered * (puppet.height * (1.0 - scale) + above)
    return Alignment(
        scale * np.ones(len(heights)), middle - pixels * poses[:, 0], shift_y, float(pixels * np.ptp(poses[:, 0]))
    )
