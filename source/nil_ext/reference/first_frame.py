# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What an image-to-video model is given: the robot at e0 on pure white, and the prompt."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from nil_ext.errors import InputError
from nil_ext.files import whole_file

MARGIN = 0.1
"""Free share of the picture at each side of the box in which the robot moves (ours)."""

SUPERSAMPLING = 2
"""Pixels that are rendered for one of the picture's in each direction: renderers draw hard edges, video models were
trained on photographs (ours)."""

VERBS = {"Walk": "walking", "Sit": "sitting down", "Hang": "hanging on a bar", "Balance": "balancing on a board"}
"""What the prompt says of each skill, by the last part of the task's id. "walking" is the paper's."""


@dataclass(frozen=True)
class FirstFrame:
    """The picture that a video starts from."""

    frame: np.ndarray
    """(H, W, 3) uint8, pure white wherever there is no robot."""
    mask: np.ndarray
    """(H, W) bool, True where the robot covers at least half of the pixel."""

    @property
    def digest(self) -> str:
        """Hash (hex) of the picture."""
        return hashlib.sha256(repr(self.frame.shape).encode() + self.frame.tobytes()).hexdigest()

    def save(self, folder: Path, prompt: str) -> None:
        """Write ``first_frame.png``, ``first_frame_mask.png`` and ``prompt.txt``."""
        for name, picture in (("first_frame", self.frame[..., ::-1]), ("first_frame_mask", self.mask * np.uint8(255))):
            with whole_file(folder / f"{name}.png") as file:
                file.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
        with whole_file(folder / "prompt.txt") as file:
            file.write_text(prompt + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Framing:
    """Which part of the task's camera picture the first frame shows, and how large."""

    size: tuple[int, int]
    """Width and height of the first frame [px]."""
    centre: tuple[float, float]
    """What stands in its middle: x and y as shares of the camera's picture, from its upper left corner."""
    scale: float
    """Pixels of the first frame per side of the camera's picture."""

    @property
    def camera_side(self) -> int:
        """Width and height at which the camera has to render [px]."""
        return math.ceil(SUPERSAMPLING * self.scale)


def frame_robot(masks: np.ndarray, sizes: Sequence[tuple[int, int]]) -> Framing:
    """The framing in which the robot keeps a margin during the whole skill and is drawn largest.

    A biped so gets an upright picture and a quadruped a wide one, where the video model has both.

    Args:
        masks: (T, S, S) bool, the robot doing the skill as the task's camera sees it (the task's sketch).
        sizes: widths and heights that the video model draws [px].
    """
    rows, columns = (np.flatnonzero(masks.any(axis=(0, axis))) / masks.shape[1] for axis in (2, 1))
    pixel = 1.0 / masks.shape[1]
    height, width = np.ptp(rows) + pixel, np.ptp(columns) + pixel
    free = 1.0 - 2.0 * MARGIN
    scale, size = max((min(free * w / width, free * h / height), (w, h)) for w, h in sizes)
    return Framing(size, (columns[0] + width / 2, rows[0] + height / 2), float(scale))


def cut_out(rgb: np.ndarray, mask: np.ndarray, framing: Framing) -> FirstFrame:
    """Cut the robot out of the camera's picture by the simulator's mask and put it on pure white.

    Args:
        rgb: (S, S, 3) uint8, the camera's picture, S = ``framing.camera_side``.
        mask: (S, S) bool, the robot.
        framing: what to show.
    """
    width, height = (SUPERSAMPLING * n for n in framing.size)
    white = np.where(mask[..., None], rgb, np.uint8(255))
    left, top = (round(centre * len(mask) - n / 2) for centre, n in zip(framing.centre, (width, height), strict=True))
    # beyond the camera's picture there is no robot either, so white goes on
    move = np.float32([[1, 0, -left], [0, 1, -top]])
    white = cv2.warpAffine(white, move, (width, height), flags=cv2.INTER_NEAREST, borderValue=(255, 255, 255))
    share = cv2.warpAffine(mask.astype(np.float32), move, (width, height), flags=cv2.INTER_NEAREST)
    frame, share = (cv2.resize(layer, framing.size, interpolation=cv2.INTER_AREA) for layer in (white, share))
    return FirstFrame(frame, share >= 0.5)


def read_mask(path: Path) -> np.ndarray:
    """The robot (H, W) bool in a picture that is white on black, as :meth:`FirstFrame.save` writes it."""
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if picture is None:
        raise InputError(f"No picture can be read from {path}: give the first_frame_mask.png of --first_frame_only.")
    return picture >= 128


def default_prompt(task: str, noun: str) -> str:
    """The paper's prompt: "The {b} agent is {s}, camera follows the agent".

    Args:
        task: gym id of the task, ``NIL-<Robot>-<Skill>``.
        noun: what the robot is called.
    """
    skill = task.rpartition("-")[2]
    if skill not in VERBS:
        raise InputError(
            f"No prompt is known for the skill '{skill}' of {task}: say what the robot does with --prompt."
        )
    return f"The {noun} agent is {VERBS[skill]}, camera follows the agent."
