# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Known harm done to clips, to test the quality report: does it name what was done?

``python -m nil_ext.reference.damages clip.mp4 assets/references/NIL-H1-Walk`` prints a column of the table in
``docs/references.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from nil_ext.errors import InputError
from nil_ext.reference.pipeline import Preparation, prepare_clip
from nil_ext.reference.reference import Reference
from nil_ext.reference.segmenters import background
from nil_ext.reference.video import constant_rate, decode_video, write_video

Damage = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Makes frames (T', H, W, 3) of frames (T, H, W, 3) uint8 and the robot's masks (T, H, W)."""


def faded(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The picture fades towards white, 60 % of the way by the end."""
    shares = np.linspace(0.0, 0.6, len(frames))
    return np.stack(
        [cv2.addWeighted(f, 1.0 - s, np.full_like(f, 255), s, 0.0) for f, s in zip(frames, shares, strict=True)]
    )


def zoomed(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The camera moves in: the robot grows by a third."""
    return _warped(frames, [(s, s) for s in np.linspace(0.75, 1.0, len(frames))])


def turned(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The robot turns towards the camera, by 50 degrees: drawn as foreshortening only, the trunk shows no new side."""
    return _warped(frames, [(s, 1.0) for s in np.cos(np.radians(np.linspace(0.0, 50.0, len(frames))))])


def frozen(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The clip stands still for a fifth of its length, then goes on."""
    start, length = len(frames) // 2, len(frames) // 5
    return np.concatenate([frames[:start], frames[start : start + 1].repeat(length, axis=0), frames[start:]])


def cut(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Half-way the clip jumps by seven frames and the robot by 5 % of the picture's height."""
    half, jump = len(frames) // 2, round(0.05 * frames.shape[1])
    return np.concatenate([frames[:half], np.roll(frames[half + 7 :], jump, axis=2)])


def shadowed(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """A soft shadow lies on the ground, half as wide as the robot is tall (or long)."""
    rows, columns = np.flatnonzero(masks.any(axis=(0, 2))), np.flatnonzero(masks.any(axis=(0, 1)))
    size = max(np.ptp(rows), np.median(np.ptp(columns)))
    y, x = np.mgrid[: frames.shape[1], : frames.shape[2]]
    distance = ((x - columns.mean()) / (0.25 * size)) ** 2 + ((y - rows[-1]) / (0.015 * size)) ** 2
    dark = 80.0 * np.exp(-(distance**2))
    shaded = np.clip(frames - dark[..., None], 0, 255).astype(np.uint8)
    return np.where(masks[..., None], frames, shaded)


def watermark(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Half transparent grey letters stand in the upper left corner."""
    height = frames.shape[1]
    letters = np.zeros(frames.shape[1:3], dtype=np.uint8)
    place, size = (4, round(0.08 * height) + 4), height / 400
    cv2.putText(letters, "KlinAI", place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, max(1, round(2 * size)), cv2.LINE_AA)
    share = 0.5 * letters[..., None] / 255.0
    return np.rint((1.0 - share) * frames + share * 90).astype(np.uint8)


def flipped(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Mirrored left to right."""
    return np.ascontiguousarray(frames[:, :, ::-1])


def slowed(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Half speed at the same rate, the frames between drawn by RIFE."""
    from nil_ext.reference.interpolators.rife import Rife

    positions = np.arange(2 * len(frames) - 1) / 2
    return Rife()(frames, np.ones_like(masks), positions)[0]


def dropped(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Every seventh frame or so is missing (each with probability 1/7, seed 0)."""
    return frames[np.random.default_rng(0).random(len(frames)) >= 1 / 7]


DAMAGES: tuple[Damage, ...] = (
    faded, zoomed, turned, frozen, cut, shadowed, watermark, flipped, slowed, dropped,
)  # fmt: skip


def _warped(frames: np.ndarray, scales: list[tuple[float, float]]) -> np.ndarray:
    """Each frame scaled by (x, y) about the middle of its lower edge, on the first frame's corner colour."""
    height, width = frames.shape[1:3]
    fill = tuple(int(c) for c in frames[0, 0, 0])
    matrices = [np.array([[x, 0, 0.5 * width * (1 - x)], [0, y, height * (1 - y)]]) for x, y in scales]
    return np.stack(
        [
            cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_AREA, borderValue=fill)
            for frame, matrix in zip(frames, matrices, strict=True)
        ]
    )


NAMES = {
    "faded": "fading",
    "zoomed": "zoom",
    "turned": "turning",
    "frozen": "frozen",
    "cut": "cut",
    "shadowed": "shadow",
    "watermark": "mark",
    "flipped": "flipped",
    "slowed": "slow",
    "dropped": "dropped frames",
}
"""What the quality report should call each damage."""


def judged(path: Path, reference: Reference) -> dict:
    """Quality of a clip for the task of a reference, whatever it is."""
    how = Preparation(interpolator="linear")  # the quality is that of the clip's own frames
    robot = reference.meta["robot"]
    return prepare_clip(path, reference.masks[0], reference.meta["task"], robot, how, refuse=False).meta["quality"]


def named(damage: str, quality: dict, before: dict) -> bool:
    """Whether the report names the damage, and says something of it that it did not say of the clip as it was."""
    told = {text for name, _, text in before["findings"] if name == NAMES[damage]}
    return any(name == NAMES[damage] and text not in told for name, _, text in quality["findings"])


def main() -> None:
    """Judge a clip and its damaged copies."""
    parser = argparse.ArgumentParser(description="Judge a clip and ten damaged copies of it.")
    parser.add_argument("clip", type=Path, help="A good clip.")
    parser.add_argument("task_reference", type=Path, help="Reference folder of the task, whose first frame is e0.")
    args = parser.parse_args()
    reference = Reference.load(args.task_reference)
    frames, times = decode_video(args.clip)
    masks = background.segment(frames).masks
    before = judged(args.clip, reference)
    print(f"undamaged: {before['verdict']} {[name for name, _, _ in before['findings']]}")
    with TemporaryDirectory() as folder:
        for damage in DAMAGES:
            path = Path(folder) / f"{damage.__name__}.mp4"
            write_video(path, damage(frames, masks), constant_rate(times))
            try:
                quality = judged(path, reference)
            except InputError as error:
                print(f"{damage.__name__}: NOT named; refused: {error}")
                continue
            word = "named" if named(damage.__name__, quality, before) else "NOT named"
            print(f"{damage.__name__}: {word}; {quality['verdict']} {[name for name, _, _ in quality['findings']]}")


if __name__ == "__main__":
    main()
