# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Motions in the layouts that other projects read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from ..files import whole_file
from .skeleton import Skeleton

_FREE, _HINGE = 0, 3
"""MuJoCo's numbers of joint kinds (``mjtJoint``)."""


def tracking_layout(motion: dict[str, np.ndarray], skeleton: Skeleton, rate: float) -> dict[str, np.ndarray]:
    """What the ``MotionLoader`` of whole_body_tracking (BeyondMimic) and of mjlab reads.

    Keys as their loaders have them: ``fps`` (1,), ``joint_pos``, ``joint_vel`` (T, J), ``body_pos_w`` (T, B, 3),
    ``body_quat_w`` (T, B, 4) wxyz, ``body_lin_vel_w``, ``body_ang_vel_w`` (T, B, 3). The loaders take columns by number
    and check nothing, so the order of joints and bodies must be that of the model they are given: here it is the
    model's own tree, depth first, as MuJoCo (mjlab) numbers it. PhysX (whole_body_tracking) numbers breadth first:
    :func:`in_order` sorts by names, which are added as ``joint_names`` and ``body_names``.

    Args:
        motion: see :attr:`~nil_ext.reference.Reference.motion`.
        skeleton: the robot's model.
        rate: frames per second [Hz].
    """
    order = [list(motion["joint_names"]).index(name) for name in skeleton.joint_names]
    joint_pos, joint_vel = motion["joint_pos"][:, order], motion["joint_vel"][:, order]
    poses = skeleton.forward(torch.as_tensor(joint_pos, dtype=torch.float32))[0].double().numpy()  # (T, L, 4, 4)
    root = np.tile(np.eye(4), (len(poses), 1, 1))
    root[:, :3, :3] = Rotation.from_quat(motion["root_pose"][:, 3:]).as_matrix()
    root[:, :3, 3] = motion["root_pose"][:, :3]
    poses = root[:, None] @ poses
    count, bodies = poses.shape[:2]
    turns = Rotation.from_matrix(poses[..., :3, :3].reshape(-1, 3, 3))
    quaternions = turns.as_quat().reshape(count, bodies, 4)
    # the rotation from the frame before to the frame after, over the time between them
    after, before = np.minimum(np.arange(count) + 1, count - 1), np.maximum(np.arange(count) - 1, 0)
    matrices = poses[..., :3, :3]
    between = Rotation.from_matrix((matrices[after] @ matrices[before].transpose(0, 1, 3, 2)).reshape(-1, 3, 3))
    span = np.maximum(after - before, 1)[:, None, None] / rate
    return {
        "fps": np.array([rate]),
        "joint_pos": joint_pos.astype(np.float32),
        "joint_vel": joint_vel.astype(np.float32),
        "body_pos_w": poses[..., :3, 3].astype(np.float32),
        "body_quat_w": quaternions[..., [3, 0, 1, 2]].astype(np.float32),
        "body_lin_vel_w": ((poses[after, :, :3, 3] - poses[before, :, :3, 3]) / span).astype(np.float32),
        "body_ang_vel_w": (between.as_rotvec().reshape(count, bodies, 3) / span).astype(np.float32),
        "joint_names": np.array(skeleton.joint_names),
        "body_names": np.array(skeleton.links),
    }


def in_order(layout: dict[str, np.ndarray], joint_names: list[str], body_names: list[str]) -> dict[str, np.ndarray]:
    """A tracking layout with joints and bodies in another model's order.

    Args:
        layout: see :func:`tracking_layout`.
        joint_names: the joints wanted.
        body_names: the bodies wanted.
    """
    joints = [list(layout["joint_names"]).index(name) for name in joint_names]
    bodies = [list(layout["body_names"]).index(name) for name in body_names]
    columns = {"joint": joints, "body": bodies}
    return {
        key: values
        if key == "fps"
        else values[columns[key.split("_")[0]]]
        if key.endswith("_names")
        else values[:, columns[key.split("_")[0]]]
        for key, values in layout.items()
    }


def loco_mujoco_layout(motion: dict[str, np.ndarray], skeleton: Skeleton, rate: float) -> dict[str, np.ndarray]:
    """What ``Trajectory.load`` of LocoMuJoCo 1.x reads: the fields of its info, model and data that must be there.

    ``qpos`` is the root's position, its quaternion wxyz and the joints; ``qvel`` the root's velocity in the world, its
    angular velocity in its own frame, as MuJoCo has it, and the joints'. LocoMuJoCo sorts joints by name. Nothing else
    may stand in the file: the loader refuses keys that it does not know.

    Args:
        motion: see :attr:`~nil_ext.reference.Reference.motion`.
        skeleton: the robot's model.
        rate: frames per second [Hz].
    """
    order = [list(motion["joint_names"]).index(name) for name in skeleton.joint_names]
    pose, velocity = motion["root_pose"], motion["root_vel"]
    turning = Rotation.from_quat(pose[:, 3:]).inv().apply(velocity[:, 3:])
    count, joints = len(pose), len(order)
    return {
        "joint_names": np.array(["root", *skeleton.joint_names]),
        "frequency": np.array(rate),
        "njnt": np.array(1 + joints),
        "jnt_type": np.array([_FREE] + [_HINGE] * joints),
        "qpos": np.concatenate([pose[:, :3], pose[:, [6, 3, 4, 5]], motion["joint_pos"][:, order]], axis=1),
        "qvel": np.concatenate([velocity[:, :3], turning, motion["joint_vel"][:, order]], axis=1),
        "split_points": np.array([0, count]),
    }


LAYOUTS: dict[str, Callable[[dict[str, np.ndarray], Skeleton, float], dict[str, np.ndarray]]] = {
    "tracking": tracking_layout,
    "loco_mujoco": loco_mujoco_layout,
}
"""Layouts by name: ``tracking`` is whole_body_tracking's and mjlab's."""


def write_layout(path: Path, name: str, motion: dict[str, np.ndarray], skeleton: Skeleton, rate: float) -> None:
    """Write a motion as an .npz in one of :data:`LAYOUTS`."""
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **LAYOUTS[name](motion, skeleton, rate))
