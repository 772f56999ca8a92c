# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The folders of runs, and the manifest that Isaac Lab writes there."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from isaaclab_rl.entrypoints.common import RUN_MANIFEST_FILENAME

from ..errors import InputError

LIBRARY = "nil_ext"
"""Name of the log folder and of the run manifest's library."""


def log_root(experiment: str) -> Path:
    """Folder of an experiment's runs, below the working folder as Isaac Lab has it."""
    return Path("logs", LIBRARY, experiment).resolve()


@contextlib.contextmanager
def run_folder(experiment: str, run_name: str, timestamp: str | None = None) -> Iterator[Path]:
    """A fresh run folder; refuses early what would fail after an hour of training.

    When the run fails before it has saved anything, the folder goes with it.

    Args:
        experiment: Name of the experiment's folder.
        run_name: Suffix of the folder's name.
        timestamp: What the name begins with, given where several processes share the folder; default: the time.

    Raises:
        InputError: When nothing can be written there.
    """
    name = (timestamp or datetime.now().strftime("%Y-%m-%d_%H-%M-%S")) + (f"_{run_name}" if run_name else "")
    folder = log_root(experiment) / name
    try:
        if timestamp:
            folder.mkdir(parents=True, exist_ok=True)
        else:
            folder = _new_folder(log_root(experiment), name)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"0" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise InputError(
            f"Cannot write logs to '{folder}' ({error.strerror}): free some space, or start from another folder."
        ) from error
    try:
        yield folder
    except BaseException:
        if not any(folder.glob("*.pt")):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _new_folder(root: Path, name: str) -> Path:
    """Make a folder of that name, or with a number behind it: runs of a cluster start in the same second."""
    for count in itertools.count(1):
        folder = root / (name if count == 1 else f"{name}_{count}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder


def run_metadata(checkpoint: Path) -> dict:
    """What the run's manifest beside a checkpoint notes; empty beside a bare one."""
    try:
        return json.loads((checkpoint.parent / RUN_MANIFEST_FILENAME).read_text(encoding="utf-8"))["metadata"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
