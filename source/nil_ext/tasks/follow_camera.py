# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The camera that films a robot, usually from the side: one for the first frame, sketches and every rollout."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from isaaclab.assets import Articulation
from isaaclab.sensors import Camera
from isaaclab.utils.math import convert_camera_frame_orientation_convention

from ..errors import InputError
from ..robots.spawn import ROBOT_LABEL
from .embedded import SIDE_VIEW

if TYPE_CHECKING:
    from isaaclab.scene import InteractiveScene

    from .mdp import ReferenceCommandCfg

_WARM_UP = 16
"""Frames without labels that are forgiven: Isaac RTX draws empty ones until its render product is ready."""


class FollowCamera:
    """Follows each robot's root, or a place, at a fixed height and heading, and tells the robot from the rest."""

    def __init__(self, scene: InteractiveScene, cfg: ReferenceCommandCfg, view: tuple[float, float] = SIDE_VIEW):
        """Attach to a scene's tiled camera.

        Args:
            scene: holds the robot to follow, and a camera with ``rgb`` and ``semantic_segmentation`` (ids, no colours).
            cfg: names both, and says how far away the camera stands.
            view: azimuth and elevation [deg] that it looks from; see :func:`look_from`.

        Raises:
            InputError: For a place that is none.
        """
        self._camera: Camera = scene[cfg.camera_name]
        self._robot: Articulation = scene[cfg.asset_name]
        offset, orientation = look_from(*view)
        ahead, aside, above = (cfg.camera_distance * share for share in offset)
        if cfg.camera_height + above <= 0.0:
            raise InputError(f"camera_elevation={view[1]:g} puts the camera under the ground: give a larger one.")
        origins = scene.env_origins
        self._aside = torch.tensor([ahead, aside], device=origins.device)
        self._height = origins[:, 2] + cfg.camera_height + above
        turned = torch.tensor(orientation, device=origins.device).repeat(len(origins), 1)
        # once, and not in every picture: the conversion copies a constant to the device, which waits for the physics
        self._orientation = convert_camera_frame_orientation_convention(turned, origin="world", target="opengl")
        self._robot_ids: list[int] = []
        self._unlabelled = 0  # frames drawn before the renderer named the robot

    def point(self, middle: torch.Tensor | None = None) -> None:
        """Move the cameras to where they look from now.

        Args:
            middle: places (N, 2) in the world [m] to look at; None for the robots' roots.
        """
        eye = self._robot.data.root_pos_w.torch.clone()
        if middle is not None:
            eye[:, :2] = middle
        eye[:, :2] += self._aside
        eye[:, 2] = self._height
        self._camera.set_world_poses(eye, self._orientation, convention="opengl")

    def film(self, middle: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Render every robot.

        Args:
            middle: as for :meth:`point`.

        Returns:
            Colours (N, S, S, 3) uint8, a view of simulator memory, and robot masks (N, S, S) bool.
        """
        self.point(middle)
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


def look_from(azimuth: float, elevation: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Where a camera stands that looks at a point, and how it is turned.

    Args:
        azimuth: how far it stands ahead of the side view [deg], in which a robot that faces +x faces right.
        elevation: how far it looks down [deg].

    Returns:
        From the point to the camera, in its distance (x, y, z), and the camera's orientation (xyzw, world convention:
        it looks along its own +x).

    Raises:
        InputError: For a view from behind the picture, or from straight above.
    """
    for name, angle in (("camera_azimuth", azimuth), ("camera_elevation", elevation)):
        if not -90.0 < angle < 90.0:
            raise InputError(f"{name}={angle:g}: give more than -90 and less than 90 degrees; 0 is the side view.")
    side, up = math.radians(azimuth), math.radians(elevation)
    offset = (math.sin(side) * math.cos(up), -math.cos(side) * math.cos(up), math.sin(up))
    # turn by the elevation about y (nose down), then about z from +x to +y and on by the azimuth
    half_turn, half_up = (math.radians(90.0) + side) / 2.0, up / 2.0
    (st, ct), (su, cu) = ((math.sin(half), math.cos(half)) for half in (half_turn, half_up))
    return offset, (-st * su, ct * su, st * cu, ct * cu)


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
