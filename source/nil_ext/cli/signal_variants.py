# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Rollouts that are wrong in a known way, to hold a reward stream against: of a video, and of a sketch's motion."""

from __future__ import annotations

import math

import numpy as np

from ..reference.generators.sketch import WalkSketch

SHIFTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20)
"""How many frames ahead of the reference a rollout is."""

ITSELF = "itself"

_GRAVITY = 9.81
_FIRST_LEAN = 0.1
"""Where a fall begins [rad]."""
_LYING = 0.15
"""Height of the root of a robot that lies [m]."""


def ahead(frames: int) -> str:
    """Name of the rollout that is so many frames ahead."""
    return f"{frames} frame{'s' if frames > 1 else ''} ahead"


def video_variants(count: int) -> dict[str, np.ndarray]:
    """Frames of a video of that many frames that each variant shows, one after the other, by name."""
    time = np.arange(count)
    shifted = {ahead(shift): time[shift:] for shift in SHIFTS if shift < count}
    return {
        ITSELF: time,
        **shifted,
        "at half speed": time // 2,
        "mirrored in time": np.flip(time).copy(),
        "frozen at its middle frame": np.full(count, count // 2),
    }


def motion_variants(
    motion: dict[str, np.ndarray], sketch: WalkSketch, count: int, rate: float
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Motions of the robot, by name, each as joint angles (T, J) [rad] and root poses (T, 7).

    Args:
        motion: the sketch's motion at the control rate; its frame 0 is e0.
        sketch: where the motion comes from; says which joints are a leg.
        count: longest motion [frames].
        rate: frames per second [Hz].
    """
    joints, root = motion["joint_pos"][:count], motion["root_pose"][:count]
    e0_joints, e0_root = np.repeat(joints[:1], len(joints), axis=0), np.repeat(root[:1], len(root), axis=0)
    leg = sketch.legs[0]
    columns = [i for i, name in enumerate(motion["joint_names"]) if name in (leg.hip, leg.knee, leg.ankle)]
    one_leg = joints.copy()
    one_leg[:, columns] = e0_joints[:, columns]
    fall = _fall(e0_root[0], len(joints), rate)
    return {
        "the sketch, filmed again": (joints, root),
        "sketch with one leg frozen": (one_leg, root),
        "sketch turned by 30 degrees": (joints, _turned(root, 30.0)),
        "sketch turned by 90 degrees": (joints, _turned(root, 90.0)),
        "standing at e0": (e0_joints, e0_root),
        "falling forwards": (e0_joints[: len(fall)], fall),
    }


def _turned(root: np.ndarray, angle: float) -> np.ndarray:
    """Root poses (T, 7) of an upright robot, turned about the vertical [deg]."""
    half = math.radians(angle) / 2.0
    turned = root.copy()
    turned[:, 3:] = (0.0, 0.0, math.sin(half), math.cos(half))
    return turned


def _fall(start: np.ndarray, longest: int, rate: float) -> np.ndarray:
    """Root poses (T, 7) of a stiff robot that tips over its feet like a pendulum, until it lies on its front."""
    height, step = start[2], 1e-3
    lean, speed, leans = _FIRST_LEAN, 0.0, []
    while lean < math.pi / 2.0:
        leans.append(lean)
        speed += step * _GRAVITY / height * math.sin(lean)
        lean += step * speed
    times = np.arange(min(longest, int((len(leans) - 1) * step * rate) + 1)) / rate
    angle = np.interp(times, np.arange(len(leans)) * step, leans)
    poses = np.zeros((len(times), 7))
    poses[:, 2] = np.maximum(height * np.cos(angle), _LYING)
    poses[:, 4], poses[:, 6] = np.sin(angle / 2.0), np.cos(angle / 2.0)
    return poses
