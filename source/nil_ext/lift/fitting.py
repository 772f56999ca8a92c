# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Poses whose silhouettes match given ones: a Levenberg-Marquardt search over blurred pictures, many poses at once.

Blurring gives the score its slope: where an arm or a leg does not overlap its picture yet, the difference of the plain
masks does not change with the pose, that of the blurred ones does as long as they are within about the blur's width.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded, solveh_banded

from .prior import MotionPrior, Prior
from .silhouette import NUM_ROOT, Puppet

_NOISE = 0.04
"""Standard deviation of a blurred picture's error, per independent pixel: how well drawn outlines fit real ones."""

_STEPS = (0.01, 0.01, 0.05, 0.02)
"""Steps of the finite differences: root aside and up [m], any angle [rad], zoom."""

_CHUNK = 16
"""Poses whose slopes are taken at once; bounds the memory."""

_COLUMNS = 256
"""Columns of an inverse that are solved for at once; bounds the memory."""


class Picture:
    """The clip's silhouettes at one size and blur, and how far poses are from them."""

    def __init__(self, puppet: Puppet, covers: np.ndarray, blur: float, trust: float = 1.0):
        """Blur the clip.

        Args:
            puppet: draws the poses.
            covers: share of each pixel that the robot covers. Shape is (T, S, S), float32 in [0, 1].
            blur: standard deviation [px].
            trust: factor on the cost; below 1 where no pose fits as well as the noise says.
        """
        self.puppet, self.size, self.blur = puppet, covers.shape[-1], blur
        # A blurred picture holds nothing finer: every second pixel will do.
        self._stride = 2 if blur >= 1.4 else 1
        self._targets = self._blurred(covers)
        # Blurred pixels repeat one another; this many pixels count as one.
        alike = max(1.0, 4.0 * np.pi * blur**2 / self._stride**2)
        self._weight = trust / (_NOISE**2 * alike)
        self._steps = np.full(NUM_ROOT + len(puppet.joints), _STEPS[2])
        self._steps[:NUM_ROOT] = _STEPS

    def cost(self, poses: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Half the squared difference, in noise deviations, of poses (N, P) to frames (N,). Shape is (N,)."""
        costs = np.empty(len(poses))
        for first in range(0, len(poses), 256):
            part = slice(first, first + 256)
            error = self._blurred(self.puppet.draw(poses[part], self.size)) - self._targets[frames[part]]
            costs[part] = 0.5 * self._weight * (error**2).sum(axis=1)
        return costs

    def iou(self, path: np.ndarray) -> float:
        """Overlap of the blurred pictures with those of a pose for each frame (T, P), over all of the clip."""
        drawn = self._blurred(self.puppet.draw(path, self.size))
        return float(np.minimum(drawn, self._targets).sum() / np.maximum(drawn, self._targets).sum())

    def slopes(self, poses: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gauss-Newton's view of the cost.

        Returns:
            Cost (N,), gradient (N, P) and approximate Hessian (N, P, P).
        """
        count, size = poses.shape
        cost, gradient, hessian = np.empty(count), np.empty((count, size)), np.empty((count, size, size))
        for first in range(0, count, _CHUNK):
            part = slice(first, min(first + _CHUNK, count))
            here = poses[part]
            moved = here[:, None] + np.concatenate([np.zeros((1, size)), np.diag(self._steps)])
            drawn = self._blurred(self.puppet.draw(moved.reshape(-1, size), self.size))
            drawn = drawn.reshape(len(here), size + 1, -1)
            error = drawn[:, 0] - self._targets[frames[part]]
            jacobian = (drawn[:, 1:] - drawn[:, :1]) / self._steps[:, None].astype(np.float32)  # (n, P, pixels)
            cost[part] = 0.5 * self._weight * (error**2).sum(axis=1)
            gradient[part] = self._weight * (jacobian @ error[..., None])[..., 0]
            hessian[part] = self._weight * (jacobian @ jacobian.transpose(0, 2, 1))
        return cost, gradient, hessian

    def _blurred(self, covers: np.ndarray) -> np.ndarray:
        """Pictures (N, S, S) blurred and flattened. Shape is (N, pixels)."""
        soft = [cv2.GaussianBlur(c, (0, 0), self.blur)[:: self._stride, :: self._stride].ravel() for c in covers]
        return np.stack(soft)


def refine(
    picture: Picture, poses: np.ndarray, frames: np.ndarray, motions: MotionPrior, rounds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Improve poses one by one.

    Args:
        picture: the clip.
        poses: where to start. Shape is (N, P).
        frames: frame of the clip that each is for. Shape is (N,).
        motions: what poses are like.
        rounds: Levenberg-Marquardt steps.

    Returns:
        Better poses (N, P) and their costs (N,), the prior's share included.
    """
    prior, poses, damping = motions.poses, poses.copy(), np.full(len(poses), 1e-2)
    precision = 1.0 / prior.deviation**2
    cost = np.full(len(poses), np.inf)
    for _ in range(rounds):
        seen, gradient, hessian = picture.slopes(poses, frames)
        cost = seen + prior.cost(poses)
        gradient += precision * (poses - prior.mean)
        hessian += np.diag(precision)
        diagonal = np.einsum("npp->np", hessian)
        hessian = hessian + (damping[:, None] * diagonal)[:, :, None] * np.eye(poses.shape[1])
        step = -np.linalg.solve(hessian, gradient[..., None])[..., 0]
        trial = motions.clip(poses + step)
        tried = picture.cost(trial, frames) + prior.cost(trial)
        better = tried < cost
        poses[better], cost[better] = trial[better], tried[better]
        damping = np.where(better, 0.3 * damping, 10.0 * damping).clip(1e-4, 1e3)
    return poses, cost


def refine_together(
    picture: Picture,
    path: np.ndarray,
    motions: MotionPrior,
    rounds: int,
    held_to: Callable[[np.ndarray], Prior] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Improve the poses of all frames at once, so that what one frame hides follows from its neighbours.

    Args:
        picture: the clip.
        path: a pose for each frame. Shape is (T, P).
        motions: what poses and their course are like.
        rounds: Levenberg-Marquardt steps.
        held_to: what the poses of each frame are like, by the path, in the place of ``motions.poses``; asked anew in
            every step.

    Returns:
        The path (T, P) and the standard deviation of each of its values, from the curvature of the cost. (T, P).
    """
    count, size = path.shape
    frames, damping, path = np.arange(count), 1e-3, path.copy()
    prior = held_to or (lambda _: motions.poses)
    stiffness = 1.0 / motions.bend**2
    smooth = _second_differences(count)  # banded (3, T)

    def total(poses: np.ndarray, seen: np.ndarray, held: Prior) -> float:
        return float(seen.sum() + held.cost(poses).sum() + motions.bending(poses))

    for _ in range(rounds):
        held = prior(path)
        precision = 1.0 / held.deviation**2
        seen, gradient, hessian = picture.slopes(path, frames)
        cost = total(path, seen, held)
        gradient += precision * (path - held.mean) + _apply(smooth, path) / motions.bend**2
        hessian += precision[..., None] * np.eye(size)
        while damping < 1e3:
            damped = hessian + damping * np.einsum("npp->np", hessian)[:, :, None] * np.eye(size)
            step = _solve(damped, smooth, stiffness, -gradient.reshape(-1)).reshape(path.shape)
            trial = motions.clip(path + step)
            if total(trial, picture.cost(trial, frames), held) < cost:
                path, damping = trial, max(0.3 * damping, 1e-6)
                break
            damping *= 10.0
        else:
            break
    _, _, hessian = picture.slopes(path, frames)
    hessian += (1.0 / prior(path).deviation ** 2)[..., None] * np.eye(size)
    return path, _deviations(hessian, smooth, stiffness)


def path_cost(picture: Picture, path: np.ndarray, motions: MotionPrior) -> float:
    """What a path (T, P) costs: by the pictures, as poses and as a course."""
    seen = picture.cost(path, np.arange(len(path)))
    return float(seen.sum() + motions.poses.cost(path).sum() + motions.bending(path))


def _second_differences(count: int) -> np.ndarray:
    """Diagonals (3, T) of D'D, where D takes second differences of T values: main, first and second upper one."""
    matrix = np.diff(np.eye(count), n=2, axis=0)
    product = matrix.T @ matrix
    return np.stack([np.concatenate([np.diag(product, k), np.zeros(k)]) for k in range(3)])


def _apply(smooth: np.ndarray, path: np.ndarray) -> np.ndarray:
    """D'D times path (T, P)."""
    result = smooth[0][:, None] * path
    for k in (1, 2):
        if len(path) > k:
            band = smooth[k, :-k, None]
            result[:-k] += band * path[k:]
            result[k:] += band * path[:-k]
    return result


def _banded(hessian: np.ndarray, smooth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The whole matrix over (T, P) in solveh_banded's lower form: blocks on the diagonal, smoothness 1 and 2 off."""
    count, size = hessian.shape[:2]
    bands = np.zeros((2 * size + 1, count * size))
    for offset in range(size):
        for column in range(size - offset):
            bands[offset, column::size] = hessian[:, column + offset, column]
    for k in range(3):
        bands[k * size] += (smooth[k][:, None] * weights).reshape(-1)
    return bands


def _solve(hessian: np.ndarray, smooth: np.ndarray, weights: np.ndarray, right: np.ndarray) -> np.ndarray:
    return solveh_banded(_banded(hessian, smooth, weights), right, lower=True)


def _deviations(hessian: np.ndarray, smooth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Square roots of the diagonal of the inverse. Shape is (T, P)."""
    count, size = hessian.shape[:2]
    factor = cholesky_banded(_banded(hessian, smooth, weights), lower=True)
    variances = np.empty(count * size)
    for first in range(0, len(variances), _COLUMNS):  # the whole inverse of a long clip takes gigabytes
        rows = np.arange(first, min(first + _COLUMNS, len(variances)))
        unit = np.zeros((len(variances), len(rows)))
        unit[rows, rows - first] = 1.0
        variances[rows] = cho_solve_banded((factor, True), unit)[rows, rows - first]
    return np.sqrt(variances.clip(min=0.0)).reshape(count, size)
