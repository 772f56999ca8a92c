# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What poses, and how they change from frame to frame, are like before any picture is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Prior:
    """What poses are like before any picture is seen: independent and normal."""

    mean: np.ndarray
    """Shape is (P,), or (T, P) where each frame has its own."""
    deviation: np.ndarray
    """Shape is that of ``mean``."""

    def cost(self, poses: np.ndarray) -> np.ndarray:
        """Half the squared distance in standard deviations of poses (N, P). Shape is (N,)."""
        return 0.5 * (((poses - self.mean) / self.deviation) ** 2).sum(axis=-1)

    def also(self, columns: list[int], values: np.ndarray, deviation: float) -> Prior:
        """This prior and another one for some parameters.

        Args:
            columns: their numbers.
            values: what is expected in each frame (T, columns); NaN where nothing is.
            deviation: standard deviation from that.
        """
        shape = (len(values), self.mean.shape[-1])
        mean, precision = (np.array(np.broadcast_to(a, shape)) for a in (self.mean, self.deviation**-2.0))
        known = np.isfinite(values)
        weight = np.where(known, deviation**-2.0, 0.0)
        sums = mean[:, columns] * precision[:, columns] + weight * np.where(known, values, 0.0)
        precision[:, columns] += weight
        mean[:, columns] = sums / precision[:, columns]
        return Prior(mean, precision**-0.5)

    def known(self, column: int, value: float, deviation: float) -> Prior:
        """This prior where one parameter was measured."""
        mean, deviations = self.mean.copy(), self.deviation.copy()
        mean[..., column], deviations[..., column] = value, deviation
        return Prior(mean, deviations)


@dataclass(frozen=True)
class MotionPrior:
    """What the poses of a clip and its course are like."""

    poses: Prior
    limits: np.ndarray
    """Lowest and highest value of each parameter. Shape is (P, 2)."""
    speed: np.ndarray
    """Standard deviation of each parameter's change from frame to frame. Shape is (P,)."""
    bend: np.ndarray
    """Standard deviation of its second difference. Shape is (P,)."""

    def clip(self, poses: np.ndarray) -> np.ndarray:
        """Poses (N, P) within the limits."""
        return poses.clip(self.limits[:, 0], self.limits[:, 1])

    def bending(self, path: np.ndarray) -> float:
        """What the second differences of a path (T, P) cost: half their squares in standard deviations."""
        return float(0.5 * ((np.diff(path, n=2, axis=0) / self.bend) ** 2).sum())
