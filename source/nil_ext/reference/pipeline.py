# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""From whatever the user gives to a reference."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from nil_ext.errors import InputError
from nil_ext.reference import alignment, quality
from nil_ext.reference.cache import build_folder, cache_root
from nil_ext.reference.interpolators.linear import interpolate_images
from nil_ext.reference.reference import Reference
from nil_ext.reference.segmenters import background
from nil_ext.reference.video import constant_rate, decode_video

VERSION = 1
"""Raised when the steps change what they make of the same file, so that older caches are not used."""

MIN_FRAMES = 8
"""Shortest clip: below this there is no motion to imitate (the encoder's clip length)."""


def prepare(
    path: str | Path, start_mask: np.ndarray, task: str, robot: str, cache_dir: str | Path | None = None
) -> Reference:
    """Make a reference of a video file, or load one from its folder.

    A video is decoded, the robot cut out, scaled and moved to where the task's camera sees it at the start pose, and
    kept at the clip's own rate. The result is cached by the file's content and the settings.

    Args:
        path: video file or prepared folder.
        start_mask: (S, S) bool, the robot at its start pose in the task's camera.
        task: gym id of the task.
        robot: name of the robot.
        cache_dir: where prepared clips are kept; the user's cache if None.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return _load_folder(path, start_mask, robot)
    if not path.is_file():
        raise InputError(f"No such reference: {path}. Give a video file or a prepared reference folder.")
    folder = _cache_folder(path, start_mask, task, robot, cache_dir)
    damaged = folder.is_dir()
    if damaged:
        try:
            return Reference.load(folder)
        except InputError:
            pass  # a damaged cache is no concern of the user's: it is made again below
    reference = prepare_clip(path, start_mask, task, robot)
    with build_folder(folder, replace=damaged) as temporary:
        reference.write(temporary)
    return reference


def prepare_clip(path: Path, start_mask: np.ndarray, task: str, robot: str) -> Reference:
    """Make a reference of a video file, without the cache."""
    frames, times = decode_video(path)
    if len(frames) < MIN_FRAMES:
        raise InputError(
            f"{path} has {len(frames)} frame{'s' if len(frames) > 1 else ''}: give a video of at least {MIN_FRAMES}."
        )
    try:
        found = background.segment(frames)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    numbers = quality.clip_numbers(found.masks, found.second, start_mask)
    quality.verify_clip(str(path), numbers)
    frames, masks, times = _with_robot(frames, found.masks, times)
    rate = constant_rate(times)
    fit = alignment.align(masks, start_mask, rate)
    areas = masks.sum(axis=(1, 2)) * fit.scale**2
    frames, masks = alignment.apply(fit, frames, masks, start_mask.shape[0])
    numbers |= quality.aligned_numbers(masks, areas, start_mask, rate)
    quality.verify_reference(str(path), numbers)
    frames, masks = _even(frames, masks, times, rate)
    meta = {
        "task": task,
        "robot": robot,
        "source": {"kind": "file", "name": path.name, "sha256": _file_hash(path)},
        "segmenter": {"name": "background", "background": list(found.background)},
        "alignment": {"scale": fit.scale, "shift_y": fit.shift_y, "drift_removed": fit.drift},
        "quality": numbers,
    }
    return Reference(frames, masks, rate, meta)


def _load_folder(folder: Path, start_mask: np.ndarray, robot: str) -> Reference:
    """Load a prepared folder and hold it against the task."""
    reference = Reference.load(folder)
    made_for = reference.meta.get("robot", robot)
    if made_for != robot:
        raise InputError(
            f"Reference {folder} was made for {made_for}, the task's robot is {robot}: prepare one for it."
        )
    if reference.masks.shape[1:] != start_mask.shape:
        raise InputError(
            f"Reference {folder} has pictures of {reference.masks.shape[1:]}, the task's camera {start_mask.shape}: "
            "prepare it again from its video."
        )
    return reference


def _with_robot(frames: np.ndarray, masks: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Only the frames that show the robot (a few empty ones pass the check; time stays true)."""
    seen = masks.any(axis=(1, 2))
    if seen.all():
        return frames, masks, times
    return frames[seen], masks[seen], times[seen] - times[seen][0]


def _even(frames: np.ndarray, masks: np.ndarray, times: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Frames at a constant rate; as they are where they have one already."""
    ticks = np.arange(int(times[-1] * rate + 1e-6) + 1) / rate
    # A container rounds times to its time base: a tenth of a frame is no variable rate.
    if len(ticks) == len(times) and np.abs(ticks - times).max() * rate < 0.1:
        return frames, masks
    return interpolate_images(frames, masks, np.interp(ticks, times, np.arange(len(times))))


def _cache_folder(path: Path, start_mask: np.ndarray, task: str, robot: str, cache_dir: str | Path | None) -> Path:
    """Folder named after the file and the hash of all that the result depends on."""
    settings = {"version": VERSION, "task": task, "robot": robot, "size": list(start_mask.shape)}
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    key.update(_file_hash(path).encode())
    key.update(np.packbits(start_mask).tobytes())
    root = cache_root() / "references" if cache_dir is None else Path(cache_dir)
    return root / f"{path.stem}-{key.hexdigest()[:16]}"


def _file_hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
