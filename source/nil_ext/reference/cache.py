# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Where the package keeps what it can make again: prepared references, converted robots."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nil_ext.errors import InputError


def cache_root() -> Path:
    """The user's cache folder, ``$NIL_CACHE_DIR`` or ``~/.cache/nil_ext``; made if absent."""
    root = Path(os.environ.get("NIL_CACHE_DIR") or Path.home() / ".cache" / "nil_ext").expanduser()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make the cache folder {root} ({error.strerror}): set NIL_CACHE_DIR to a writable folder."
        ) from error
    return root


@contextmanager
def build_folder(folder: Path, replace: bool = False) -> Iterator[Path]:
    """Build a folder beside its place and move it there in one step, or leave nothing behind.

    Safe for processes that build the same folder at once: each builds its own, the first to finish wins (or, with
    ``replace``, the last).

    Args:
        folder: the folder to make; its parent is made if absent.
        replace: whether an existing folder gives way to the new one.

    Yields:
        The temporary folder to fill.
    """
    temporary = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _publish(temporary, folder, replace)
    except OSError as error:
        raise InputError(
            f"Cannot write {folder} ({error.strerror or error}): make room or choose another place."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _publish(temporary: Path, folder: Path, replace: bool) -> None:
    """Move a finished folder to its place, also while other processes do the same."""
    old: list[Path] = []
    while True:
        try:
            os.replace(temporary, folder)  # works where the place is free or an empty folder
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if not replace:
            return
        # A folder that is not empty cannot be replaced in one step: the old one steps aside first.
        with suppress(FileNotFoundError):  # another process moved it: the place may be free now
            aside = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.old"
            os.replace(folder, aside)
            old.append(aside)
    for aside in old:
        shutil.rmtree(aside, ignore_errors=True)
