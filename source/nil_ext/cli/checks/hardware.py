# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""GPU, driver and CUDA, and which engines, renderers and viewers they let this machine run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import psutil
import torch
import warp as wp

from ..machine import VIEWER_PACKAGES, has_rt_cores, installed
from .line import Line

_DRIVER = (580, 65, 6)
"""Oldest Linux driver for CUDA 13 (Isaac Lab 3.0's installation page: 580.65.06)."""

_CAPABILITY = (7, 5)
"""Oldest GPUs of Isaac Lab 3.0's CUDA 13 packages: Turing (same page)."""


def check_hardware() -> Iterator[Line]:
    """Lines about processor and memory, GPU, driver, CUDA, engines and viewers."""
    memory = psutil.virtual_memory()
    yield Line(
        "computer",
        "ok",
        f"{len(os.sched_getaffinity(0))} cores, {memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free",
    )
    driver = _driver_version()
    cuda = torch.cuda.is_available()
    if isinstance(driver, Line) and not cuda:
        yield driver
    else:
        yield from _gpu(None if isinstance(driver, Line) else driver, cuda)
    yield _engines(cuda)
    yield _viewers()


def _gpu(driver: str | None, cuda: bool) -> Iterator[Line]:
    update = "install NVIDIA's driver 580.65.06 or newer"
    if driver is not None:
        numbers = tuple(int(part) for part in driver.split("."))
        yield Line("driver", "ok", driver) if numbers >= _DRIVER else Line("driver", "problem", driver, update)
    if not cuda:
        yield Line("CUDA", "problem", f"PyTorch (CUDA {torch.version.cuda}) finds no device behind the driver", update)
        return
    if not wp.is_cuda_available():
        yield Line("CUDA", "problem", "Warp finds no CUDA device, though PyTorch does", update)
    for device in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(device)
        capability = torch.cuda.get_device_capability(device)
        found = (
            f"cuda:{device} {torch.cuda.get_device_name(device)}, capability {capability[0]}.{capability[1]}, "
            f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free, {'with' if has_rt_cores(device) else 'no'} RT cores"
        )
        old = capability < _CAPABILITY
        yield Line("GPU", "problem", found, "use a GPU of capability 7.5 or newer") if old else Line("GPU", "ok", found)


def _driver_version() -> str | Line:
    """Version of NVIDIA's driver, or why there is none."""
    if shutil.which("nvidia-smi") is None:
        return Line("GPU", "warning", "no NVIDIA GPU or driver: the 'cpu' profile runs", "train on a machine with one")
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        said = (done.stdout + done.stderr).strip()  # it tells its errors on either
    except (OSError, subprocess.SubprocessError) as error:
        said = str(error)
    first = next(iter(said.splitlines()), "it says nothing")
    if re.fullmatch(r"\d+(\.\d+)*", first):
        return first
    finding = f"nvidia-smi fails ({first}): the 'cpu' profile runs"
    return Line("GPU", "warning", finding, "where there is a GPU, restart the machine or install its driver anew")


def _engines(cuda: bool) -> Line:
    """Which physics and renderers can be asked for."""
    lacks = [] if cuda else ["no CUDA device"]
    lacks += [] if not cuda or any(map(has_rt_cores, range(torch.cuda.device_count()))) else ["no RT cores"]
    missing = {
        "physics=isaacsim_physx, renderer=isaacsim_rtx, --viz kit": lacks
        + ([] if installed("isaacsim") else ["Isaac Sim is not installed"]),
        "renderer=ovrtx": lacks + ([] if installed("ovrtx") else ["ovrtx is not installed"]),
    }
    here = ["physics=newton_mjwarp, ovphysx", "renderer=newton_renderer"]
    here += [names for names, reasons in missing.items() if not reasons]
    away = [f"not {names} ({', '.join(reasons)})" for names, reasons in missing.items() if reasons]
    return Line("engines", "ok", "; ".join(here + away))


def _viewers() -> Line:
    missing = [viewer for viewer, package in VIEWER_PACKAGES.items() if not installed(package)]
    if missing:
        return Line("viewers", "warning", f"not {', '.join(missing)}", "uv pip install -e '.[viewers]'")
    screen = "" if os.environ.get("DISPLAY") else " (newton_gl only with --video: no screen)"
    return Line("viewers", "ok", ", ".join(VIEWER_PACKAGES) + screen)
