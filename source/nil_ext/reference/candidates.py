# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Several clips of one skill: prepare each, rank them by their quality, keep the usable ones as reference folders."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nil_ext.errors import ClipError, InputError
from nil_ext.files import whole_file
from nil_ext.reference.against_mocap import with_mocap
from nil_ext.reference.pipeline import Preparation, prepare
from nil_ext.reference.reference import Reference
from nil_ext.reference.verdict import ranking, summary
from nil_ext.reference.video import write_video


@dataclass(frozen=True)
class Clip:
    """A video that may become a reference."""

    path: Path
    name: str
    """What its folder is called."""
    about: dict | None = None
    """Where it comes from, for a generated one; JSON-able."""
    first_mask: np.ndarray | None = None
    """(H, W) bool, the robot in the picture that it starts from, where known."""


def write_clip(path: Path, frames: np.ndarray, rate: float, about: dict, first_mask: np.ndarray) -> Clip:
    """Save a generated video and, beside it, where it comes from.

    Args:
        path: mp4 file to write.
        frames: (T, H, W, 3) uint8.
        rate: frames per second [Hz].
        about: provenance; the file's hash is added.
        first_mask: (H, W) bool, the robot in the first frame.

    Raises:
        InputError: When it cannot be written.
    """
    try:
        write_video(path, frames, rate)
        about = {**about, "name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        with whole_file(path.with_suffix(".json")) as file:
            file.write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"Cannot write {path} ({error.strerror or error}): make room or choose another place."
        ) from error
    return Clip(path, path.stem, about, first_mask)


def judge_clips(
    clips: list[Clip],
    start_mask: np.ndarray,
    task: str,
    robot: str,
    output: Path,
    settings: Preparation,
    film: Reference | None = None,
) -> Path:
    """Prepare every clip, save the usable ones beneath ``output``, and print and write the ranking.

    Args:
        clips: the candidates.
        start_mask: (S, S) bool, the robot at e0 in the task's camera.
        task: gym id of the task.
        robot: name of the robot.
        output: folder that receives ``<name>/`` for every usable clip, and ``ranking.json``.
        settings: how clips are prepared; a clip's own first mask, where it has one, is put in.
        film: of motion capture, prepared for the same task; the distance to it is reported and does not rank.

    Returns:
        Folder of the best.

    Raises:
        InputError: When none can be used, or something is wrong that no clip can help; then nothing is saved.
    """
    usable: list[tuple[Clip, Reference]] = []
    refused: list[tuple[Clip, str]] = []
    for clip in clips:
        try:
            own = settings
            if clip.first_mask is not None:
                own = replace(settings, segmenter=replace(settings.segmenter, first_mask=clip.first_mask))
            reference = prepare(clip.path, start_mask, task=task, robot=robot, settings=own)
        except ClipError as error:
            refused.append((clip, str(error)))
            continue
        if clip.about is not None:
            reference = replace(reference, meta={**reference.meta, "source": {"kind": "generated", **clip.about}})
        if film is not None:
            reference = with_mocap(reference, film, settings.device)
        usable.append((clip, reference))
    usable.sort(key=lambda pair: ranking(pair[1].meta["quality"]))
    for clip, reference in usable:
        reference.save(output / clip.name)
    _report(usable, refused, output)
    if not usable:
        raise InputError(
            f"None of the {len(clips)} videos can be used (the reasons are above and in {output / 'ranking.json'}): "
            "try other seeds, more steps or another generator."
        )
    return output / usable[0][0].name


def _report(usable: list[tuple[Clip, Reference]], refused: list[tuple[Clip, str]], output: Path) -> None:
    """Print the ranking and write ``ranking.json``."""
    rows = []
    for rank, (clip, reference) in enumerate(usable, 1):
        quality = reference.meta["quality"]
        segmenter = reference.meta["segmenter"]
        print(f"[nil_ext] {rank}. {clip.name}: {summary(quality)}")
        print(f"[nil_ext]    robot cut out by {segmenter['name']}: {segmenter['reason']}")
        for frame, what in segmenter["failures"].items():
            print(f"[nil_ext]    frame {frame}: {what}")
        rows.append(
            {"rank": rank, "clip": str(clip.path), "folder": clip.name, "quality": quality, "segmenter": segmenter}
        )
    for clip, reason in refused:
        print(f"[nil_ext] -  {clip.name}: refused: {reason}")
        rows.append({"rank": None, "clip": str(clip.path), "refused": reason})
    with whole_file(output / "ranking.json") as file:
        file.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
