# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A folder of numbered pictures, as editors and diffusion programs export a clip."""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nil_ext.errors import ClipError
from nil_ext.reference.video import MAX_FRAMES, decode_video

DEFAULT_FPS = 30.0
"""Pictures per second where none is given [Hz]: what web services and most editors export."""

ENDINGS = (".png", ".jpg", ".jpeg")
"""Files that count as pictures."""

LONGEST_GAP = 0.25
"""Longest time without a picture [s]; across more there is nothing to draw frames from (ours: as the quality report's
limit for frozen frames)."""


@dataclass(frozen=True)
class Pictures:
    """Numbered files of one clip, in their order."""

    folder: Path
    files: dict[int, Path]
    """By number, ascending; numbers may be missing."""
    fps: float
    """Pictures per second [Hz]."""

    @property
    def step(self) -> int:
        """What one frame adds to the number: 1, or more where only every so many were exported."""
        return int(np.median(np.diff(list(self.files)))) if len(self.files) > 1 else 1

    @property
    def missing(self) -> list[int]:
        """Numbers that are not there."""
        numbers = list(self.files)
        return [n for n in range(numbers[0], numbers[-1], self.step) if n not in self.files]

    @property
    def sha256(self) -> str:
        """Hash (hex) of numbers and contents."""
        content = hashlib.sha256()
        for number, path in self.files.items():
            content.update(f"{number} {path.stat().st_size} ".encode())
            content.update(path.read_bytes())
        return content.hexdigest()


def find_pictures(folder: Path, fps: float | None = None) -> Pictures:
    """The numbered pictures of a folder.

    Args:
        folder: where they lie; files of other kinds are left alone.
        fps: pictures per second [Hz]; :data:`DEFAULT_FPS` if None.

    Raises:
        ClipError: When there are none or too many, one has no number or another one's, or too many lie between two.
    """
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and not p.name.startswith("."))
    if not any(re.search(r"\d", path.stem) for path in found):
        raise ClipError(
            f"{folder} holds neither a reference (reference.json) nor numbered pictures (0001.png, ...): give a "
            "prepared folder, a folder of pictures or a video."
        )
    if len(found) > MAX_FRAMES:
        raise ClipError(f"{folder} has more than {MAX_FRAMES} pictures: give the few seconds that are to be imitated.")
    files: dict[int, Path] = {}
    for path in found:
        digits = re.findall(r"\d+", path.stem)
        if not digits:
            raise ClipError(f"{path} carries no number: number the pictures in their order, 0001.png, 0002.png, ...")
        number = int(digits[-1])
        if number in files:
            raise ClipError(f"{folder} has number {number} twice ({files[number].name}, {path.name}): remove one.")
        files[number] = path
    pictures = Pictures(folder, dict(sorted(files.items())), fps or DEFAULT_FPS)
    _require_small_gaps(pictures)
    return pictures


def read_pictures(pictures: Pictures) -> tuple[np.ndarray, np.ndarray]:
    """All pictures with the times that their numbers mean; missing ones leave a gap in the times.

    Args:
        pictures: what to read.

    Returns:
        frames (T, H, W, 3) uint8 and times (T,) ascending, the first at 0 [s].

    Raises:
        ClipError: When one cannot be read, or has another size than the first.
    """
    frames = []
    for path in pictures.files.values():
        try:
            frame = decode_video(path)[0][0]
        except ClipError as error:
            raise ClipError(f"Picture {path} cannot be read: export it again, or remove it.") from error
        if frames and frame.shape != frames[0].shape:
            first = next(iter(pictures.files.values()))
            raise ClipError(
                f"Picture {path} has another size or shape than {first.name} ({_size(frame)}, not {_size(frames[0])}): "
                "export all with one size."
            )
        frames.append(frame)
    numbers = np.array(list(pictures.files))
    return np.stack(frames), (numbers - numbers[0]) / (pictures.step * pictures.fps)


def _require_small_gaps(pictures: Pictures) -> None:
    numbers = list(pictures.files)
    for before, after in itertools.pairwise(numbers):
        seconds = (after - before) / (pictures.step * pictures.fps)
        if after - before > pictures.step and seconds > LONGEST_GAP:
            raise ClipError(
                f"{pictures.folder} lacks the pictures between {pictures.files[before].name} and "
                f"{pictures.files[after].name}, {seconds:.2f} s: export them too, or give one side of the gap only."
            )


def _size(frame: np.ndarray) -> str:
    return f"{frame.shape[1]}x{frame.shape[0]}"
