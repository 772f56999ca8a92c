# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""From the masks of a clip to the motion that makes them.

0. A few frames are searched with the robot's size in the picture free, which then holds for all.
1. Random poses about e0 are drawn once; those that look most like a frame are where its search begins.
2. Each candidate is improved by itself against blurred pictures, coarse ones first.
3. A path through the candidates is chosen by cost and continuity, which keeps left and right apart, continued into the
   neighbouring frames and with limbs exchanged as further candidates, and chosen again.
4. Limbs take turns in front, where that does not bend their course much more than what was found.
5. All frames are improved together with a prior for smoothness, in larger pictures, and seen from further away: the
   distance that fits best is kept.
6. What the feet do gives the forward speed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

from ..errors import InputError
from ..reference.alignment import Alignment
from ..reference.quality import MIN_REACHABLE
from ..reference.verdict import times_of
from ..robots.robot import Robot
from .alternation import alternating, exchange
from .candidates import best_path, spread, spread_over_groups
from .fitting import Picture, Prior, refine, refine_together
from .motion import make_motion, soles
from .silhouette import NUM_ROOT, Puppet
from .skeleton import Skeleton, read_skeleton

_GOOD_COST = 25.0
"""Cost of a frame that is fitted as well as a sketch's are, in half squared deviations of the noise."""

_FEWEST = 6
"""Fewest frames that are lifted: courses and speeds need some."""

_SIZED = 12
"""Frames in which the robot's size is measured."""

_SAME_SIZE = 0.03
"""How far a size may be from the model's and still be taken for it: outlines are not truer than that."""

_ZOOM_DEVIATION = 0.002
"""Standard deviation of the zoom about the one measured: it hardly moves from there."""

_WIDTH = 12
"""Candidates of a frame that a path may choose from."""

_TURNS = 1.25
"""How much more than the path found one may be bent whose limbs take turns, and still be preferred (ours: 0.4 on the
generated clip of the H1, 1.1 on the G1's, 1.5 on the A1's, whose legs are not all told apart)."""

_DISTANCES = (1.0, 2.0, 4.0)
"""Distances of the camera that are tried, in units of the task's: generated clips often show less perspective."""

Report = Callable[[str, float], None]
"""Told what is done and which share of the whole is behind it."""


@dataclass(frozen=True)
class LiftSettings:
    """How a clip is lifted. The numbers are ours, set on the sketches of the four robots."""

    rate: float = 30.0
    """Frames per second that are looked at, at most [Hz]; a faster reference is thinned by a whole factor."""
    sizes: tuple[int, int, int] = (48, 64, 112)
    """Sides of the pictures that are compared, coarse to fine [px]."""
    blurs: tuple[float, float, float] = (2.0, 1.5, 1.5)
    """Standard deviations of their blur [px]."""
    library: int = 12000
    """Random poses that the search begins with."""
    candidates: int = 5
    """Poses of them that are tried for each frame."""
    swing: float = 0.8
    """How far joints of the library are from e0 at most [rad]."""
    pitch: float = 0.15
    """How far its root is pitched at most [rad]."""
    deviation: float = 0.6
    """Standard deviation of joints about e0 that is assumed [rad]: far weaker than any picture."""
    trunk_deviation: float = 0.1
    """The same for joints within the trunk, which the pictures hardly tell from the root's pitch [rad]."""
    zoom: float = 0.3
    """How far its zoom is from 1 at most."""
    root_deviations: tuple[float, float, float, float] = (0.03, 0.05, 0.15, 0.15)
    """The same for the root: aside of the picture's middle [m], about e0's height [m], pitch [rad], zoom."""
    speed: float = 6.0
    """Standard deviation of joint speeds that the choice of a path assumes [rad/s]."""
    acceleration: float = 100.0
    """Standard deviation of joint accelerations that are assumed [rad/s²]."""
    least_iou: float = MIN_REACHABLE
    """A frame whose IoU is lower does not show the pose that was found."""
    most_lost: float = 0.1
    """Share of such frames above which the lift is refused."""
    seed: int = 0


@dataclass(frozen=True)
class Lifted:
    """What was found, at the reference's own rate."""

    motion: dict[str, np.ndarray]
    """As :attr:`~nil_ext.reference.Reference.motion`; with ``contact`` (T, F), 1 where a foot stands, ``foot_names``
    (F,), ``iou`` (T,) of each mask with the pose's, and ``deviation`` (T, J), the angles' uncertainty [rad]."""
    joints: tuple[str, ...]
    """The joints that the pictures decided; the others are at e0."""
    speed: float
    """Mean forward speed [m/s]."""
    drawn: np.ndarray
    """Masks of the poses found. Shape is (T, S, S) bool."""
    alignment: Alignment
    """How the clip has to be moved to show the motion in the task's camera: the robot at its own size, its root in the
    middle, its feet on the ground."""
    lost: np.ndarray
    """Numbers of the frames below :attr:`LiftSettings.least_iou`."""
    accepted: bool
    """Whether few enough frames are lost."""
    about: dict = field(default_factory=dict)
    """What the reference's manifest keeps."""


def lift(
    masks: np.ndarray, rate: float, robot: Robot, settings: LiftSettings | None = None, report: Report | None = None
) -> Lifted:
    """Find the motion that makes the masks.

    Args:
        masks: the robot in the task's camera. Shape is (T, S, S) bool.
        rate: frames per second [Hz].
        robot: whose clip it is.
        settings: how; ours if None.
        report: told about progress.

    Raises:
        InputError: When the clip is too short, or the robot's model cannot be read or shows no joint that turns in the
            picture's plane.
    """
    settings, report = settings or LiftSettings(), report or (lambda step, share: None)
    report("reading the model", 0.0)
    skeleton = read_skeleton(robot)
    puppet = Puppet(skeleton, robot)
    if not puppet.joints:
        raise InputError(f"Robot '{robot.name}' has no joint that turns in a side view's plane: nothing can be lifted.")
    stride = max(1, round(rate / settings.rate))
    seen = masks[::stride]
    if len(seen) < _FEWEST:
        raise InputError(f"{len(masks)} frames at {rate:g} Hz are too few to lift: give more of the clip.")
    search = _Search(puppet, skeleton, robot, seen, rate / stride, settings, report)
    path, deviation = search.run()
    puppet = search.puppet
    report("measuring the ground", 0.98)
    drawn = _drawn(puppet, path, len(masks), stride, masks.shape[-1])
    overlap = (drawn & masks).sum(axis=(1, 2)) / np.maximum((drawn | masks).sum(axis=(1, 2)), 1)
    motion, speed, support = make_motion(skeleton, puppet, path, deviation, len(masks), stride, rate)
    motion["iou"] = overlap
    alignment = _alignment(puppet, path, stride, motion["root_pose"][:, 2], masks.shape[-1])
    lost = np.flatnonzero(overlap < settings.least_iou)
    about = {
        "joints": list(puppet.joint_names),
        "iou": {"mean": float(overlap.mean()), "least": float(overlap.min())},
        "deviation": float(np.median(deviation[:, NUM_ROOT:])),
        "speed": speed,
        "supported": support,
        "zoom": float(np.median(path[:, 3])),
        "camera_distance": puppet.distance,
        "rate": rate / stride,
        "lost": lost.tolist(),
    }
    report("done", 1.0)
    accepted = len(lost) <= settings.most_lost * len(masks)
    return Lifted(motion, puppet.joint_names, speed, drawn, alignment, lost, accepted, about)


def require_accepted(lifted: Lifted, rate: float, settings: LiftSettings | None = None) -> None:
    """Refuse a lift that lost the robot.

    Raises:
        InputError: With the frames, as times.
    """
    if lifted.accepted:
        return
    settings = settings or LiftSettings()
    iou, where = lifted.motion["iou"], times_of(lifted.lost, rate)
    raise InputError(
        f"The clip cannot be lifted: in {len(lifted.lost) / len(iou):.0%} of the frames ({where}) "
        f"no pose of this robot looks like the mask (IoU below {settings.least_iou:g}, {iou.mean():.2f} on average): "
        "give a clip that shows this robot exactly from the side, whole, in every frame, or cut it with --trim."
    )


class _Search:
    """The search for one clip."""

    def __init__(
        self,
        puppet: Puppet,
        skeleton: Skeleton,
        robot: Robot,
        masks: np.ndarray,
        rate: float,
        settings: LiftSettings,
        report: Report,
    ):
        self.puppet, self.skeleton, self.robot, self.settings, self.report = puppet, skeleton, robot, settings, report
        self.count, self.size, self.rate = len(masks), len(puppet.e0), rate
        self.masks = masks
        self.pictures = self._pictures(puppet)
        height = puppet.e0[1]
        self.limits = np.concatenate(
            [[[-0.3, 0.3], [0.3 * height, 1.5 * height], [-0.8, 0.8], [0.5, 2.0]], puppet.limits]
        )
        joints = np.where(puppet.trunk, settings.trunk_deviation, settings.deviation)
        self.prior = Prior(puppet.e0.copy(), np.concatenate([settings.root_deviations, joints]))
        step = 1.0 / rate
        ones = np.ones(len(puppet.joints))
        self.speed = np.concatenate([[0.5 * step, 1.0 * step, 4.0 * step, 0.5 * step], settings.speed * step * ones])
        self.bend = np.concatenate([[0.01, 0.02, 0.05, 0.002], settings.acceleration * step**2 * ones])

    def run(self) -> tuple[np.ndarray, np.ndarray]:
        """The path (T, P) and its standard deviation (T, P)."""
        self.report("measuring the robot's size", 0.02)
        few = np.linspace(0, self.count - 1, min(self.count, _SIZED)).round().astype(int)
        poses, frames = self._starts(few, 1.0, self.settings.zoom)
        for picture in self.pictures[:2]:
            poses, cost = refine(picture, poses, frames, self.prior, self.limits, 4)
        zoom = float(np.median([poses[frames == f][cost[frames == f].argmin(), 3] for f in few]))
        zoom = 1.0 if abs(zoom - 1.0) < _SAME_SIZE else zoom
        # a camera that follows shows the robot in one size
        self.prior.mean[3], self.prior.deviation[3] = zoom, _ZOOM_DEVIATION
        self.report("drawing random poses", 0.05)
        poses, frames = self._starts(np.arange(self.count), zoom, 0.0)
        shares = (0.10, 0.40)
        for picture, share in zip(self.pictures[:2], shares, strict=True):
            self.report("fitting candidates", share)
            poses, cost = refine(picture, poses, frames, self.prior, self.limits, 4)
        self._trust(cost, frames)
        cost = self.pictures[1].cost(poses, frames) + self.prior.cost(poses)
        for share in (0.55, 0.63, 0.71):
            path, poses, cost, frames = self._path(poses, cost, frames)
            self.report("following the legs", share)
            offered, places = self._proposals(path)
            offered, price = refine(self.pictures[1], offered, places, self.prior, self.limits, 2)
            poses, cost = np.concatenate([poses, offered]), np.concatenate([cost, price])
            frames = np.concatenate([frames, places])
        path = self._take_turns(self._path(poses, cost, frames)[0])
        fits = []
        for share, distance in zip((0.76, 0.83, 0.90), _DISTANCES, strict=True):
            self.report("fitting all frames together", share)
            fits.append(self._from(distance, path))
        _, self.puppet, path, deviation = min(fits, key=lambda fit: fit[0])
        return path, deviation

    def _pictures(self, puppet: Puppet) -> list[Picture]:
        """The clip in each size, as a puppet is compared with it."""
        return [
            Picture(puppet, _shrunk(self.masks, size), blur)
            for size, blur in zip(self.settings.sizes, self.settings.blurs, strict=True)
        ]

    def _from(self, distance: float, path: np.ndarray) -> tuple[float, Puppet, np.ndarray, np.ndarray]:
        """What a path (T, P) costs when it is fitted by a camera at a distance; puppet, path and deviation (T, P)."""
        puppet = Puppet(self.skeleton, self.robot, distance, self.puppet.joints)
        pictures = self._pictures(puppet)
        for picture in pictures[1:]:
            picture.trust = self.pictures[0].trust
            path, deviation = refine_together(picture, path, self.prior, self.limits, self.bend, 5)
        # coarser pictures do not tell perspectives apart
        return self._total(path, pictures[-1]), puppet, path, deviation

    def _together(self, path: np.ndarray) -> np.ndarray:
        """A path (T, P) fitted to the pictures of the second size for a few rounds."""
        return refine_together(self.pictures[1], path, self.prior, self.limits, self.bend, 3)[0]

    def _starts(self, wanted: np.ndarray, zoom: float, around: float) -> tuple[np.ndarray, np.ndarray]:
        """Poses of a library, drawn with a zoom or around it, that look like each wanted frame, and their frames."""
        settings, size = self.settings, 32
        spans = np.where(self.puppet.trunk, settings.trunk_deviation, settings.swing)
        width = np.concatenate([[0.0, 0.0, settings.pitch, around], spans])
        random = np.random.default_rng(settings.seed)
        library = self.puppet.e0 + random.uniform(-1.0, 1.0, (settings.library, self.size)) * width
        library[:, 3] += zoom - 1.0
        library = library.clip(self.limits[:, 0], self.limits[:, 1])
        library[:, 1] = (library[:, 1] - self._lowest(library)).clip(*self.limits[1])
        looks = np.concatenate(
            [_blurred(self.puppet.draw(part, size)) for part in np.array_split(library, -(-len(library) // 500))]
        )
        targets = _blurred(_shrunk(self.masks[wanted], size))
        distance = (looks**2).sum(axis=1) - 2.0 * targets @ looks.T
        poses, frames = [], []
        for frame, row in zip(wanted, distance, strict=True):
            near = np.argpartition(row, 80)[:80] if len(row) > 80 else np.arange(len(row))
            taken = spread(near[row[near].argsort()], library, settings.candidates, 0.4)
            poses.append(library[taken])
            frames += [frame] * len(taken)
        return np.concatenate(poses), np.array(frames)

    def _lowest(self, poses: np.ndarray) -> np.ndarray:
        """Height of the lowest sole of poses (N, P) [m]. Shape is (N,)."""
        return np.concatenate(
            [
                soles(self.skeleton, self.puppet, part)[..., 2].min(axis=(1, 2))
                for part in np.array_split(poses, -(-len(poses) // 1000))
            ]
        )

    def _trust(self, cost: np.ndarray, frames: np.ndarray) -> None:
        """Weigh pictures by how well poses can fit them: a generated clip's robot is not exactly ours."""
        best = np.array([cost[frames == frame].min() for frame in range(self.count)])
        trust = min(1.0, _GOOD_COST / np.median(best))
        for picture in self.pictures:
            picture.trust = trust

    def _path(self, poses: np.ndarray, cost: np.ndarray, frames: np.ndarray):
        """The path through the candidates, and the best distinct candidates of each frame: poses, costs, frames.

        Whichever limb is in front: where perspective misleads, the right one costs more in every single frame.
        """
        in_front = [poses[:, one[0]] < poses[:, other[0]] for one, other in self.puppet.pairs]
        groups = sum((front.astype(int) << bit for bit, front in enumerate(in_front)), np.zeros(len(poses), dtype=int))
        costs, values = np.full((self.count, _WIDTH), np.inf), np.zeros((self.count, _WIDTH, self.size))
        for frame in range(self.count):
            mine = np.flatnonzero(frames == frame)
            taken = mine[spread_over_groups(cost[mine].argsort(), poses[mine], groups[mine], _WIDTH, 0.1)]
            costs[frame, : len(taken)], values[frame] = cost[taken], poses[taken[0]]
            values[frame, : len(taken)] = poses[taken]
        choice = best_path(costs, values, self.speed, self.bend)
        kept = np.isfinite(costs)
        places = np.nonzero(kept)[0]
        return values[np.arange(self.count), choice], values[kept], costs[kept], places

    def _take_turns(self, path: np.ndarray) -> np.ndarray:
        """The path (T, P) with limbs that take turns, unless that bends its course: pictures are not asked.

        A wrong perspective says the same in every frame, so that its word weighs more the longer the clip is.
        """
        for limbs in self.puppet.pairs:
            others = alternating(path, limbs, self.rate)
            if not others:
                continue
            fits = [self._together(each) for each in (path, *others)]
            best = min((1, 2), key=lambda number: self._total(fits[number], self.pictures[1]))
            if self._bent(fits[best]) < _TURNS * self._bent(fits[0]):
                path = others[best - 1]
        return path

    def _bent(self, path: np.ndarray) -> float:
        """How far a path (T, P) is from keeping its course."""
        return 0.5 * float(((np.diff(path, n=2, axis=0) / self.bend) ** 2).sum())

    def _total(self, path: np.ndarray, picture: Picture) -> float:
        """What a path (T, P) costs."""
        seen = picture.cost(path, np.arange(self.count))
        return float(seen.sum() + self.prior.cost(path).sum()) + self._bent(path)

    def _proposals(self, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Further candidates and their frames: what follows from the frames on either side, and limbs exchanged."""
        frames = np.arange(self.count)
        poses, places = [2.0 * path[1:-1] - path[:-2], 2.0 * path[1:-1] - path[2:]], [frames[2:], frames[:-2]]
        for limbs in self.puppet.pairs:
            poses.append(exchange(path, limbs))
            places.append(frames)
        return np.concatenate(poses).clip(self.limits[:, 0], self.limits[:, 1]), np.concatenate(places)


def _shrunk(masks: np.ndarray, size: int) -> np.ndarray:
    """Share of each of fewer pixels that masks (T, S, S) cover. Shape is (T, size, size)."""
    return np.stack([cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA) for mask in masks])


def _blurred(covers: np.ndarray) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(cover, (0, 0), 1.2).ravel() for cover in covers])


def _drawn(puppet: Puppet, path: np.ndarray, count: int, stride: int, size: int) -> np.ndarray:
    """Masks (T, size, size) of the path at the reference's rate."""
    poses = CubicSpline(np.arange(len(path)) * stride, path)(np.arange(count))
    parts = np.array_split(poses, -(-count // 64))
    return np.concatenate([puppet.draw(part, size) > 0.5 for part in parts])


def _alignment(puppet: Puppet, path: np.ndarray, stride: int, heights: np.ndarray, size: int) -> Alignment:
    """From the poses as the clip shows them to the motion: root heights (T,) on the ground, its way left out.

    In x each frame is moved: the follow camera holds the root. In y and in size one value holds for all frames, because
    that camera neither climbs nor zooms.
    """
    poses = CubicSpline(np.arange(len(path)) * stride, path)(np.arange(len(heights)))
    pixels = size / puppet.extent  # a metre, where the root is
    scale = 1.0 / np.median(poses[:, 3])
    middle = 0.5 * size * (1.0 - scale)
    above = np.median(poses[:, 1] - heights)
    shift_y = middle + pixels * (puppet.height * (1.0 - scale) + above)
    ones = np.ones(len(heights))
    return Alignment(scale * ones, middle - pixels * poses[:, 0], shift_y * ones, float(pixels * np.ptp(poses[:, 0])))
