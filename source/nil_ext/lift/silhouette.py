# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Silhouettes of poses as the task's camera sees them, drawn from outlines of the robot's parts.

A robot that is filmed exactly from the side and moves in the picture's plane is a cut-out puppet: each part between two
joints whose axes point at the camera keeps its outline, which only turns and shifts. The outlines are taken from the
model once, in perspective, and drawn as polygons: about 0.2 ms a picture on one core, a tenth of what the simulator's
renderer takes, which makes slopes by finite differences affordable.

A camera that looks down a little sees the same puppet, lower by the cosine of its elevation, and each part as much
higher as it is farther away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ..robots.robot import Robot
from .skeleton import Skeleton

ACROSS = 0.85
"""A joint turns in the picture's plane if its axis points at the camera at e0 by at least this much (cosine)."""

NUM_ROOT = 4
"""Parameters of a pose before its joints: the root's place aside [m], its height [m], its pitch [rad], and the zoom:
how much larger than the model the robot is shown, about the ground. A clip's alignment knows heights only."""

_TURN = 0.3
"""Turn by which joints are tried for whether they show [rad]."""

_TRACE = 0.01
"""Share of the robot's picture that must change then, unless the joint carries a foot: wrists hardly show."""

_ALIKE = 0.02
"""How well the places of two limbs must mirror each other [m]."""

_GRID = 1000
"""Pixels across the camera's picture in which outlines are taken."""

_FINE = 3
"""Pixels that a pixel is drawn with, along each side."""

_BITS = 4
"""Binary digits of a pixel's fraction that OpenCV draws with."""


@dataclass(frozen=True)
class Part:
    """What moves as one piece in the picture's plane."""

    parent: int
    """Number of the part above, or -1 for the one that holds the root."""
    column: int
    """Parameter that turns it."""
    sense: float
    """How far it turns in the plane for an angle of 1."""
    origin: np.ndarray
    """Where its joint is at e0: forward of, to the left of and above the root [m]."""
    anchor: np.ndarray
    """Where the camera sees it in the robot's own plane, forward of and above the root [m]: what is to the left is
    farther away, hence higher where the camera looks down."""
    depth: float
    """Distance of its joint from the camera [m]."""
    outlines: tuple[np.ndarray, ...]
    """Polygons relative to the joint at e0 (forward, up) [m], at :attr:`depth`; holes are polygons within others."""


class Puppet:
    """The robot as the side view knows it: parameters are (aside, height, pitch, zoom, angles of joints)."""

    def __init__(
        self,
        skeleton: Skeleton,
        robot: Robot,
        farther: float = 1.0,
        elevation: float = 0.0,
        joints: Sequence[int] | None = None,
    ):
        """Find the joints that turn in the picture's plane and cut out the parts between them.

        Args:
            skeleton: the robot's model.
            robot: its facts: camera and height at e0.
            farther: how many times as far away as the task's the camera is, the robot as large as in the task's
                picture: the higher, the less perspective.
            elevation: how far the camera looks down [deg].
            joints: the joints' numbers where they are known.
        """
        self.skeleton, self.robot = skeleton, robot
        camera = robot.camera
        self.distance, self.height, self.extent = farther * camera.distance, camera.height, camera.extent
        self.elevation = elevation
        """How far the camera looks down [deg]."""
        self.lowered, self._sine = np.cos(np.radians(elevation)), np.sin(np.radians(elevation))
        """How much of a height that camera sees: the elevation's cosine."""
        poses, origins, axes = skeleton.forward(torch.as_tensor(skeleton.e0, dtype=torch.float32)[None])
        points = skeleton.surface(poses)[0].double().numpy()
        origins, axes = origins[0].double().numpy(), axes[0].double().numpy()
        if joints is None:
            self._cut(skeleton, robot, np.flatnonzero(np.abs(axes[:, 1]) >= ACROSS), points, origins, axes)
            across = np.array(self.joints, dtype=int)
            feet = [skeleton.links.index(name) for name in skeleton.foot_links]
            joints = across[self._visible() | skeleton.below[across][:, feet].any(dim=1).numpy()]
        self._cut(skeleton, robot, np.asarray(joints, dtype=int), points, origins, axes)

    def seen_from(self, farther: float, elevation: float) -> Puppet:
        """The same robot and joints as another camera sees them; arguments as in the constructor."""
        return Puppet(self.skeleton, self.robot, farther, elevation, self.joints)

    def _cut(
        self,
        skeleton: Skeleton,
        robot: Robot,
        joints: np.ndarray,
        points: np.ndarray,
        origins: np.ndarray,
        axes: np.ndarray,
    ) -> None:
        """Cut the parts between some joints out of points, joint origins and axes in the root's frame at e0."""
        below = skeleton.below[joints].numpy()  # (D, L)
        ends = [skeleton.child(joint) for joint in joints]
        depth = below.sum(axis=0)  # joints above each link

        def last(above: np.ndarray) -> int:
            """Of joints above one another the lowest, counted from 1; 0 for none."""
            return 1 + max(above, key=lambda row: depth[ends[row]]) if len(above) else 0

        owners = np.array([last(np.flatnonzero(column)) for column in below.T])[skeleton.point_links.numpy()]
        parts = [self._part(points[owners == 0], -1, 2, 1.0, np.zeros(3), robot.start_height)]
        for row, joint in enumerate(joints):
            above = np.flatnonzero(below[:, ends[row]])
            mine, column = points[owners == row + 1], NUM_ROOT + row
            parent, sense = last(above[above != row]), axes[joint, 1]
            parts.append(self._part(mine, parent, column, sense, origins[joint], robot.start_height))
        self.parts = tuple(parts)
        """The parts; the first holds the root, the others follow the joints."""
        self.joints = tuple(int(joint) for joint in joints)
        """Numbers of the D joints in the plane among the skeleton's."""
        self.joint_names = tuple(skeleton.joint_names[joint] for joint in joints)
        """Their names."""
        self.limits = skeleton.limits[joints]
        """Their lowest and highest angles [rad]. Shape is (D, 2)."""
        parents = [part.parent for part in parts]
        self.trunk = np.array([parents.count(row + 1) > 1 for row in range(len(joints))], dtype=bool)
        """Whether a joint carries several limbs, as a waist does. Shape is (D,)."""
        self.e0 = np.array([0.0, robot.start_height, 0.0, 1.0, *skeleton.e0[joints]])
        """Parameters of the start pose. Shape is (4 + D,)."""
        self.pairs = self._find_pairs()
        """Limbs that are mirror images: parameters of one and of the other, from the trunk outwards."""
        outlines = [outline for part in parts for outline in part.outlines]
        self._shape = np.concatenate(outlines)
        self._owner = np.repeat(np.arange(len(parts)), [sum(map(len, part.outlines)) for part in parts])
        rows = iter(np.split(np.arange(len(self._shape)), np.cumsum([len(outline) for outline in outlines])[:-1]))
        self._pieces = [[next(rows) for _ in part.outlines] for part in parts]

    def _find_pairs(self) -> list[tuple[list[int], list[int]]]:
        """Limbs that leave the trunk at places which mirror each other."""
        trunk = {0, *(int(row) + 1 for row in np.flatnonzero(self.trunk))}
        starts = [n for n, part in enumerate(self.parts) if part.parent in trunk and n not in trunk]
        limbs = [self._limb(number) for number in starts]
        pairs = []
        for row, one in enumerate(limbs):
            for other in limbs[row + 1 :]:
                first, second = self.parts[one[0]], self.parts[other[0]]
                apart = np.abs(first.origin * [1.0, -1.0, 1.0] - second.origin).max()
                if apart < _ALIKE and len(one) == len(other):
                    pairs.append(([self.parts[n].column for n in one], [self.parts[n].column for n in other]))
        return pairs

    def _limb(self, number: int) -> list[int]:
        """A part and those below it."""
        below = [self._limb(n) for n, part in enumerate(self.parts) if part.parent == number]
        return [number, *(n for limb in below for n in limb)]

    def _visible(self) -> np.ndarray:
        """Whether each joint's turn changes the picture by more than a trace. Shape is (D,)."""
        poses = np.tile(self.e0, (len(self.joints) + 1, 1))
        poses[1:, NUM_ROOT:] += _TURN * np.eye(len(self.joints))
        covers = self.draw(poses, 128)
        return np.abs(covers[1:] - covers[0]).sum(axis=(1, 2)) > _TRACE * covers[0].sum()

    def draw(self, parameters: np.ndarray, size: int) -> np.ndarray:
        """Share of each pixel that the robot covers.

        Args:
            parameters: poses (N, 4 + D).
            size: width and height of the pictures [px].

        Returns:
            Covers in [0, 1], float32. Shape is (N, size, size).
        """
        places = self._places(parameters)
        fine = size * _FINE
        focal = fine * self.distance / self.extent
        depths = np.array([part.depth for part in self.parts])[self._owner]
        places = places * parameters[:, None, 3:4]
        u = 0.5 * fine + focal * places[..., 0] / depths
        v = 0.5 * fine - focal * self.lowered * (places[..., 1] - self.height) / depths
        pixels = np.rint((np.stack([u, v], axis=-1) - 0.5) * (1 << _BITS)).astype(np.int32)
        covers = np.empty((len(parameters), size, size), dtype=np.float32)
        for row, corners in enumerate(pixels):
            picture = np.zeros((fine, fine), dtype=np.uint8)
            for part in self._pieces:
                if part:
                    cv2.fillPoly(picture, [corners[piece] for piece in part], 255, shift=_BITS)
            covers[row] = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
        return covers / 255.0

    def _places(self, parameters: np.ndarray) -> np.ndarray:
        """Where the outlines' corners are: aside and above the ground [m]. Shape is (N, V, 2)."""
        count = len(parameters)
        angles, anchors = np.zeros((count, len(self.parts))), np.zeros((count, len(self.parts), 2))
        for number, part in enumerate(self.parts):  # parents come first, as in the skeleton
            turn = part.sense * (parameters[:, part.column] - self.e0[part.column])
            if part.parent < 0:
                angles[:, number], anchors[:, number] = turn, parameters[:, :2]
            else:
                angles[:, number] = angles[:, part.parent] + turn
                arm = part.anchor - self.parts[part.parent].anchor
                anchors[:, number] = anchors[:, part.parent] + _turned(arm[None], angles[:, [part.parent]])[:, 0]
        return anchors[:, self._owner] + _turned(self._shape, angles[:, self._owner])

    def _part(
        self, points: np.ndarray, parent: int, column: int, sense: float, origin: np.ndarray, height: float
    ) -> Part:
        """Cut a part out: ``points`` (P, 3) and its joint's ``origin`` (3,) in the root's frame at e0."""
        depths, seen = self._seen(np.concatenate([origin[None], points]), height)
        anchor = seen[0] - [0.0, height]
        if not len(points):
            return Part(parent, column, sense, origin, anchor, depths[0], ())
        # what the camera sees, carried to the joint's depth
        scale = (depths[0] / depths[1:])[:, None]
        eye = [0.0, self.height]
        flat = eye + (seen[1:] - eye) * scale - seen[0]
        return Part(parent, column, sense, origin, anchor, depths[0], _outlines(flat, self.extent / _GRID))

    def _seen(self, points: np.ndarray, height: float) -> tuple[np.ndarray, np.ndarray]:
        """Distances of points (P, 3) from the camera (P,), and where it sees them in the robot's own plane (P, 2).

        Points are in the frame of a root at a height, places forward of it and above the ground; all in metres.
        """
        forward, left, above = points[:, 0], points[:, 1], points[:, 2] + height
        depths = self.distance + left * self.lowered - (above - self.height) * self._sine
        return depths, np.stack([forward, above + left * self._sine / self.lowered], axis=1)


def _turned(points: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Points (V, 2), forward and up, turned nose-down by angles (N, V) [rad], as +y does. Shape is (N, V, 2)."""
    cosine, sine = np.cos(angles), np.sin(angles)
    return np.stack([cosine * points[:, 0] + sine * points[:, 1], cosine * points[:, 1] - sine * points[:, 0]], axis=-1)


def _outlines(points: np.ndarray, pixel: float) -> tuple[np.ndarray, ...]:
    """Polygons around points (P, 2) that lie densely on a surface; all in metres, ``pixel`` too."""
    low = points.min(axis=0) - 4 * pixel
    width, height = np.ceil((points.max(axis=0) + 4 * pixel - low) / pixel).astype(int)
    picture = np.zeros((height, width), dtype=np.uint8)
    column, row = np.floor((points - low) / pixel).astype(int).T
    picture[row, column] = 255
    picture = cv2.morphologyEx(picture, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    found, _ = cv2.findContours(picture, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    polygons = [cv2.approxPolyDP(outline, 0.7, True)[:, 0] for outline in found if cv2.contourArea(outline) > 12.0]
    return tuple(low + (polygon + 0.5) * pixel for polygon in polygons)
