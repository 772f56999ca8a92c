# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What the program has to know about an embodiment: plain facts, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RobotModel:
    """A robot model file (MJCF, URDF or USD) that an installed Python package carries, or one on disk."""

    package: str
    """Import name or distribution name of the package that holds the model; empty for a file on disk."""

    path: str
    """Model file relative to the package's folder, or on disk."""

    licence: str
    """Licence of the model (SPDX)."""

    keep_links: tuple[str, ...] = ()
    """Links of a URDF that stay bodies though their joint is fixed; the others become part of their parent."""

    locked_joints: tuple[str, ...] = ()
    """Joints of a URDF that are fixed at 0."""

    colliding_links: tuple[str, ...] = ()
    """Links of a URDF that touch things; empty for all. Detailed hulls of every link are slow and overlap."""


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
class EnvReward:
    """LocoMuJoCo's task reward, by which the paper compares methods: a sum over control steps at 100 Hz.

    Humanoids earn ``exp(-(v_x - speed)^2)`` a step, quadrupeds ``exp(-5 |v_xy - (speed, 0)|)``.
    """

    kind: str = "humanoid"
    """``humanoid`` or ``quadruped``."""

    speed: float = 1.25
    """Wanted forward speed [m/s]."""

    steps: int = 400
    """Steps of a full episode, which is the largest value."""


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

    sole_points: tuple[tuple[float, float, float], ...]
    """Points of a foot that may touch the ground, in the foot body's frame [m]: corners, heel and toe, or a centre."""

    sole_radius: float
    """Distance from those points to the ground when they touch it [m]."""

    mass: float
    """Total mass of the model [kg]."""

    colour: tuple[float, float, float]
    """Colour in which the robot is filmed, linear RGB in [0, 1]; a USD keeps its own."""

    fall: FallLimits
    """When an episode ends early."""

    env_reward: EnvReward = field(default_factory=EnvReward)
    """The task reward that the paper reports."""

    armature: dict[str, float] = field(default_factory=dict)
    """Inertia of a motor's rotor as its joint feels it [kg·m²]; empty for what the physics backend reads in the model.

    Newton reads an MJCF's, PhysX reads none, and without any a light foot shakes under position control."""

    residual_scale: dict[str, float] = field(default_factory=lambda: {".*": 0.2})
    """How far an action of 1 moves a joint's position target from the reference's, where its motion is known [rad].

    Joints that are not in it follow the reference: a policy learns sooner without what does not help to balance."""

    tracking_first: bool = True
    """Whether the ``cpu`` profile's training follows a reference's joint angles before its video (docs/method.md)."""

    episode_length: float = 4.0
    """Length of an episode, and of the sketch [s]."""

    camera: CameraFraming = field(default_factory=CameraFraming)
    """How the reference and the rollouts are filmed."""
