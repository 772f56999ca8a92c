# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Configuration of the actions."""

from __future__ import annotations

from isaaclab.envs.mdp import JointPositionActionCfg
from isaaclab.utils import configclass


@configclass
class ReferencePositionActionCfg(JointPositionActionCfg):
    """Joint position targets around the reference's own joint positions (``presets=residual``).

    They are known for a sketch and for a lifted clip. Joints that ``joint_names`` leaves out follow the reference. With
    another clip the targets go around e0, of all joints, as with :class:`JointPositionActionCfg`.
    """

    class_type: type | str = "{DIR}.actions:ReferencePositionAction"

    scale_around_e0: dict[str, float] | float = 1.0
    """Scale of all joints where the reference's motion is not known [rad]."""

    ramped: bool = True
    """Whether targets go evenly from the last ones to the new while a step lasts, instead of at once. Where the physics
    runs all of a step in one call (Newton with actuators of its own) they always go at once."""
