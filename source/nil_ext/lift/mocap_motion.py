# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A trajectory of LocoMuJoCo's as a motion of our robot, to be filmed: what a generated clip can be held against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from ..evaluation.mocap import CLIP_RATE, read_mocap
from ..evaluation.mocap_joints import MOCAP_JOINTS
from ..rl.imitation.mocap_states import root_rotation
from ..robots.joint_names import match_names
from ..robots.robot import Robot
from .ground import on_ground
from .skeleton import read_skeleton


def mocap_motion(path: str | Path, robot: Robot, default: dict[str, float], rate: float) -> dict[str, np.ndarray]:
    """The first clip of a trajectory, walking along +x, its feet on the ground.

    The files' heights count from a place that only their own models tell, so the height follows from the feet: the
    lowest sole, smoothed, is where the ground is. The mean heading is turned to +x. The root stays where it is, for the
    follow camera holds it anyway.

    Args:
        path: the trajectory (.npz).
        robot: whose it is.
        default: angle of every joint [rad] by name; the trajectory overrides those that it knows.
        rate: frames per second [Hz], of which the trajectory's 500 are a multiple.

    Returns:
        ``joint_names``, ``joint_pos`` (T, J) [rad] and ``root_pose`` (T, 7) position [m] and quaternion xyzw.

    Raises:
        InputError: When the file is none of this robot's.
    """
    arrays, cuts = read_mocap(path, robot.name)
    picks = slice(0, cuts[0] if cuts else None, round(CLIP_RATE / rate))
    arrays = {key: values[picks] for key, values in arrays.items()}
    turned = root_rotation(arrays, str(path))
    heading = np.arctan2(*turned.apply([1.0, 0.0, 0.0]).mean(axis=0)[[1, 0]])
    turned = Rotation.from_euler("z", -heading) * turned
    known = {
        ours: arrays[f"q_{name}"] for name, ours in MOCAP_JOINTS[robot.name].items() if ours and f"q_{name}" in arrays
    }
    names, count = list(default), len(turned)
    courses, places = list(known.values()), match_names(names, list(known))
    joint_pos = np.stack(
        [
            np.full(count, default[name]) if place is None else courses[place]
            for name, place in zip(names, places, strict=True)
        ],
        axis=1,
    )
    root_pose = np.zeros((count, 7))
    root_pose[:, 3:] = turned.as_quat()
    root_pose[:, 2] = on_ground(np.zeros(count), _lowest_soles(robot, names, joint_pos, turned), rate)
    return {"joint_names": np.array(names), "joint_pos": joint_pos, "root_pose": root_pose}


def _lowest_soles(robot: Robot, names: list[str], joint_pos: np.ndarray, turned: Rotation) -> np.ndarray:
    """Height of each foot's lowest point above the root's in each frame [m]. Shape is (T, F)."""
    skeleton = read_skeleton(robot)
    order = [names.index(name) for name in skeleton.joint_names]
    root = torch.eye(4).repeat(len(joint_pos), 1, 1)
    root[:, :3, :3] = torch.as_tensor(turned.as_matrix())
    links = skeleton.forward(torch.as_tensor(joint_pos[:, order], dtype=torch.float32))[0]
    return skeleton.soles(root[:, None] @ links)[..., 2].amin(dim=2).double().numpy()
