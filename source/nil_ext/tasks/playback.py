# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Kinematic playback: a motion, frame by frame, filmed by the task's own camera. No physics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from isaaclab.scene import InteractiveScene
from isaaclab.sim import SimulationContext

from .embedded import SIDE_VIEW
from .follow_camera import FollowCamera

if TYPE_CHECKING:
    from .imitation_env_cfg import ImitationEnvCfg


_BATCH = 32
"""Frames that are drawn at once unless told otherwise, one an environment."""


def film_motion(
    env_cfg: ImitationEnvCfg,
    make_motion: Callable[[dict[str, float]], dict[str, np.ndarray]],
    size: int,
    batch: int = _BATCH,
    view: tuple[float, float] = SIDE_VIEW,
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Film a motion in the task's scene.

    Args:
        env_cfg: the task's configuration, presets resolved.
        make_motion: gives the motion for the robot's default joint positions [rad] by name; see
            :meth:`~nil_ext.reference.generators.sketch.WalkSketch.motion`.
        size: width and height of the pictures [px].
        batch: frames that are drawn at once; few where pictures are large.
        view: azimuth and elevation [deg] that the camera looks from.

    Returns:
        The motion, frames (T, size, size, 3) uint8 as rendered, and robot masks (T, size, size) bool.
    """
    env_cfg.scene.num_envs = batch
    env_cfg.scene.camera.width = env_cfg.scene.camera.height = size
    sim = SimulationContext(env_cfg.sim)
    scene = InteractiveScene(env_cfg.scene)
    sim.reset()
    robot = scene[env_cfg.commands.reference.asset_name]
    camera = FollowCamera(scene, env_cfg.commands.reference, view)
    default = robot.data.default_joint_pos.torch[0].tolist()
    motion = make_motion(dict(zip(robot.joint_names, default, strict=True)))
    count = len(motion["joint_pos"])
    order = [list(motion["joint_names"]).index(name) for name in robot.joint_names]
    frames, masks = [], []
    for first in range(0, count, scene.num_envs):
        rows = np.minimum(np.arange(first, first + scene.num_envs), count - 1)
        root_pose = torch.as_tensor(motion["root_pose"][rows], dtype=torch.float32, device=sim.device)
        root_pose[:, :2] = 0.0
        root_pose[:, :3] += scene.env_origins
        joint_pos = torch.as_tensor(motion["joint_pos"][rows][:, order], dtype=torch.float32, device=sim.device)
        robot.write_root_pose_to_sim_index(root_pose=root_pose)
        robot.write_joint_position_to_sim_index(position=joint_pos)
        sim.forward()
        scene.update(0.0)
        sim.render()  # Isaac RTX draws anew after a physics step or a render only
        rgb, mask = camera.film()
        frames.append(rgb[: count - first].cpu().numpy().copy())
        masks.append(mask[: count - first].cpu().numpy().copy())
    return motion, np.concatenate(frames), np.concatenate(masks)
