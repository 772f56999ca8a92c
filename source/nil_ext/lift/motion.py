# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""From poses of the puppet to the robot's motion on the ground."""

from __future__ import annotations

import numpy as np
import torch
from scipy.interpolate import CubicSpline

from ..reference.verdict import MIN_SUPPORTED
from .ground import on_ground, progress, supported
from .silhouette import NUM_ROOT, Puppet

_GROUND_RATE = 100.0
"""Frames per second in which contacts are told apart [Hz]."""


def joint_angles(puppet: Puppet, poses: np.ndarray) -> np.ndarray:
    """All joints (N, J) of poses (N, P) [rad]: those out of the plane are at e0."""
    joint_pos = np.tile(puppet.skeleton.e0, (len(poses), 1))
    joint_pos[:, list(puppet.joints)] = poses[:, NUM_ROOT:]
    return joint_pos


def soles(puppet: Puppet, poses: np.ndarray) -> np.ndarray:
    """Points of the soles of poses (N, P): forward of the root, to its left, above the ground [m]. (N, F, K, 3)."""
    angles = torch.as_tensor(joint_angles(puppet, poses), dtype=torch.float32)
    root = torch.eye(4).repeat(len(poses), 1, 1)
    pitch = torch.as_tensor(poses[:, 2], dtype=torch.float32)
    root[:, 0, 0], root[:, 0, 2] = pitch.cos(), pitch.sin()
    root[:, 2, 0], root[:, 2, 2] = -pitch.sin(), pitch.cos()
    root[:, 2, 3] = torch.as_tensor(poses[:, 1], dtype=torch.float32)
    return puppet.skeleton.soles(root[:, None] @ puppet.skeleton.forward(angles)[0]).double().numpy()


def course_through(times: np.ndarray, values: np.ndarray) -> CubicSpline:
    """The cubic spline through values (N, P) at times (N,), going straight on beyond the last, where a cubic swings.

    A few frames are there wherever the clip's last one is none of those that were looked at.
    """
    course = CubicSpline(times, values)
    straight = np.zeros((4, 1, values.shape[1]))
    straight[2], straight[3] = course(times[-1], 1), values[-1]
    course.extend(straight, 2.0 * times[-1:] - times[-2:-1])
    return course


def make_motion(
    puppet: Puppet, path: np.ndarray, deviation: np.ndarray, count: int, stride: int, rate: float
) -> tuple[dict[str, np.ndarray], float, float]:
    """The motion that belongs to a path of poses, the mean forward speed [m/s], and what share of it is supported.

    Args:
        puppet: the robot, and which of its joints turn in the picture's plane.
        path: poses (T', P), one every ``stride`` frames of the reference.
        deviation: their standard deviations (T', P).
        count: number T of frames of the reference.
        stride: frames of the reference from one pose to the next.
        rate: the reference's frames per second [Hz].
    """
    source = np.arange(len(path)) * stride / rate
    course = course_through(source, path)
    fine = np.linspace(0.0, source[-1], round(source[-1] * _GROUND_RATE) + 1)
    feet = soles(puppet, course(fine))
    moved = progress(feet, _GROUND_RATE)
    root, lowest = course(fine)[:, 1], feet[..., 2].min(axis=2)  # (T'',), (T'', F)
    height = on_ground(root, lowest, _GROUND_RATE)
    support = supported(lowest + (height - root)[:, None]).mean()
    if support < MIN_SUPPORTED:
        # legs hover: on its lowest foot alone a quadruped would sink until half of them carry it
        height = on_ground(root, lowest, _GROUND_RATE, standing=max(1, lowest.shape[1] // 2))
    way = np.interp(source, fine, moved.distance), np.interp(source, fine, height)
    course = course_through(source, np.concatenate([np.stack(way, axis=1), path[:, 2:]], axis=1))
    times = np.arange(count) / rate
    values, velocities = course(times), course(times, 1)
    low, high = puppet.limits.T
    joint_pos = joint_angles(puppet, values)
    joint_pos[:, list(puppet.joints)] = joint_pos[:, list(puppet.joints)].clip(low, high)
    joint_vel, spread_of = np.zeros_like(joint_pos), np.zeros_like(joint_pos)
    joint_vel[:, list(puppet.joints)] = velocities[:, NUM_ROOT:]
    nearest = np.rint(np.arange(count) / stride).astype(int).clip(max=len(path) - 1)
    spread_of[:, list(puppet.joints)] = deviation[nearest, NUM_ROOT:]
    root_pose, root_vel = np.zeros((count, 7)), np.zeros((count, 6))
    root_pose[:, 0], root_pose[:, 2] = values[:, 0], values[:, 1]
    root_pose[:, 4], root_pose[:, 6] = np.sin(0.5 * values[:, 2]), np.cos(0.5 * values[:, 2])
    root_vel[:, 0], root_vel[:, 2], root_vel[:, 4] = velocities[:, 0], velocities[:, 1], velocities[:, 2]
    motion = {
        "joint_names": np.array(puppet.skeleton.joint_names),
        "joint_pos": joint_pos,
        "joint_vel": joint_vel,
        "root_pose": root_pose,
        "root_vel": root_vel,
        "foot_names": np.array(puppet.skeleton.foot_links),
        "contact": moved.contacts[np.rint(times * _GROUND_RATE).astype(int).clip(max=len(fine) - 1)].astype(float),
        "deviation": spread_of,
    }
    return motion, float(moved.distance[-1] / source[-1]), float(support)
