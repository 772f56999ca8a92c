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

_WARM_UP = 16
"""Frames without labels that are forgiven: Isaac RTX draws empty ones until its render product is ready."""


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
        self._robot_ids: list[int] = []
        self._unlabelled = 0  # frames drawn before the renderer named the robot

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
        segments = data.output["semantic_segmentation"].torch[..., 0]
        mask = torch.zeros_like(segments, dtype=torch.bool)
        for number in self._find_robot(data.info["semantic_segmentation"]):
            mask |= segments == number
        return data.output["rgb"].torch, mask

    def _find_robot(self, info: dict | None) -> list[int]:
        """Newest segmentation ids of the robot.

        A renderer may number anew from frame to frame and name only what it sees: the last known ids stay.

        Raises:
            RuntimeError: When the renderer does not name the robot even after it has warmed up.
        """
        labels = (info or {}).get("idToLabels") or {}
        self._robot_ids = robot_ids(labels) or self._robot_ids
        if not self._robot_ids:
            self._unlabelled += 1
            if self._unlabelled > _WARM_UP:
                raise RuntimeError(f"The renderer reports no '{ROBOT_LABEL}' among its labels {labels}.")
        return self._robot_ids


def robot_ids(labels: dict) -> list[int]:
    """Segmentation ids of the robot; ids differ between renderers and scenes, so only the label counts.

    Args:
        labels: a renderer's ``idToLabels``. Newton Warp and OVRTX give ``{3: {"class": "robot"}}``, Isaac RTX
            (Replicator) ``{"3": {"class": "robot"}}``; a prim with several labels has them joined by commas, and raw
            OVRTX labels are ``"class: robot;"``.
    """
    return [int(number) for number, label in labels.items() if ROBOT_LABEL in _words(label)]


def _words(label: object) -> set[str]:
    """Every word in a label, lower case, without the names of semantic types."""
    if isinstance(label, dict):
        return set().union(*map(_words, label.values()))
    if isinstance(label, (list, tuple)):
        return set().union(*map(_words, label))
    pairs = str(label).lower().replace(";", ",").split(",")
    return {pair.rpartition(":")[2].strip() for pair in pairs}
