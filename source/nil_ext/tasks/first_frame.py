# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The robot at its start pose e0 as the task's camera sees it, in the size that a video model asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..reference.first_frame import FirstFrame, Framing, cut_out

if TYPE_CHECKING:
    from ..robots.robot import Robot
    from .imitation_env_cfg import ImitationEnvCfg


def film_first_frame(env_cfg: ImitationEnvCfg, robot: Robot, framing: Framing) -> FirstFrame:
    """Render e0 and cut the robot out; call inside a launched simulation.

    The camera stands where it stands in every rollout, so that the perspective is the same; the framing only chooses
    what of its picture is shown, and how large.

    Args:
        env_cfg: the task's configuration, presets resolved.
        robot: the embodiment.
        framing: what to show.

    Raises:
        InputError: When the renderer shows no robot.
    """
    from .playback import film_motion  # imports the simulator, which has to be launched first

    _, frames, masks = film_motion(env_cfg, lambda default: stand(robot, default), framing.camera_side, batch=1)
    if not masks[0].any():
        raise InputError("The renderer shows no robot at e0: try renderer=newton_renderer.")
    return cut_out(frames[0], masks[0], framing)


def stand(robot: Robot, joint_pos: dict[str, float]) -> dict[str, np.ndarray]:
    """One frame at e0, as a motion for :func:`~nil_ext.tasks.playback.film_motion`.

    Args:
        robot: the embodiment.
        joint_pos: angle of every joint [rad], by name.
    """
    return {
        "joint_names": np.array(list(joint_pos)),
        "joint_pos": np.array([list(joint_pos.values())]),
        "root_pose": np.array([[0.0, 0.0, robot.start_height, 0.0, 0.0, 0.0, 1.0]]),
    }
