# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""PAL Robotics Talos: a humanoid with 30 moving joints, 90.3 kg, 1.75 m.

Model, masses, joint ranges and torque limits: ``talos_reduced.urdf`` of the package example-robot-data (Apache-2.0).
Each gripper is driven by one joint, which is locked, and has fingers that mimic it; links that cannot move are fused
(``urdf.py``). Gains for position control: ours, with which the Talos stands at e0, and so are the rotors' inertias, of
which the URDF says nothing. Fall limits: LocoMuJoCo 0.4.1, Talos: the H1's, but a narrower heading (see
``docs/method.md``).
"""

from __future__ import annotations

from math import radians

from ..reference.generators.sketch import Leg, WalkSketch
from .robot import CameraFraming, FallLimits, Robot, RobotModel

_ARMS = {
    # the shoulder has no pitch joint of its own: yaw, roll, yaw, then the elbow, which swings
    "arm_left_1_joint": 0.3,
    "arm_right_1_joint": -0.3,
    "arm_left_2_joint": 0.2,
    "arm_right_2_joint": -0.2,
    "arm_.*_[3567]_joint": 0.0,
}

TALOS_WALK = WalkSketch(
    legs=tuple(
        Leg(
            hip=f"leg_{side}_3_joint",
            knee=f"leg_{side}_4_joint",
            ankle=f"leg_{side}_5_joint",
            shoulder=f"arm_{side}_4_joint",
            thigh=0.38,
            shank=0.325,
            phase=phase,
        )
        for side, phase in (("left", 0.0), ("right", 0.5))
    ),
    hip_offset=(-0.02, -0.27105),
    sole=0.1074,
    hip_height=0.631,
    stance_centre=-0.04,
    speed=0.58,
    stride_time=0.66,
    duty=0.56,
    clearance=0.06,
    arm_swing=0.25,
    arm_rest=-0.5,
)
"""Procedural walk at 0.58 m/s, one step every 0.33 s."""

TALOS = Robot(
    name="Talos",
    noun="Talos robot",
    model=RobotModel(
        package="example-robot-data",
        path="cmeel.prefix/share/example-robot-data/robots/talos_data/robots/talos_reduced.urdf",
        licence="Apache-2.0",
        locked_joints=("gripper_left_joint", "gripper_right_joint"),
        # the hulls of the other links overlap by up to 9 cm
        colliding_links=("leg_left_6_link", "leg_right_6_link"),
    ),
    start_height=TALOS_WALK.root_height,
    start_joint_pos={
        **TALOS_WALK.start_joint_pos,
        "leg_.*_[126]_joint": 0.0,
        "torso_.*": 0.0,
        "head_.*": 0.0,
        **_ARMS,
    },
    effort_limits={
        "leg_.*_[16]_joint": 100.0,
        "leg_.*_[235]_joint": 160.0,
        "leg_.*_4_joint": 300.0,
        "torso_.*": 78.0,
        "head_1_joint": 8.0,
        "head_2_joint": 4.0,
        "arm_.*_1_joint": 44.64,
        "arm_.*_2_joint": 22.32,
        "arm_.*_[34]_joint": 17.86,
        "arm_.*_5_joint": 3.0,
        "arm_.*_[67]_joint": 6.6,
    },
    stiffness={
        "leg_.*_1_joint": 800.0,
        "leg_.*_[234]_joint": 2000.0,
        "leg_.*_[56]_joint": 1600.0,
        "torso_.*": 1600.0,
        "head_.*": 20.0,
        "arm_.*_[12]_joint": 100.0,
        "arm_.*_[34]_joint": 60.0,
        "arm_.*_[567]_joint": 15.0,
    },
    damping={
        "leg_.*_1_joint": 15.0,
        "leg_.*_[234]_joint": 40.0,
        "leg_.*_[56]_joint": 12.0,
        "torso_.*": 40.0,
        "head_.*": 1.0,
        "arm_.*_[12]_joint": 8.0,
        "arm_.*_[34]_joint": 5.0,
        "arm_.*_[567]_joint": 0.5,
    },
    action_scale={
        "leg_.*_[345]_joint": 0.5,
        "leg_.*_[126]_joint": 0.25,
        "torso_.*": 0.25,
        "head_.*": 0.25,
        "arm_.*": 0.5,
    },
    residual_scale={"leg_.*_[345]_joint": 0.12, "leg_.*_[126]_joint": 0.08, "torso_.*": 0.08},
    tracking_first=False,  # where the reward changed, a policy could unlearn to begin the clip (docs/results)
    feet=("leg_left_6_link", "leg_right_6_link"),
    torso="torso_2_link",
    # corners of the sole of the foot's collision mesh
    sole_points=((-0.11, 0.062, -0.107), (-0.11, -0.062, -0.107), (0.1, 0.062, -0.107), (0.1, -0.062, -0.107)),
    sole_radius=0.0004,
    armature={"(leg|torso|head)_.*": 0.1, "arm_.*_[1-4]_joint": 0.05, "arm_.*_[567]_joint": 0.01},
    mass=90.272,
    colour=(0.3, 0.3, 0.3),
    fall=FallLimits(
        height=(-0.3, 0.1),
        tilt=(radians(-15.0), radians(40.0)),
        list=(radians(-15.0), radians(22.5)),
        heading=(radians(-18.0), radians(18.0)),
    ),
    camera=CameraFraming(distance=3.5, height=0.87, extent=2.15),
)
"""The Talos at a mid-stride start pose, left foot in front, both feet on the ground."""
