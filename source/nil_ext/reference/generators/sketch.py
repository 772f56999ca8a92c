# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The sketch: a procedural gait whose joint angles are known, so that a reference exists without a video model.

A sketch is never called a generated video. It serves machines that hold no diffusion weights, and tests: the true
pose of every frame is part of it. The gait is planar: each ankle follows a path given in the robot's frame and the
leg follows by two-link inverse kinematics, so a foot in stance does not slide while the root moves at the gait's speed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Leg:
    """A leg with parallel pitch joints whose axes point to the robot's left (+y) and are zero when it is straight."""

    hip: str
    """Hip pitch joint."""
    knee: str
    """Knee joint; positive bends the shank backwards."""
    thigh: float
    """Hip to knee [m]."""
    shank: float
    """Knee to ankle [m]."""
    phase: float
    """Where in the stride this leg is at time 0, as a share of the stride; 0 is a foot that has just been loaded."""
    ankle: str = ""
    """Ankle pitch joint; empty for a leg that ends in a point."""
    shoulder: str = ""
    """Shoulder pitch joint of the same side, which swings against the leg; empty for a robot without arms."""
    knee_forward: bool = True
    """Whether the knee points forward, as a human's, or backward, as a quadruped's elbow."""


@dataclass(frozen=True)
class WalkSketch:
    """A steady walk or trot. The stride begins in the middle of the double support with the first leg in front."""

    legs: tuple[Leg, ...]
    """The legs; those half a stride apart alternate, those of one phase move together."""
    hip_offset: tuple[float, float]
    """Hip pitch axis in the root's frame: forward, up [m]."""
    sole: float
    """Height of the ankle axis above the ground in stance [m]."""
    hip_height: float
    """Height of the hip axis above the ankle axis in stance [m]; below thigh + shank, so that knees stay bent."""
    stance_centre: float
    """Ankle ahead of the hip axis at mid-stance [m]; chosen so that the feet stand under the centre of mass."""
    speed: float
    """Forward speed [m/s]."""
    stride_time: float
    """Time of two steps [s]."""
    duty: float
    """Share of the stride that a foot is on the ground; above 0.5 there is double support."""
    clearance: float
    """How high a swinging foot is lifted [m]."""
    arm_swing: float = 0.0
    """Amplitude of the shoulders [rad]."""
    arm_rest: float = 0.0
    """Angle about which the shoulders swing [rad]."""

    @property
    def root_height(self) -> float:
        """Height of the root above the ground [m]."""
        return self.sole + self.hip_height - self.hip_offset[1]

    @property
    def start_joint_pos(self) -> dict[str, float]:
        """Joint angles at time 0 [rad], by joint name."""
        names, angles = self.joint_angles(np.zeros(1))
        return {name: float(angle) for name, angle in zip(names, angles[0], strict=True)}

    def joint_angles(self, time: np.ndarray) -> tuple[list[str], np.ndarray]:
        """Angles of the joints that the gait moves.

        Args:
            time: Times [s]. Shape is (T,).

        Returns:
            The joint names (J,) and the angles [rad]. Shape is (T, J).
        """
        names: list[str] = []
        columns: list[np.ndarray] = []
        for leg in self.legs:
            # the stride starts when the foot is loaded, half a double support before time 0
            phase = (time / self.stride_time + leg.phase + 0.5 * (self.duty - 0.5)) % 1.0
            forward, lift = self._foot_path(phase)
            hip, knee = _two_link(forward, self.hip_height - lift, leg)
            names += [leg.hip, leg.knee]
            columns += [hip, knee]
            if leg.ankle:  # the sole stays level
                names.append(leg.ankle)
                columns.append(-(hip + knee))
            if leg.shoulder:  # the arm swings with the opposite leg
                names.append(leg.shoulder)
                swing = self.arm_swing * np.cos(2 * np.pi * (time / self.stride_time + leg.phase))
                columns.append(self.arm_rest + swing)
        return names, np.stack(columns, axis=1)

    def _foot_path(self, phase: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ankle ahead of the hip and above its stance height [m], by phase of the stride."""
        reach = 0.5 * self.duty * self.stride_time * self.speed
        stance = phase < self.duty
        swing = np.clip((phase - self.duty) / (1.0 - self.duty), 0.0, 1.0)
        # a cubic that leaves and lands with the ground's own speed, so that a foot neither scuffs nor stamps
        slope = -2.0 * reach * (1.0 - self.duty) / self.duty
        blend = swing**2 * (3.0 - 2.0 * swing)
        hermite = slope * (swing**3 - 2.0 * swing**2 + swing) + slope * (swing**3 - swing**2)
        forward = np.where(stance, reach * (1.0 - 2.0 * phase / self.duty), -reach + 2.0 * reach * blend + hermite)
        lift = np.where(stance, 0.0, self.clearance * np.sin(np.pi * swing) ** 2)
        return forward + self.stance_centre, lift

    def motion(self, default_joint_pos: dict[str, float], duration: float, rate: float) -> dict[str, np.ndarray]:
        """The walk as a motion along +x.

        Args:
            default_joint_pos: Angle of every joint of the robot [rad], by name; the gait overrides those that it moves.
            duration: Length [s].
            rate: Frames per second [Hz]. There are ``round(duration * rate) + 1`` frames, the first at time 0.

        Returns:
            ``joint_names`` (J,), ``joint_pos`` (T, J) [rad], ``joint_vel`` (T, J) [rad/s], ``root_pose`` (T, 7) as
            xyz [m] and quaternion xyzw, ``root_vel`` (T, 6) linear [m/s] and angular [rad/s].
        """
        time = np.arange(round(duration * rate) + 1) / rate
        names = list(default_joint_pos)
        step = 1e-4
        joint_pos = np.tile(np.array([default_joint_pos[n] for n in names]), (len(time), 1))
        joint_vel = np.zeros_like(joint_pos)
        moved, angles = self.joint_angles(time)
        columns = [names.index(name) for name in moved]
        joint_pos[:, columns] = angles
        joint_vel[:, columns] = (self.joint_angles(time + step)[1] - self.joint_angles(time - step)[1]) / (2 * step)
        root_pose = np.zeros((len(time), 7))
        root_pose[:, 0] = self.speed * time
        root_pose[:, 2] = self.root_height
        root_pose[:, 6] = 1.0
        root_vel = np.zeros((len(time), 6))
        root_vel[:, 0] = self.speed
        return {
            "joint_names": np.array(names),
            "joint_pos": joint_pos,
            "joint_vel": joint_vel,
            "root_pose": root_pose,
            "root_vel": root_vel,
        }


def _two_link(forward: np.ndarray, down: np.ndarray, leg: Leg) -> tuple[np.ndarray, np.ndarray]:
    """Hip and knee angles that put the ankle ``forward`` of and ``down`` from the hip."""
    distance = np.hypot(forward, down)
    if distance.max() >= leg.thigh + leg.shank:
        raise ValueError(
            f"A stance foot is {distance.max():.3f} m from the hip, but the leg is {leg.thigh + leg.shank:.3f} m."
        )
    bend = np.pi - np.arccos((leg.thigh**2 + leg.shank**2 - distance**2) / (2.0 * leg.thigh * leg.shank))
    knee = bend if leg.knee_forward else -bend
    lead = np.arctan2(leg.shank * np.sin(knee), leg.thigh + leg.shank * np.cos(knee))
    return np.arctan2(-forward, down) - lead, knee
