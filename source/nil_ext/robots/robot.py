# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What the program has to know about an embodiment: plain facts, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RobotModel:
    """A robot model file that an installed Python package carries."""

    package: str
    """Import name of the package that holds the model."""

    path: str
    """Model file (MJCF) relative to the package's folder."""

    licence: str
    """Licence of the model (SPDX)."""


@dataclass(frozen=True)
class CameraFraming:
    """The follow camera: a side view in which the robot faces right."""

    distance: float = 3.5
    """Distance from the robot's root, along -y [m] (LocoMuJoCo's tracking camera, as in the paper's videos)."""

    height: float = 1.0
    """Height of the camera above the ground [m]; it does not follow the robot up and down."""

    extent: float = 2.2
    """Width and height of what the square image shows at the robot's distance [m]."""


@dataclass(frozen=True)
class FallLimits:
    """The robot has fallen when one of these is left. Angles are those of the root link."""

    height: tuple[float, float]
    """Root height relative to the start pose [m]."""

    tilt: tuple[float, float]
    """Pitch, positive nose-down [rad]."""

    list: tuple[float, float]
    """Roll [rad]."""

    heading: tuple[float, float]
    """Yaw away from the start heading [rad]."""


@dataclass(frozen=True)
class Robot:
    """An embodiment. Joint keys are names or regular expressions, resolved by name on every physics backend."""

    name: str
    """Short name, as in the task id."""

    noun: str
    """What the prompt calls it."""

    model: RobotModel
    """Where the model comes from."""

    start_height: float
    """Height of the root above the ground at the start pose e0 [m]."""

    start_joint_pos: dict[str, float]
    """Joint angles of the start pose e0 [rad]."""

    effort_limits: dict[str, float]
    """Largest joint torque [N·m]."""

    stiffness: dict[str, float]
    """Proportional gain of position control [N·m/rad]."""

    damping: dict[str, float]
    """Derivative gain of position control [N·m·s/rad]."""

    action_scale: dict[str, float]
    """How far an action of 1 moves a joint's position target from e0 [rad]."""

    feet: tuple[str, ...]
    """Bodies that may touch the ground."""

    torso: str
    """Body whose tilt counts."""

    sole: float
    """Distance from a foot body's frame down to its sole [m]."""

    mass: float
    """Total mass of the model [kg]."""

    colour: tuple[float, float, float]
    """Colour in which the robot is filmed, linear RGB in [0, 1]."""

    fall: FallLimits
    """When an episode ends early."""

    camera: CameraFraming = field(default_factory=CameraFraming)
    """How the reference and the rollouts are filmed."""
