# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Joint names of LocoMuJoCo's trajectories (0.4.1) and of our robots' models, robot by robot.

Signs and zeros agree (rotations about +x, +y, +z of the upright robot in both) wherever a counterpart is named. None
stands for a joint that our models lack or that has another zero there.
"""

from __future__ import annotations

_SIDES = (("left", "l"), ("right", "r"))
_HUMAN_LEG = ("hip_rotation", "hip_adduction", "hip_flexion", "knee_angle", "ankle_angle")
_UNUSED_BACK = {"back_bkx": None, "back_bky": None}


def _human_legs(joints: tuple[str, str, str, str, str]) -> dict[str, str | None]:
    """Legs with human-style names; ``joints`` are ours in the same order, ``{}`` the side."""
    return {
        f"{human}_{short}": ours.format(side)
        for side, short in _SIDES
        for human, ours in zip(_HUMAN_LEG, joints, strict=True)
    }


MOCAP_JOINTS: dict[str, dict[str, str | None]] = {
    "H1": {
        **_human_legs(("{}_hip_yaw", "{}_hip_roll", "{}_hip_pitch", "{}_knee", "{}_ankle")),
        **_UNUSED_BACK,
        "back_bkz": "torso",
        **{f"{short}_arm_shx": f"{side}_shoulder_roll" for side, short in _SIDES},
        **{f"{short}_arm_shy": f"{side}_shoulder_pitch" for side, short in _SIDES},
        **{f"{short}_arm_shz": f"{side}_shoulder_yaw" for side, short in _SIDES},
        **{f"{side}_elbow": f"{side}_elbow" for side, _ in _SIDES},
        **{f"{short}_arm_wry": None for _, short in _SIDES},
    },
    "G1": {
        # the maker's older model: its elbows and shoulders have other zeros than the one that packages carry today
        **{
            f"{side}_{joint}_joint": f"{side}_{joint}_joint"
            for side, _ in _SIDES
            for joint in ("hip_pitch", "hip_roll", "hip_yaw", "knee", "ankle_pitch", "ankle_roll")
        },
        **{
            f"{side}_{joint}_joint": None
            for side, _ in _SIDES
            for joint in ("shoulder_pitch", "shoulder_roll", "shoulder_yaw", "elbow_pitch", "elbow_roll")
        },
        "lumbar_extension": None,
        "lumbar_bending": None,
        "torso_joint": "waist_yaw_joint",
    },
    "Talos": {
        **_human_legs(tuple(f"leg_{{}}_{number}_joint" for number in range(1, 6))),
        "back_bkx": None,
        "back_bky": "torso_2_joint",
        "back_bkz": "torso_1_joint",
        **{f"{short}_arm_shz": f"arm_{side}_1_joint" for side, short in _SIDES},
        **{f"{short}_arm_shx": f"arm_{side}_2_joint" for side, short in _SIDES},
        **{f"{short}_arm_ely": f"arm_{side}_3_joint" for side, short in _SIDES},
        **{f"{short}_arm_elx": f"arm_{side}_4_joint" for side, short in _SIDES},
        **{f"{short}_arm_{wrist}": None for _, short in _SIDES for wrist in ("wry", "wrx")},
    },
    "A1": {
        f"{leg}_{joint}_joint": f"{leg}_{joint}_joint"
        for leg in ("FR", "FL", "RR", "RL")
        for joint in ("hip", "thigh", "calf")
    },
}
"""Our joint for each of LocoMuJoCo's, by robot."""

ROOT_COORDINATES = frozenset(
    f"{root}_{axis}" for root in ("pelvis", "trunk") for axis in ("tx", "ty", "tz", "tilt", "list", "rotation")
)
"""What is no joint but the pose of the root."""
