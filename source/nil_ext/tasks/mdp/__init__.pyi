# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

__all__ = [
    "FootSlip",
    "ReferenceCommand",
    "ReferenceCommandCfg",
    "ReferencePositionAction",
    "ReferencePositionActionCfg",
    "Tracking",
    "TrackingFirst",
    "action_change",
    "fallen",
    "heading",
    "heading_error",
    "joint_torque",
    "joint_velocity",
    "mask_iou",
    "reference_ended",
    "reference_lost",
    "reference_phase",
    "reset_to_reference",
    "task_reward",
    "torso_tilt",
    "video_similarity",
]

from isaaclab.envs.mdp import *

from .actions import ReferencePositionAction
from .actions_cfg import ReferencePositionActionCfg
from .commands import ReferenceCommand
from .commands_cfg import ReferenceCommandCfg
from .curriculums import TrackingFirst
from .events import reset_to_reference
from .observations import heading, reference_phase
from .rewards import (
    FootSlip,
    Tracking,
    action_change,
    heading_error,
    joint_torque,
    joint_velocity,
    mask_iou,
    task_reward,
    torso_tilt,
    video_similarity,
)
from .terminations import fallen, reference_ended, reference_lost
