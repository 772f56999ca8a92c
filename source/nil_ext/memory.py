# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Memory that runs out: said in one sentence that names the setting to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nil_ext.errors import InputError


@contextmanager
def memory_for(what: str, remedy: str) -> Iterator[None]:
    """Allocate within; where the memory does not hold it, say what did not fit and what to do.

    Args:
        what: plural, e.g. ``The histories of 1024 environments``.
        remedy: settings to change, as an imperative.

    Raises:
        InputError: When the memory runs out.
    """
    try:
        yield
    except RuntimeError as error:
        # a CPU has no class of its own for it, nor has Warp
        said = any(words in str(error) for words in ("can't allocate memory", "Failed to allocate"))
        if not isinstance(error, torch.OutOfMemoryError) and not said:
            raise
        raise InputError(f"{what} do not fit into the memory: {remedy}.") from error
