# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Names of what a robot's state holds, by which simulator and trajectories are matched."""

from __future__ import annotations

from collections.abc import Sequence

STATE_GROUP = "state"
"""Observation group that holds the state."""

ROOT_FEATURES = ("root_height", "gravity", "root_lin_vel", "root_ang_vel")
"""Height of the root above the ground [m]; the world's down, linear [m/s] and angular velocity [rad/s] of the root, all
three in the root's frame."""

JOINT_FEATURES = ("joint_pos", "joint_vel")
"""Angles [rad] and velocities [rad/s] of the joints."""


def state_names(joint_names: Sequence[str]) -> list[str]:
    """Names of the columns of the state of a robot with these joints, in the order of the observation group.

    >>> state_names(["knee"])[0], state_names(["knee"])[1], state_names(["knee"])[-1]
    ('root_height', 'gravity.x', 'joint_vel.knee')
    """
    names = [ROOT_FEATURES[0], *(f"{feature}.{axis}" for feature in ROOT_FEATURES[1:] for axis in "xyz")]
    return names + [f"{feature}.{joint}" for feature in JOINT_FEATURES for joint in joint_names]
