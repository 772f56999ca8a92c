# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Configuration of the actions."""

from __future__ import annotations

from isaaclab.envs.mdp import JointPositionActionCfg
from isaaclab.utils import configclass


@configclass
class ReferencePositionActionCfg(JointPositionActionCfg):
    """Joint position targets around the reference's own joint positions (``presets=residual``).

    They are known for a sketch and for a lifted clip; with another clip the targets go around e0, as with
    :class:`JointPositionActionCfg`.
    """

    class_type: type | str = "{DIR}.actions:ReferencePositionAction"
