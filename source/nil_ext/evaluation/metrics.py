# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Numbers of an episode. Definitions and their reasons: ``docs/evaluation.md``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from .env_reward import episode_reward
from .joints import mirrored_pairs, symmetry
from .mocap import MocapClip, joint_error
from .rollout import Rollout
from .silhouette import ChamferDistance, gait_period


@dataclass(frozen=True)
class Metric:
    """A number that an episode has."""

    label: str
    """What tables call it."""

    unit: str = ""
    """Its unit; empty for a share or a score."""

    better: int = 0
    """1 where larger is better, -1 where smaller is, 0 where neither can be said."""

    @property
    def title(self) -> str:
        """Label and unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


METRICS = {
    "env_reward": Metric("Env. Reward", better=1),
    "survival": Metric("survival", better=1),
    "time_alive": Metric("time alive", "s", 1),
    "forward_speed": Metric("forward speed", "m/s"),
    "speed_error": Metric("speed error", "m/s", -1),
    "lateral_drift": Metric("lateral drift", "m", -1),
    "mask_iou": Metric("mask IoU", better=1),
    "mask_iou_whole": Metric("mask IoU, 0 after a fall", better=1),
    "chamfer": Metric("silhouette Chamfer", "m", -1),
    "video_similarity": Metric("S_v", better=1),
    "foot_slip": Metric("foot slip", "m/s", -1),
    "torso_tilt": Metric("torso tilt", "deg", -1),
    "torque": Metric("torque, share of limit", better=-1),
    "action_rate": Metric("action rate", "1/s", -1),
    "gait_period": Metric("gait period", "s"),
    "gait_period_error": Metric("gait period error", "s", -1),
    "symmetry": Metric("symmetry", better=1),
    "reference_joint_error": Metric("joint error to reference", "deg", -1),
    "joint_error": Metric("joint error to mocap", "rad", -1),
}
"""Every metric, in the order of the tables."""


@dataclass(frozen=True)
class Yardstick:
    """What episodes are held against."""

    reward_kind: str
    """Kind of the Env. Reward; see :func:`~nil_ext.evaluation.env_reward.env_reward`."""

    speed: float
    """Wanted forward speed [m/s]."""

    reward_steps: int
    """Steps of 100 Hz that the Env. Reward counts."""

    masks: np.ndarray
    """The reference's masks as the rollout's camera would see them, one a control step. (T, S, S) bool."""

    metres_per_pixel: float
    """Size of a pixel at the robot's distance [m]."""

    rate: float
    """Control rate [Hz]."""

    joint_pos: np.ndarray | None = None
    """The reference's own joint angles, a row a mask, in the rollout's order; None where its motion is not known.
    (T, J) [rad]."""

    mocap: MocapClip | None = None
    """A motion to compare joint angles with."""

    @cached_property
    def chamfer(self) -> ChamferDistance:
        """Distance of outlines to the reference's."""
        return ChamferDistance(self.masks, self.metres_per_pixel)

    @cached_property
    def gait_period(self) -> float:
        """The reference's own, by the same function as the rollout's [s]."""
        return gait_period(self.masks, self.rate)


def judge_episodes(rollout: Rollout, yardstick: Yardstick) -> dict[str, np.ndarray]:
    """Every metric of every episode.

    Returns:
        For each of :data:`METRICS` the values (N,); NaN where an episode has none.
    """
    numbers = judge_streams(rollout, yardstick)
    each = [_of_episode(rollout, yardstick, episode) for episode in range(rollout.num_episodes)]
    numbers |= {name: np.array([values[name] for values in each]) for name in each[0]}
    return {name: np.asarray(numbers[name], dtype=float) for name in METRICS}


def judge_streams(rollout: Rollout, yardstick: Yardstick) -> dict[str, np.ndarray]:
    """The metrics of every episode that its streams tell, without a look at its masks: at once, however many.

    Returns:
        For each of them the values (N,); NaN where an episode has none.
    """
    streams, alive = rollout.streams, rollout.alive
    count = alive.sum(axis=0)

    def mean(values: np.ndarray) -> np.ndarray:
        return (values * alive).sum(axis=0) / count

    speed = mean(streams["velocity_xy"][..., 0])
    last = streams["position_xy"][count - 1, np.arange(rollout.num_episodes), 1]
    return {
        "env_reward": episode_reward(
            torch.from_numpy(streams["velocity_xy"]),
            torch.from_numpy(alive),
            yardstick.reward_kind,
            yardstick.speed,
            yardstick.reward_steps,
            1.0 / rollout.rate,
        ).numpy(),
        "survival": rollout.survived.astype(float),
        "time_alive": count / rollout.rate,
        "forward_speed": speed,
        "speed_error": np.abs(speed - yardstick.speed),
        "lateral_drift": np.abs(last),
        "mask_iou": mean(streams["mask_iou"]),
        # a mean over the time alive flatters what falls while it still looks like the start
        "mask_iou_whole": (streams["mask_iou"] * alive).sum(axis=0) / (len(yardstick.masks) - 1),
        "video_similarity": mean(streams["video_similarity"]),
        "foot_slip": mean(streams["foot_slip"]),
        "torso_tilt": mean(np.degrees(np.arcsin(np.sqrt(np.clip(streams["torso_tilt"], 0.0, 1.0))))),
        "torque": np.sqrt(mean(streams["joint_torque"])),
        "action_rate": np.sqrt(mean(streams["action_change"])) * rollout.rate,
        "reference_joint_error": mean(_reference_joint_error(rollout, yardstick.joint_pos)),
    }


def _reference_joint_error(rollout: Rollout, joint_pos: np.ndarray | None) -> np.ndarray:
    """Mean absolute difference of the joint angles to the reference's at each step [deg]; NaN where it knows none.

    Args:
        rollout: T steps of N environments.
        joint_pos: the reference's joint angles, a row a frame. (T', J) [rad].

    Returns:
        Shape is (T, N).
    """
    if joint_pos is None:
        return np.full(rollout.alive.shape, np.nan)
    return np.degrees(np.abs(rollout.streams["joint_pos"] - joint_pos[rollout.frame]).mean(axis=-1))


def _of_episode(rollout: Rollout, yardstick: Yardstick, episode: int) -> dict[str, float]:
    """The metrics that need an episode's whole sequence."""
    length = rollout.length(episode)
    masks, frames = rollout.masks(episode), rollout.frame[:length, episode]
    joint_pos = rollout.streams["joint_pos"][:length, episode]
    period = gait_period(masks, rollout.rate)
    clip = yardstick.mocap
    return {
        "chamfer": float(yardstick.chamfer(masks, frames).mean()),
        "gait_period": period,
        "gait_period_error": abs(period - yardstick.gait_period),
        "symmetry": symmetry(joint_pos, mirrored_pairs(rollout.joint_names)),
        "joint_error": np.nan if clip is None else joint_error(joint_pos, rollout.joint_names, clip, rollout.rate),
    }
