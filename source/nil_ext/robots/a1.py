# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Unitree A1: a quadruped with 12 joints, 13.7 kg, trunk 0.27 m above the ground.

Model, masses, joint ranges and torque limits: Unitree's URDF as the package example-robot-data carries it
(BSD-3-Clause). It has a massless root and stubs behind fixed joints, which are fused (``urdf.py``). Gains for position
control: ours, as stiff as it takes to follow the trot with targets at 25 Hz. Fall limits: LocoMuJoCo 0.4.1, UnitreeA1
(see ``docs/method.md``); it names neither an upper height nor a heading.
"""

from __future__ import annotations

from math import inf

from ..reference.generators.sketch import Leg, WalkSketch
from .robot import CameraFraming, EnvReward, FallLimits, Robot, RobotModel

_LEGS = {"FR": 0.0, "RL": 0.0, "FL": 0.5, "RR": 0.5}
"""Phases of a trot: diagonal legs move together."""

A1_WALK = WalkSketch(
    legs=tuple(
        Leg(
            hip=f"{leg}_thigh_joint",
            knee=f"{leg}_calf_joint",
            thigh=0.2,
            shank=0.2,
            phase=phase,
            knee_forward=False,
        )
        for leg, phase in _LEGS.items()
    ),
    hip_offset=(0.0, 0.0),
    sole=0.02,
    hip_height=0.29,
    stance_centre=0.0,
    speed=0.5,
    stride_time=0.4,
    duty=0.55,
    clearance=0.08,
)
"""Procedural trot at 0.5 m/s, a stride every 0.4 s. Played open loop the robot reaches 0.39 m/s; feet lifted by 0.04 m
drag, and it reaches half of that (docs/results/2026-11-21-a1-tracking.md)."""

A1 = Robot(
    name="A1",
    noun="A1 quadruped robot",
    model=RobotModel(
        package="example-robot-data",
        path="cmeel.prefix/share/example-robot-data/robots/a1_description/urdf/a1.urdf",
        licence="BSD-3-Clause",
        keep_links=tuple(f"{leg}_foot" for leg in _LEGS),
    ),
    start_height=A1_WALK.root_height,
    start_joint_pos={**A1_WALK.start_joint_pos, ".*_hip_joint": 0.0},
    effort_limits={".*": 33.5},
    stiffness={".*": 150.0},
    damping={".*": 2.0},
    action_scale={".*_hip_joint": 0.1, ".*_(thigh|calf)_joint": 0.35},
    residual_scale={".*_hip_joint": 0.1, ".*_(thigh|calf)_joint": 0.2},
    feet=tuple(f"{leg}_foot" for leg in _LEGS),
    torso="trunk",
    sole_points=((0.0, 0.0, 0.0),),
    sole_radius=0.02,
    mass=13.741,
    colour=(0.3, 0.3, 0.3),
    fall=FallLimits(height=(-0.24, inf), tilt=(-0.192, 0.192), list=(-0.279, 0.279), heading=(-inf, inf)),
    camera=CameraFraming(distance=2.5, height=0.2, extent=0.8),
    env_reward=EnvReward(kind="quadruped", speed=0.5, steps=300),
    episode_length=3.0,
)
"""The A1 at a mid-stride start pose, one diagonal in front of the other, all feet on the ground."""
