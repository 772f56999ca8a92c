# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The camera that films a robot from the side: one for the reference's first frame, sketches and every rollout."""

from __future__ import annotations

import torch

from isaaclab.assets import Articulation
from isaaclab.sensors import Camera

from ..robots.spawn import ROBOT_LABEL

_SIDE_VIEW = (0.0, 0.0, 0.7071068, 0.7071068)
"""Orientation (xyzw, world convention): looking along +y, so that a robot that faces +x faces right."""


class FollowCamera:
    """Follows each robot's root in x and y at a fixed height and heading, and tells the robot from the rest."""

    def __init__(self, camera: Camera, robot: Articulation, distance: float, height: float, origins: torch.Tensor):
        """Attach to a scene's tiled camera.

        Args:
            camera: tiled camera with ``rgb`` and ``semantic_segmentation`` (ids, not colours).
            robot: the articulation to follow.
            distance: distance from the root, along -y [m].
            height: height above the ground [m].
            origins: origins of the environments [m]. Shape is (N, 3).
        """
        self._camera = camera
        self._robot = robot
        self._distance = distance
        self._height = origins[:, 2] + height
        self._orientation = torch.tensor(_SIDE_VIEW, device=origins.device).repeat(len(origins), 1)
        self._robot_id: int | None = None  # known once the renderer has drawn a frame

    def film(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Render every robot.

        Returns:
            Colours (N, S, S, 3) uint8, a view of simulator memory, and robot masks (N, S, S) bool.
        """
        eye = self._robot.data.root_pos_w.torch.clone()
        eye[:, 1] -= self._distance
        eye[:, 2] = self._height
        self._camera.set_world_poses(eye, self._orientation, convention="world")
        self._camera.update(0.0, force_recompute=True)
        data = self._camera.data
        if self._robot_id is None:
            self._robot_id = _robot_id(data.info["semantic_segmentation"]["idToLabels"])
        return data.output["rgb"].torch, data.output["semantic_segmentation"].torch[..., 0] == self._robot_id


def _robot_id(labels: dict) -> int:
    """Segmentation id of the robot; ids differ between renderers and scenes, so only the label counts."""
    for key, value in labels.items():
        if value.get("class") == ROBOT_LABEL:
            return int(key)
    raise RuntimeError(f"The renderer reports no '{ROBOT_LABEL}' among its labels {labels}.")
