# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The robot's state at each frame of a reference, and in which of them an episode may start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ...errors import InputError
from .terminations import beyond_limits

if TYPE_CHECKING:
    from isaaclab.assets import Articulation

    from ...reference import Reference

_START_SHARE = 0.8
"""Share of the reference in which episodes may start: later ones would be over at once."""

_START_MARGIN = 0.02
"""How far within the limits of height they start [m] (ours): at the limit an episode would be over before it began."""


def reference_states(reference: Reference, robot: Articulation, length: int) -> dict[str, torch.Tensor]:
    """State of the robot at each frame, on its device.

    Args:
        reference: at the control rate.
        robot: whose default state is e0, and whose order of joints counts.
        length: frames T that an episode can last.

    Returns:
        ``root_pose`` (T, 7) over the environment's origin, ``root_vel`` (T, 6), ``joint_pos`` [rad] and ``joint_vel``
        [rad/s] (T, J). Row 0 is e0 at rest, and the only one where the reference's motion is not known.

    Raises:
        InputError: When the motion is of a robot with other joints.
    """
    data, motion = robot.data, reference.motion
    states = {
        "root_pose": data.default_root_pose.torch[:1].clone(),
        "root_vel": data.default_root_vel.torch[:1].clone(),
        "joint_pos": data.default_joint_pos.torch[:1].clone(),
        "joint_vel": data.default_joint_vel.torch[:1].clone(),
    }
    if motion is None:
        return states
    names = [str(name) for name in motion["joint_names"]]
    if unknown := [name for name in robot.joint_names if name not in names]:
        raise InputError(
            f"The reference's motion lacks joints of the robot ({', '.join(unknown)}): the robot was changed since; "
            "draw the sketch or lift the clip again (scripts/generate.py)."
        )
    order = [names.index(name) for name in robot.joint_names]
    for name, rest in states.items():
        rows = torch.as_tensor(motion[name][1:length], dtype=torch.float32, device=rest.device)
        states[name] = torch.cat([rest, rows[:, order] if name.startswith("joint") else rows])
    states["root_pose"][1:, :2] = 0.0  # the camera follows, so where along the path does not matter
    return states


def start_frames(root_pose: torch.Tensor, fall: dict | None) -> torch.Tensor:
    """Frames after e0 in which an episode may start: a lifted motion may leave the limits of a fall.

    Args:
        root_pose: poses of the root by frame, as :func:`reference_states` gives them. Shape is (T, 7).
        fall: arguments of the term that ends episodes by a fall (:func:`.terminations.fallen`); None without one.

    Returns:
        Frames in rising order. Shape is (F,).
    """
    pose = root_pose[1 : max(1, int(_START_SHARE * (len(root_pose) - 1))) + 1]
    if fall is None:
        return torch.arange(1, len(pose) + 1, device=pose.device)
    limits = dict(fall)
    low, high = limits.pop("height")
    limits["height"] = (low + _START_MARGIN, high - _START_MARGIN)
    fallen = beyond_limits(pose[:, 2] - limits.pop("start_height"), pose[:, 3:], **limits)
    return 1 + (~fallen).nonzero().squeeze(1)
