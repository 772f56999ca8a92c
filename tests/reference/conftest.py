# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Drawn walkers: clips whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

WALK_RATE = 30.0
WALK_PERIOD = 0.5  # one step [s]
START_SIZE = 96


def draw_walker(
    phase: float, height: int = 160, width: int = 120, x: float = 60.0, foot: float = 150.0, tall: float = 130.0
) -> np.ndarray:
    """Mask (H, W) of a figure walking right: a trunk, a head in front of it, two legs in scissors.

    The foot that moves forward is lifted, so that the lowest one moves against the walk, as on a treadmill.
    """
    picture = np.zeros((height, width), dtype=np.uint8)
    hip, thick = foot - 0.5 * tall, max(2, round(0.05 * tall))

    def point(px: float, py: float) -> tuple[int, int]:
        return round(px * 16), round(py * 16)

    cv2.line(picture, point(x, hip), point(x, foot - 0.85 * tall), 1, 2 * thick, shift=4)
    cv2.circle(picture, point(x + 0.04 * tall, foot - 0.94 * tall), round(0.06 * tall * 16), 1, -1, shift=4)
    for sign in (-1.0, 1.0):
        toe = x + sign * 0.22 * tall * np.sin(phase)
        ground = foot - max(0.0, 0.05 * tall * sign * np.cos(phase))
        sole = ground - thick / 2
        cv2.line(picture, point(x, hip), point(toe, ground - thick), 1, thick, shift=4)
        cv2.line(picture, point(toe, sole), point(toe + 0.08 * tall, sole), 1, thick, shift=4)
    return picture.astype(bool)


@pytest.fixture
def walk() -> Callable:
    """Makes clips of the walker: frames (T, H, W, 3) with compression-like haze, and masks (T, H, W)."""

    def make(num_frames: int = 45, drift: float = 0.0, seed: int = 0, **figure) -> tuple[np.ndarray, np.ndarray]:
        phases = np.pi * np.arange(num_frames) / (WALK_RATE * WALK_PERIOD) + 0.9
        x = figure.pop("x", 60.0)
        masks = np.stack([draw_walker(p, x=x + drift * i, **figure) for i, p in enumerate(phases)])
        noise = np.random.default_rng(seed).integers(-4, 5, (*masks.shape, 3))
        frames = np.where(masks[..., None], 110, 251) + noise
        return frames.astype(np.uint8), masks

    return make


@pytest.fixture
def start_mask() -> np.ndarray:
    """The walker at its start pose in a task's square camera."""
    return draw_walker(0.9, START_SIZE, START_SIZE, x=48.0, foot=88.0, tall=78.0)
