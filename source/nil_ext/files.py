# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .errors import InputError, first_line


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; at the end the file is flushed to disk and takes its place in one step.

    Where the body fails, nothing is left behind and an older file stays. The folder is made if absent.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def require_writable(folder: Path, remedy: str = "name another place") -> None:
    """See that a folder can be written to, or made; nothing is left behind.

    Args:
        folder: the folder.
        remedy: what to do where it cannot.

    Raises:
        InputError: When it cannot.
    """
    folder = folder.absolute()
    try:
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        with tempfile.TemporaryFile(dir=existing) as probe:
            probe.write(b"0" * 4096)
    except OSError as error:
        raise InputError(f"Cannot write to '{folder}' ({error.strerror}): {remedy}.") from error


def open_npz(path: Path) -> np.lib.npyio.NpzFile:
    """Named arrays in a file; no code in it is run.

    Raises:
        ValueError: When it is none: text, pickled, a single array, empty, cut off.
        OSError: When it cannot be read.
    """
    try:
        file = np.load(path, allow_pickle=False)
    except (EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"no whole archive: {first_line(error)}") from error
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise ValueError("a single array without a name")
    return file


def file_hash(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def name_and_hash(path: str | None) -> str | None:
    """What tells apart what a user names: a file also by its content, anything else (a hub id, say) by its name."""
    if path is None or not (file := Path(path).expanduser()).is_file():
        return path
    return f"{path} {file_hash(file)}"
