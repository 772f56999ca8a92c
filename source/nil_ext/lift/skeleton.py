# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The robot's model as the lift needs it: links, joints and points on the visible surface, read from its USD."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial import ConvexHull

from ..errors import InputError
from ..robots.model import usd_file

if TYPE_CHECKING:
    from pxr import Usd

    from ..robots.robot import Robot

NUM_POINTS = 300_000
"""Points on the surface of all links: enough for outlines true to some millimetres."""


@dataclass(frozen=True)
class Joint:
    """A joint of the tree. Frames are (4, 4) matrices."""

    name: str
    parent: int
    """Link above; links are numbered so that parents come first."""
    child: int
    """Link below."""
    before: np.ndarray
    """From the joint's frame to the parent's."""
    after: np.ndarray
    """From the child's frame to the joint's."""
    axis: np.ndarray
    """Unit vector in the joint's frame."""
    limits: tuple[float, float]
    """Lowest and highest angle [rad]."""
    moves: bool = True
    """Whether it turns; a fixed joint is part of the tree only."""


class Skeleton:
    """Forward kinematics of many poses at once, and where points of the robot's surface lie then."""

    def __init__(
        self,
        links: list[str],
        joints: list[Joint],
        points: np.ndarray,
        point_links: np.ndarray,
        e0: dict[str, float],
        feet: np.ndarray,
        foot_links: tuple[str, ...],
        sole_radius: float,
    ):
        """Put the parts together.

        Args:
            links: names of the L links, parents first; the first one is the root.
            joints: the tree, in the order of their child links.
            points: points on the surface in their links' frames [m]. Shape is (P, 3).
            point_links: number of each point's link. Shape is (P,).
            e0: angle of each joint that moves at the start pose [rad].
            feet: points of a foot that may touch the ground, in its frame [m]. Shape is (K, 3).
            foot_links: names of the feet.
            sole_radius: distance from those points to the ground when they touch it [m].
        """
        self.links = tuple(links)
        """Names of the L links."""
        self.joints = tuple(joints)
        """All joints of the tree, those that are fixed too."""
        moving = [joint for joint in joints if joint.moves]
        self.joint_names = tuple(joint.name for joint in moving)
        """Names of the J joints that move, in the order of every array of angles here."""
        self.limits = np.array([joint.limits for joint in moving]).reshape(-1, 2)
        """Lowest and highest angle of each joint [rad]. Shape is (J, 2)."""
        self.e0 = np.array([e0[name] for name in self.joint_names])
        """Start pose [rad]. Shape is (J,)."""
        self.points = torch.as_tensor(points, dtype=torch.float32)
        """Points on the surface in their links' frames [m]. Shape is (P, 3)."""
        self.point_links = torch.as_tensor(point_links)
        """Number of each point's link. Shape is (P,)."""
        self.foot_links = tuple(foot_links)
        """Names of the F feet."""
        self.sole_points = torch.as_tensor(feet, dtype=torch.float32)
        """Points of a foot that may touch the ground, in its frame [m]. Shape is (K, 3)."""
        self.sole_radius = sole_radius
        """Distance from those points to the ground when they touch it [m]."""
        self.below = self._below(moving)
        """Whether a joint moves a link. Shape is (J, L)."""

    def forward(self, joint_pos: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Where links and joint axes are in the root's frame.

        Args:
            joint_pos: angles [rad]. Shape is (N, J).

        Returns:
            Link poses (N, L, 4, 4), and of each joint that moves a point on its axis [m] and its direction, each
            (N, J, 3).
        """
        count = len(joint_pos)
        poses: list[torch.Tensor] = [torch.eye(4).expand(count, 4, 4)] * len(self.links)
        origins, axes, column = [], [], 0
        for joint in self.joints:
            frame = poses[joint.parent] @ torch.as_tensor(joint.before, dtype=torch.float32)
            if joint.moves:
                axis = torch.as_tensor(joint.axis, dtype=torch.float32)
                origins.append(frame[:, :3, 3])
                axes.append(frame[:, :3, :3] @ axis)
                turned = torch.eye(4).repeat(count, 1, 1)
                turned[:, :3, :3] = _rotation(axis, joint_pos[:, column])
                frame = frame @ turned
                column += 1
            poses[joint.child] = frame @ torch.as_tensor(joint.after, dtype=torch.float32)
        return torch.stack(poses, dim=1), torch.stack(origins, dim=1), torch.stack(axes, dim=1)

    def surface(self, poses: torch.Tensor) -> torch.Tensor:
        """Points of the surface (N, P, 3) in the frame of link poses (N, L, 4, 4) [m]."""
        turned = torch.einsum("npij,pj->npi", poses[:, self.point_links, :3, :3], self.points)
        return turned + poses[:, self.point_links, :3, 3]

    def soles(self, poses: torch.Tensor) -> torch.Tensor:
        """Lowest points of the feet (N, F, K, 3), their radius below the sole points, in the frame of link poses."""
        feet = [self.links.index(name) for name in self.foot_links]
        places = torch.einsum("nfij,kj->nfki", poses[:, feet, :3, :3], self.sole_points) + poses[:, feet, None, :3, 3]
        places[..., 2] -= self.sole_radius
        return places

    def child(self, joint: int) -> int:
        """Number of the link right below a joint that moves."""
        return [item.child for item in self.joints if item.moves][joint]

    def _below(self, moving: list[Joint]) -> torch.Tensor:
        below = torch.zeros(len(moving), len(self.links), dtype=torch.bool)
        for row, start in enumerate(moving):
            below[row, start.child] = True
            for joint in self.joints:  # parents come first
                below[row, joint.child] |= below[row, joint.parent]
        return below


def read_skeleton(robot: Robot, num_points: int = NUM_POINTS) -> Skeleton:
    """Read a robot's model; it is converted to USD at first use.

    Args:
        robot: the embodiment.
        num_points: points on its surface.

    Raises:
        InputError: When the model has joints that do not turn, or no visible surface.
    """
    from pxr import Usd

    path = _model_usd(robot)
    stage = Usd.Stage.Open(str(path))
    links, joints = _tree(stage, str(path))
    names = [prim.GetName() for prim in links]
    pieces = [_triangles(prim) for prim in links]
    if not any(len(piece) for piece in pieces):
        raise InputError(f"'{path}' shows nothing: the lift needs a model with visible shapes.")
    points, point_links = _sample(pieces, num_points)
    return Skeleton(
        names,
        joints,
        points,
        point_links,
        _start_pose(robot, [joint.name for joint in joints if joint.moves]),
        np.array(robot.sole_points),
        robot.feet,
        robot.sole_radius,
    )


def model_hash(robot: Robot) -> str:
    """Hash (hex) of all that :func:`read_skeleton` reads: the robot's model as USD and every file that it draws on.

    Args:
        robot: the embodiment.

    Raises:
        InputError: When the model is missing.
    """
    from pxr import UsdUtils

    layers, assets, _ = UsdUtils.ComputeAllDependencies(str(_model_usd(robot)))
    content = hashlib.sha256()
    for path in sorted(map(Path, {*(layer.realPath for layer in layers), *map(str, assets)})):
        if path.is_file():
            content.update(path.name.encode())
            content.update(path.read_bytes())
    return content.hexdigest()


def _model_usd(robot: Robot) -> Path:
    model = robot.model
    return usd_file(
        model.package, model.path, robot.colour, model.keep_links, model.locked_joints, model.colliding_links
    )


def _start_pose(robot: Robot, names: list[str]) -> dict[str, float]:
    """Angle of every joint at e0 [rad]; what the robot's facts leave out is 0, as in the simulator."""
    return {
        name: next((angle for key, angle in robot.start_joint_pos.items() if re.fullmatch(key, name)), 0.0)
        for name in names
    }


def _tree(stage: Usd.Stage, path: str) -> tuple[list[Usd.Prim], list[Joint]]:
    """Links and joints, parents first."""
    from pxr import Usd, UsdPhysics

    prims = list(stage.Traverse(Usd.TraverseInstanceProxies()))
    bodies = {prim.GetPath(): prim for prim in prims if prim.HasAPI(UsdPhysics.RigidBodyAPI)}
    pending, children = [], set()
    for prim in prims:
        if not prim.IsA(UsdPhysics.Joint):
            continue
        joint = UsdPhysics.Joint(prim)
        ends = [rel.GetTargets() for rel in (joint.GetBody0Rel(), joint.GetBody1Rel())]
        if not all(len(end) == 1 and end[0] in bodies for end in ends):
            continue  # welded to the world
        if not (prim.IsA(UsdPhysics.RevoluteJoint) or prim.IsA(UsdPhysics.FixedJoint)):
            raise InputError(f"'{path}': joint '{prim.GetName()}' does not turn; the lift knows revolute joints only.")
        pending.append((prim, ends[0][0], ends[1][0]))
        children.add(ends[1][0])
    roots = [body for body in bodies if body not in children]
    if len(roots) != 1:
        raise InputError(f"'{path}' has {len(roots)} root links: the lift needs one tree of links.")
    order, joints = [roots[0]], []
    while pending:
        ready = next((item for item in pending if item[1] in order), None)
        if ready is None:
            raise InputError(f"'{path}': its joints form a loop; the lift needs a tree of links.")
        pending.remove(ready)
        order.append(ready[2])
        joints.append(_joint(ready[0], order.index(ready[1]), len(order) - 1))
    return [bodies[body] for body in order], joints


def _joint(prim: Usd.Prim, parent: int, child: int) -> Joint:
    from pxr import UsdPhysics

    joint = UsdPhysics.Joint(prim)
    before = _frame(joint.GetLocalPos0Attr().Get(), joint.GetLocalRot0Attr().Get())
    after = np.linalg.inv(_frame(joint.GetLocalPos1Attr().Get(), joint.GetLocalRot1Attr().Get()))
    if not prim.IsA(UsdPhysics.RevoluteJoint):
        return Joint(prim.GetName(), parent, child, before, after, np.array([1.0, 0.0, 0.0]), (0.0, 0.0), False)
    hinge = UsdPhysics.RevoluteJoint(prim)
    axis = np.eye(3)["XYZ".index(hinge.GetAxisAttr().Get())]
    low, high = (
        np.radians(attribute.Get()) if attribute.HasAuthoredValue() else side * np.pi
        for attribute, side in ((hinge.GetLowerLimitAttr(), -1.0), (hinge.GetUpperLimitAttr(), 1.0))
    )
    return Joint(prim.GetName(), parent, child, before, after, axis, (float(low), float(high)))


def _frame(position, rotation) -> np.ndarray:
    """(4, 4) matrix of a USD position and quaternion."""
    from scipy.spatial.transform import Rotation

    frame = np.eye(4)
    frame[:3, :3] = Rotation.from_quat([*rotation.GetImaginary(), rotation.GetReal()]).as_matrix()
    frame[:3, 3] = position
    return frame


def _triangles(link: Usd.Prim) -> np.ndarray:
    """Corners of the visible triangles of a link in its frame [m]. Shape is (M, 3, 3)."""
    from pxr import Usd, UsdGeom, UsdPhysics

    cache, pieces = UsdGeom.XformCache(), []
    to_link = np.array(cache.GetLocalToWorldTransform(link).RemoveScaleShear()).T
    walk = iter(Usd.PrimRange(link, Usd.TraverseInstanceProxies()))
    for prim in walk:
        if prim != link and prim.HasAPI(UsdPhysics.RigidBodyAPI):
            walk.PruneChildren()
            continue
        shape = UsdGeom.Imageable(prim)
        if not prim.IsA(UsdGeom.Gprim) or shape.ComputePurpose() == UsdGeom.Tokens.guide:
            continue
        if shape.ComputeVisibility() == UsdGeom.Tokens.invisible:  # the hulls of some robots' own USD
            continue
        corners = _corners(prim)
        place = np.linalg.inv(to_link) @ np.array(cache.GetLocalToWorldTransform(prim)).T
        pieces.append(corners @ place[:3, :3].T + place[:3, 3])
    return np.concatenate(pieces) if pieces else np.zeros((0, 3, 3))


def _corners(prim: Usd.Prim) -> np.ndarray:
    """Triangles (M, 3, 3) of one shape in its own frame."""
    from pxr import UsdGeom

    if prim.IsA(UsdGeom.Mesh):
        mesh = UsdGeom.Mesh(prim)
        vertices = np.array(mesh.GetPointsAttr().Get(), dtype=float)
        counts, indices = (
            np.array(attribute.Get() or (), dtype=int)
            for attribute in (mesh.GetFaceVertexCountsAttr(), mesh.GetFaceVertexIndicesAttr())
        )
        if not (counts > 2).any():  # points or nothing
            return np.zeros((0, 3, 3))
        starts, fans = np.cumsum(counts) - counts, []
        for corner in range(1, int(counts.max()) - 1):  # a polygon is a fan of triangles about its first corner
            first = starts[counts > corner + 1]
            fans.append(np.stack([indices[first], indices[first + corner], indices[first + corner + 1]], axis=1))
        return vertices[np.concatenate(fans)]
    vertices = _shape_vertices(prim)
    return vertices[ConvexHull(vertices).simplices]


def _shape_vertices(prim: Usd.Prim) -> np.ndarray:
    """Points whose convex hull is a cube, sphere, cylinder or capsule."""
    from pxr import UsdGeom

    if prim.IsA(UsdGeom.Cube):
        return 0.5 * UsdGeom.Cube(prim).GetSizeAttr().Get() * np.array(list(product((-1.0, 1.0), repeat=3)))
    polar, around = np.meshgrid(np.linspace(0.0, np.pi, 9), np.linspace(0.0, 2 * np.pi, 16, endpoint=False))
    ball = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], -1).reshape(-1, 3)
    if prim.IsA(UsdGeom.Sphere):
        return UsdGeom.Sphere(prim).GetRadiusAttr().Get() * ball
    for kind in (UsdGeom.Cylinder, UsdGeom.Capsule):
        if prim.IsA(kind):
            shape = kind(prim)
            radius, half = shape.GetRadiusAttr().Get(), 0.5 * shape.GetHeightAttr().Get()
            round_part = ball if kind is UsdGeom.Capsule else ball[np.abs(ball[:, 2]) < 1e-9]
            both = np.concatenate([radius * round_part + [0, 0, end] for end in (-half, half)])
            return np.roll(both, {"X": 1, "Y": 2, "Z": 0}[shape.GetAxisAttr().Get()], axis=1)
    raise InputError(f"'{prim.GetPath()}' is a {prim.GetTypeName()}: the lift knows meshes and simple solids only.")


def _sample(pieces: list[np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points spread evenly over the area of all links' triangles (seed 0), and their links' numbers."""
    corners = np.concatenate(pieces)
    owners = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
    sides = corners[:, 1:] - corners[:, :1]
    areas = 0.5 * np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    random = np.random.default_rng(0)
    # one draw in each of `count` equal shares of the area: evener than free draws
    shares = (np.arange(count) + random.random(count)) / count
    chosen = np.searchsorted(np.cumsum(areas) / areas.sum(), shares).clip(max=len(areas) - 1)
    first, second = random.random((2, count))
    first, second = np.where(first + second > 1.0, (1.0 - first, 1.0 - second), (first, second))
    return corners[chosen, 0] + first[:, None] * sides[chosen, 0] + second[:, None] * sides[chosen, 1], owners[chosen]


def _rotation(axis: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Rotation matrices (N, 3, 3) about a fixed axis (3,) by angles (N,) (Rodrigues)."""
    x, y, z = axis.tolist()
    cross = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    return torch.eye(3) + sine * cross + (1.0 - cosine) * (cross @ cross)
