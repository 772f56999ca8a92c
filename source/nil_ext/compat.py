# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Guards around known faults of the packages we stand on, each with the version that has it."""

from __future__ import annotations

import functools
from pathlib import Path

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


def record_while_serving(path: Path) -> None:
    """Let rerun write a file and serve its page at once.

    Newton 1.6.1 opens the file and then starts the page's server, which in rerun 0.41 takes the file's place: the
    recording stays empty. Here a stream of its own holds the server, and what is logged goes to both. Holds for
    servers started from now on.
    """
    import rerun

    serve = rerun.serve_grpc
    page = rerun.RecordingStream("nil_ext")

    @functools.wraps(serve)
    def serve_and_record(*args, **kwargs) -> str:
        address = serve(*args, recording=page, **kwargs)
        rerun.set_sinks(rerun.GrpcSink(address), rerun.FileSink(str(path)))
        return address

    rerun.serve_grpc = serve_and_record
