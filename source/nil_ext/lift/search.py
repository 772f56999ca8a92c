# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Which poses may make the masks of a clip, and which of them follow one another.

0. A few frames are searched with the robot's size in the picture free, by cameras that look down more and more; the
   size and the elevation that fit best then hold for all.
1. Random poses about e0 are drawn once; those that look most like a frame are where its search begins.
2. Each candidate is improved by itself against blurred pictures, coarse ones first.
3. A path through the candidates is chosen by cost and continuity, which keeps left and right apart, continued into the
   neighbouring frames and with limbs exchanged as further candidates, and chosen again.
4. Limbs that pass each other at a steady pace take turns in front.

All frames are then fitted together (:mod:`.whole_clip`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..reference.quality import MIN_REACHABLE
from .alternation import Gait, alternating, exchange, half_stride, pace
from .candidates import best_path, spread, spread_over_groups
from .fitting import Picture, path_cost, refine, refine_together
from .motion import soles
from .prior import MotionPrior, Prior
from .silhouette import Puppet

_GOOD_COST = 25.0
"""Cost of a frame that is fitted as well as a sketch's are, in half squared deviations of the noise."""

_SIZED = 12
"""Frames in which the robot's size is measured."""

_TILT = 5.0
"""By how much more a camera looks down than the one before that is tried [deg]."""

_STEEPEST = 30.0
"""The last of them [deg]: seen from further above, joints do not turn in the picture's plane any more."""

_SAME_SIZE = 0.03
"""How far a size may be from the model's and still be taken for it: outlines are not truer than that."""

_ZOOM_DEVIATION = 0.002
"""Standard deviation of the zoom about the one measured: it hardly moves from there."""

_WIDTH = 12
"""Candidates of a frame that a path may choose from."""

Report = Callable[[str, float], None]
"""Told what is done and which share of the whole is behind it."""


@dataclass(frozen=True)
class LiftSettings:
    """How a clip is lifted. The numbers are ours, set on the sketches of the four robots."""

    rate: float = 30.0
    """Frames per second that are looked at, about [Hz]: a reference is thinned by a whole factor, its rate over this
    one rounded. One of 44 Hz is looked at as it is, one of 45 Hz at 22.5."""
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
    unsteadiness: float = 0.035
    """Standard deviation of how joints and the root's pitch differ from what they, or their mirror images, are in the
    strides before and after, where the gait is steady [rad]."""
    least_iou: float = MIN_REACHABLE
    """A frame whose IoU is lower does not show the pose that was found."""
    most_lost: float = 0.1
    """Share of such frames above which the lift is refused."""
    seed: int = 0


@dataclass(frozen=True)
class Clip:
    """A clip's masks, and how they are compared with poses."""

    masks: np.ndarray
    """Shape is (T, S, S) bool."""
    rate: float
    """Frames per second [Hz]."""
    settings: LiftSettings
    trust: float = 1.0
    """As :class:`~nil_ext.lift.fitting.Picture` takes it."""

    def pictures(self, puppet: Puppet) -> list[Picture]:
        """The clip in each size, as a puppet is compared with it, coarse to fine."""
        return [
            Picture(puppet, _shrunk(self.masks, size), blur, self.trust)
            for size, blur in zip(self.settings.sizes, self.settings.blurs, strict=True)
        ]


@dataclass(frozen=True)
class Found:
    """What the search of a clip found."""

    clip: Clip
    puppet: Puppet
    """As the clip's camera sees it, in elevation and size."""
    motions: MotionPrior
    path: np.ndarray
    """A pose of each frame. Shape is (T, P)."""
    gait: Gait | None
    """Of limbs that take turns at a steady pace, if any."""
    in_turn: np.ndarray
    """The path where they do take turns, :attr:`path` itself where they do there. Shape is (T, P)."""


class PoseSearch:
    """The search for one clip."""

    def __init__(self, clip: Clip, puppet: Puppet, report: Report):
        self.clip, self.puppet, self.report, self.settings = clip, puppet, report, clip.settings
        self.count, self.size = len(clip.masks), len(puppet.e0)
        self.pictures = clip.pictures(puppet)
        self.motions = motion_prior(puppet, clip)

    def run(self) -> Found:
        """Search."""
        self.report("measuring the robot's size", 0.02)
        zoom = self._measure()
        # a camera that follows shows the robot in one size
        self.motions = replace(self.motions, poses=self.motions.poses.known(3, zoom, _ZOOM_DEVIATION))
        self.report("drawing random poses", 0.05)
        poses, frames = self._starts(np.arange(self.count), zoom, 0.0)
        shares = (0.10, 0.40)
        for picture, share in zip(self.pictures[:2], shares, strict=True):
            self.report("fitting candidates", share)
            poses, cost = refine(picture, poses, frames, self.motions, 4)
        self._trust(cost, frames)
        cost = self.pictures[1].cost(poses, frames) + self.motions.poses.cost(poses)
        for share in (0.55, 0.63, 0.71):
            path, poses, cost, frames = self._path(poses, cost, frames)
            self.report("following the legs", share)
            offered, places = self._proposals(path)
            offered, price = refine(self.pictures[1], offered, places, self.motions, 2)
            poses, cost = np.concatenate([poses, offered]), np.concatenate([cost, price])
            frames = np.concatenate([frames, places])
        found = self._path(poses, cost, frames)[0]
        gait, in_turn = self._take_turns(found)
        return Found(self.clip, self.puppet, self.motions, found, gait, in_turn)

    def _measure(self) -> float:
        """How large the robot is shown; the puppet becomes what the camera sees that looks down as the clip's does.

        Cameras that look down more and more are tried as long as that helps; the least of a parabola through the best
        one and its neighbours is taken.
        """
        tried: dict[float, tuple[float, float]] = {}
        for tilt in np.arange(0.0, _STEEPEST + _TILT, _TILT):
            least = min((cost for cost, _ in tried.values()), default=np.inf)
            tried[tilt] = self._size(tilt)
            if tried[tilt][0] > least:
                break
        costs = [cost for cost, _ in tried.values()]
        # a side view stays one, as cameras that look up are not tried
        elevation = _least(list(tried), costs) if costs[0] > min(costs) else 0.0
        zoom = (tried.get(elevation) or self._size(elevation))[1]
        self._look_down(elevation)
        return 1.0 if abs(zoom - 1.0) < _SAME_SIZE else zoom

    def _size(self, elevation: float) -> tuple[float, float]:
        """What a few frames cost at best, seen from an elevation [deg], and how large they show the robot (median)."""
        self._look_down(elevation)
        few = np.linspace(0, self.count - 1, min(self.count, _SIZED)).round().astype(int)
        poses, frames = self._starts(few, 1.0, self.settings.zoom)
        for picture in self.pictures[:2]:
            poses, cost = refine(picture, poses, frames, self.motions, 4)
        best = [np.flatnonzero(frames == frame)[cost[frames == frame].argmin()] for frame in few]
        return float(cost[best].sum()), float(np.median(poses[best, 3]))

    def _look_down(self, elevation: float) -> None:
        """Let the camera look down by an elevation [deg]."""
        if elevation != self.puppet.elevation:
            self.puppet = self.puppet.seen_from(1.0, elevation)
            self.pictures = self.clip.pictures(self.puppet)

    def _starts(self, wanted: np.ndarray, zoom: float, around: float) -> tuple[np.ndarray, np.ndarray]:
        """Poses of a library, drawn with a zoom or around it, that look like each wanted frame, and their frames."""
        settings, size = self.settings, 32
        spans = np.where(self.puppet.trunk, settings.trunk_deviation, settings.swing)
        width = np.concatenate([[0.0, 0.0, settings.pitch, around], spans])
        random = np.random.default_rng(settings.seed)
        library = self.puppet.e0 + random.uniform(-1.0, 1.0, (settings.library, self.size)) * width
        library[:, 3] += zoom - 1.0
        library = self.motions.clip(library)
        library[:, 1] = (library[:, 1] - self._lowest(library)).clip(*self.motions.limits[1])
        looks = np.concatenate(
            [_blurred(self.puppet.draw(part, size)) for part in np.array_split(library, -(-len(library) // 500))]
        )
        targets = _blurred(_shrunk(self.clip.masks[wanted], size))
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
                soles(self.puppet, part)[..., 2].min(axis=(1, 2))
                for part in np.array_split(poses, -(-len(poses) // 1000))
            ]
        )

    def _trust(self, cost: np.ndarray, frames: np.ndarray) -> None:
        """Weigh pictures by how well poses can fit them: a generated clip's robot is not exactly ours."""
        best = np.array([cost[frames == frame].min() for frame in range(self.count)])
        self.clip = replace(self.clip, trust=min(1.0, _GOOD_COST / np.median(best)))
        self.pictures = self.clip.pictures(self.puppet)

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
        choice = best_path(costs, values, self.motions.speed, self.motions.bend)
        kept = np.isfinite(costs)
        places = np.nonzero(kept)[0]
        return values[np.arange(self.count), choice], values[kept], costs[kept], places

    def _take_turns(self, path: np.ndarray) -> tuple[Gait | None, np.ndarray]:
        """The gait of limbs that pass each other at a steady pace, if any, and the path (T, P) where they take turns.

        Pictures are asked only which of two limbs begins: a wrong perspective says the same in every frame, so that its
        word weighs more the longer the clip is.
        """
        pairs, paces = [], []
        for limbs in self.puppet.pairs:
            if (steps := pace(path, limbs, self.clip.rate)) is None:
                continue
            pairs.append(limbs)
            paces.append(steps)
            if others := alternating(path, limbs, self.clip.rate):
                path = min(others, key=self._price)
        return (Gait(half_stride(path, pairs, paces), pairs) if pairs else None), path

    def _price(self, path: np.ndarray) -> float:
        """What a path (T, P) costs once it is fitted for a few rounds."""
        picture = self.pictures[1]
        return path_cost(picture, refine_together(picture, path, self.motions, 3)[0], self.motions)

    def _proposals(self, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Further candidates and their frames: what follows from the frames on either side, and limbs exchanged."""
        frames = np.arange(self.count)
        poses, places = [2.0 * path[1:-1] - path[:-2], 2.0 * path[1:-1] - path[2:]], [frames[2:], frames[:-2]]
        for limbs in self.puppet.pairs:
            poses.append(exchange(path, limbs))
            places.append(frames)
        return self.motions.clip(np.concatenate(poses)), np.concatenate(places)


def motion_prior(puppet: Puppet, clip: Clip) -> MotionPrior:
    """What the settings say about poses and motion."""
    settings, step = clip.settings, 1.0 / clip.rate
    height, ones = puppet.e0[1], np.ones(len(puppet.joints))
    root = [[-0.3, 0.3], [0.3 * height, 1.5 * height], [-0.8, 0.8], [0.5, 2.0]]
    joints = np.where(puppet.trunk, settings.trunk_deviation, settings.deviation)
    return MotionPrior(
        poses=Prior(puppet.e0.copy(), np.concatenate([settings.root_deviations, joints])),
        limits=np.concatenate([root, puppet.limits]),
        speed=np.concatenate([[0.5 * step, 1.0 * step, 4.0 * step, 0.5 * step], settings.speed * step * ones]),
        bend=np.concatenate([[0.01, 0.02, 0.05, 0.002], settings.acceleration * step**2 * ones]),
    )


def _least(places: list[float], values: list[float]) -> float:
    """Where a parabola through the last three of some values is least, rounded; the last place if it is not there."""
    bend, slope, _ = np.polyfit(places[-3:], values[-3:], 2)
    return float(round(-0.5 * slope / bend)) if bend > 0.0 and values[-1] > min(values) else float(places[-1])


def _shrunk(masks: np.ndarray, size: int) -> np.ndarray:
    """Share of each of fewer pixels that masks (T, S, S) cover. Shape is (T, size, size)."""
    return np.stack([cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA) for mask in masks])


def _blurred(covers: np.ndarray) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(cover, (0, 0), 1.2).ravel() for cover in covers])
