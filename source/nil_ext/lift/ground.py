# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What the ground says: which foot stands, and how fast the robot moves, for a foot that stands does not slide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

_NEAR = 0.02
"""Height above its ground at which a point of a sole counts as standing by exp(-1/2) only [m] (ours)."""

_LOW = 10.0
"""Percentile of a foot's heights at which its ground is (ours): a foot stands for half of a walk."""

_WINDOW = 0.15
"""Standard deviation of the window over which feet vote for the forward speed [s] (ours); a step takes more."""

_CONTACT_HEIGHT = 0.025
"""Highest sole that is taken to touch the ground [m] (ours): a pixel of the pictures that are fitted."""

_CONTACT_SLIP = 0.35
"""Fastest sole that is taken to stand [m/s] (ours)."""


@dataclass(frozen=True)
class Progress:
    """How the robot gets on."""

    speed: np.ndarray
    """Forward speed of the root [m/s]. Shape is (T,)."""
    distance: np.ndarray
    """Way of the root since the first frame [m]. Shape is (T,)."""
    contacts: np.ndarray
    """Whether each foot stands. Shape is (T, F) bool."""


def progress(soles: np.ndarray, rate: float) -> Progress:
    """Forward motion from the feet, without a picture of the ground.

    Each point of a sole that is low moves backwards under the root as fast as the root moves forwards; the weighted
    median over those points and some time outvotes a foot that only skims the ground. Every foot has its own ground: a
    generated clip's perspective is not exactly ours, which lifts all that one leg does.

    Args:
        soles: points of the soles relative to the root's place on the ground: forward, left, up [m].
            Shape is (T, F, K, 3).
        rate: frames per second [Hz].
    """
    count, feet = soles.shape[:2]
    ground = np.percentile(soles[..., 2].min(axis=2), _LOW, axis=0)  # (F,)
    height = (soles[..., 2] - ground[:, None]).clip(min=0.0)  # (T, F, K)
    near = np.exp(-0.5 * (height / _NEAR) ** 2)
    # from frame to frame: a foot counts that stands in both
    backwards = (-np.diff(soles[..., 0], axis=0) * rate).reshape(count - 1, -1)
    weight = (near[1:] * near[:-1]).reshape(count - 1, -1)
    between = _windowed_median(backwards, weight, _WINDOW * rate)
    speed = 0.5 * (np.append(between, between[-1]) + np.insert(between, 0, between[0]))
    distance = np.insert(np.cumsum(between) / rate, 0, 0.0)
    lowest = height.argmin(axis=2)
    point = np.arange(count)[:, None], np.arange(feet)[None], lowest
    slip = np.abs(speed[:, None] + np.gradient(soles[..., 0], 1.0 / rate, axis=0)[point])
    return Progress(speed, distance, (height[point] < _CONTACT_HEIGHT) & (slip < _CONTACT_SLIP))


def on_ground(heights: np.ndarray, lowest: np.ndarray, rate: float, standing: int = 1) -> np.ndarray:
    """Root heights with the feet on the ground.

    Args:
        heights: of the root [m]. Shape is (T,).
        lowest: height of each foot's lowest point in each frame [m]. Shape is (T, F).
        rate: frames per second [Hz].
        standing: how many feet stand at any time: the course of the highest of so many, smoothed, is where the ground
            is.
    """
    ground = np.sort(lowest, axis=1)[:, standing - 1]
    return heights - gaussian_filter1d(ground, _WINDOW * rate, mode="nearest")


def supported(lowest: np.ndarray) -> np.ndarray:
    """Whether at least half of the feet are on the ground, as they are at any time of a walk or a trot. Shape is (T,).

    Args:
        lowest: height of each foot's lowest point above the ground [m]. Shape is (T, F).
    """
    return (lowest < _CONTACT_HEIGHT).sum(axis=1) >= 0.5 * lowest.shape[1]


def _windowed_median(values: np.ndarray, weights: np.ndarray, width: float) -> np.ndarray:
    """Weighted median of the rows of (T, N) around each, rows weighing less by a Gaussian of ``width`` rows."""
    count, reach = len(values), int(3 * width)
    medians = np.empty(count)
    for row in range(count):
        part = slice(max(0, row - reach), row + reach + 1)
        share = np.exp(-0.5 * ((np.arange(count)[part] - row) / width) ** 2)[:, None]
        flat, weight = values[part].ravel(), (weights[part] * share).ravel()
        order = flat.argsort()
        total = weight[order].cumsum()
        medians[row] = flat[order][np.searchsorted(total, 0.5 * total[-1])]
    return medians
