# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Files of a training run that are whole or absent, and read without running code."""

from __future__ import annotations

from pathlib import Path

import torch

from nil_ext.errors import InputError
from nil_ext.files import whole_file

CHECKPOINT_VERSION = 1
"""Version of what runners write; 0 is what came before it was written, and is still read."""


def write_checkpoint(content: dict, path: Path) -> None:
    """Write a dict of tensors and plain values; the file appears whole or not at all."""
    try:
        with whole_file(path) as file:
            torch.save(content, file)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        raise InputError(
            f"Cannot write {path} ({error}); free some space there or choose another log folder."
        ) from error


def read_checkpoint(path: Path, map_location: torch.device | str | None = None) -> dict:
    """Read what :func:`write_checkpoint` wrote."""
    try:
        content = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise InputError(f"There is no checkpoint {path}; name an existing file or 'latest'.") from None
    except Exception as error:  # whatever the unpickler stumbles over in a file that is none of ours
        raise InputError(f"{path} is no checkpoint of this program, or is damaged; choose another one.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is no checkpoint of this program; choose another one.")
    return content


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest ``model_<iteration>.pt`` of a run folder, or None."""
    numbered = {
        int(path.stem.removeprefix("model_")): path
        for path in folder.glob("model_*.pt")
        if path.stem.removeprefix("model_").isdigit()
    }
    return numbered[max(numbered)] if numbered else None
