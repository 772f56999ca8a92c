# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Guards around known faults of the packages we stand on, each with the version that has it."""

from __future__ import annotations

import functools

import warp as wp


def allow_pageable_memory() -> None:
    """Let kit-less PhysX run where there is no CUDA driver.

    Isaac Lab 3.0.0 stages articulation data in pinned host memory, which Warp 1.17 cannot allocate without a driver
    ("Failed to allocate 16 bytes on device 'cpu'"). Pinning only speeds up copies to a GPU, so without one it is
    dropped. With a driver the calls pass through unchanged.
    """
    for name in ("zeros", "empty"):
        allocate = getattr(wp, name)
        if getattr(allocate, "_nil_ext_guard", False):
            continue

        @functools.wraps(allocate)
        def guarded(*args, _allocate=allocate, pinned: bool = False, **kwargs):
            return _allocate(*args, pinned=pinned and wp.is_cuda_available(), **kwargs)

        guarded._nil_ext_guard = True
        setattr(wp, name, guarded)
