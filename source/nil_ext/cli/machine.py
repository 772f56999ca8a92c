# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Whether this machine can run the physics, renderer and viewers that were asked for; told before anything starts."""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Iterable

import torch

from isaaclab.app.sim_launcher import Scan, scan

from ..errors import InputError

RT_CORES = {(7, 5), (8, 6), (8, 9), (12, 0), (12, 1)}
"""CUDA compute capabilities of NVIDIA's GPUs with RT cores: Turing, Ampere, Ada and Blackwell workstation parts.

Volta (7.0), A100 (8.0), H100 and H200 (9.0) and B200 (10.0) have none; NVIDIA supports neither RTX renderer on them.
"""

VIEWER_PACKAGES = {"viser": "viser", "rerun": "rerun", "newton_gl": "pyglet"}
"""Import name of what each viewer needs beyond Isaac Lab."""


def require_runnable(env_cfg, args: argparse.Namespace) -> None:
    """Refuse physics, renderers and viewers that exclude one another or that this machine cannot run.

    What needs what is Isaac Lab's own decision: the scan with which every launch begins.

    Args:
        env_cfg: the task's configuration, presets resolved.
        args: launcher arguments; left as they are.

    Raises:
        InputError: With the reason and what to choose instead.
    """
    found = scan(env_cfg, vars(args).copy())
    viewers = args.visualizer or []
    kit, ovrtx = _kit_choices(found, args.livestream), _ovrtx_choices(found, viewers)
    _require_one_runtime(found, kit, ovrtx)
    if kit:
        _require_rtx(kit, "isaacsim", "uv pip install -e '.[isaacsim]'", found.has_kit_camera, args.device)
    if ovrtx:
        _require_rtx(ovrtx, "ovrtx", "uv pip install 'isaaclab[ovrtx]==3.0.*'", True, args.device)
    for viewer in viewers:
        _require_viewer(viewer, filmed=getattr(args, "video", False))


def installed(package: str) -> bool:
    """Whether a package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def has_rt_cores(device: int | str) -> bool:
    """Whether a CUDA device can trace rays in hardware, which both RTX renderers need."""
    return torch.cuda.get_device_capability(device) in RT_CORES


def _kit_choices(found: Scan, livestream: int) -> dict[str, str]:
    """What was chosen that runs in Isaac Sim, each with what runs without it."""
    choices = {
        "physics=isaacsim_physx": ("physics=ovphysx", found.has_kit_physics),
        "renderer=isaacsim_rtx": ("renderer=newton_renderer", found.has_kit_camera),
        "--livestream": ("--viz viser", livestream > 0),
        "--viz kit": ("--viz viser", found.visualizer_intent["has_kit_visualizer"] and livestream <= 0),
    }
    return {choice: instead for choice, (instead, chosen) in choices.items() if chosen}


def _ovrtx_choices(found: Scan, viewers: list[str]) -> dict[str, str]:
    """What was chosen that runs on OVRTX, each with what runs without it."""
    if "newton_rtx" in viewers:
        return {"--viz newton_rtx": "--viz viser"}
    return {"renderer=ovrtx": "renderer=newton_renderer"} if found.has_ovrtx else {}


def _require_one_runtime(found: Scan, kit: dict[str, str], ovrtx: dict[str, str]) -> None:
    """Isaac Sim brings its own copies of the libraries under ovphysx and OVRTX: a process holds one or the other."""
    in_kit = {
        "physics=ovphysx": "physics=isaacsim_physx",
        "renderer=ovrtx": "renderer=isaacsim_rtx",
        "--viz newton_rtx": "--viz kit",
    }
    rivals = [*(["physics=ovphysx"] if found.has_ovphysx_physics else []), *ovrtx]
    if kit and rivals:
        raise InputError(
            f"{_needs(rivals, 'cannot share')} a process with Isaac Sim, which {_needs(kit)}: choose "
            f"{_listed(in_kit[rival] for rival in rivals)}, or {_listed(kit.values())}."
        )


def _require_rtx(choices: dict[str, str], package: str, install: str, traces: bool, device: str) -> None:
    """Refuse what needs NVIDIA's package and GPU where either is missing; with ``--device cpu`` the first GPU draws."""
    instead = f"or choose {_listed(choices.values())}"
    if not torch.cuda.is_available():
        raise InputError(
            f"{_needs(choices)} an NVIDIA RTX GPU, and PyTorch finds no CUDA device here: run it on a machine with "
            f"one, {instead}."
        )
    gpu = device if device.startswith("cuda") else "cuda:0"
    if traces and not has_rt_cores(gpu):
        raise InputError(
            f"{_needs(choices)} a GPU with RT cores, and {torch.cuda.get_device_name(gpu)} has none: run it on an RTX "
            f"GPU, {instead}."
        )
    if not installed(package):
        raise InputError(
            f"{_needs(choices)} the package '{package}', which is not installed: {install} (see docs/machines.md), "
            f"{instead}."
        )


def _require_viewer(viewer: str, filmed: bool) -> None:
    """Refuse a viewer whose package or screen is missing."""
    package = VIEWER_PACKAGES.get(viewer)
    if package is not None and not installed(package):
        raise InputError(
            f"--viz {viewer} needs the package '{package}', which is not installed: uv pip install -e '.[viewers]'."
        )
    if viewer == "newton_gl" and not os.environ.get("DISPLAY") and not filmed:
        raise InputError(
            "--viz newton_gl opens a window, and there is no screen (DISPLAY is unset): use --viz viser, add --video "
            "to film instead, or start it under 'xvfb-run'."
        )


def _needs(choices: Iterable[str], verb: str = "need") -> str:
    """The choices with their verb: one needs, two need."""
    names = list(choices)
    ending = "s" if verb == "need" and len(names) == 1 else ""
    return f"{_listed(names)} {verb}{ending}"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(names))
