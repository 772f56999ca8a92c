# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""References that come with the repository, one a task, under ``assets/references``."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..reference import Reference, prepare
from ..reference.quality import summary

ASSETS = Path(__file__).resolve().parents[3] / "assets"
"""Folder of embedded assets; it lies beside the package in a checkout (and in an editable install)."""


def embedded_reference(task: str) -> Reference:
    """The task's own reference, a sketch.

    Raises:
        InputError: When the checkout has none.
    """
    folder = ASSETS / "references" / task
    if not folder.is_dir():
        raise InputError(
            f"Task '{task}' has no embedded reference at '{folder}': draw it with "
            f"'./isaaclab.sh -p scripts/generate.py --task {task}'."
        )
    return Reference.load(folder)


def load_reference(path: str, task: str, robot: str) -> Reference:
    """The reference at a path (a prepared folder or a video file), or the task's own where the path is empty.

    A clip is aligned to the first frame of the embedded reference, which is the robot at e0 as the task's camera
    sees it.
    """
    embedded = embedded_reference(task)
    return prepare(path, embedded.masks[0], task=task, robot=robot) if path else embedded


def describe(reference: Reference) -> str:
    """What a reference is and how good it is, in a line or two."""
    source = reference.meta["source"]
    text = f"{source.get('name', source['kind'])}, {reference.duration:.2f} s at {reference.rate:g} Hz"
    quality = reference.meta.get("quality")
    return f"{text}; {summary(quality)}" if quality else text
