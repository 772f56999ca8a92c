# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Watching a policy: Isaac Lab's viewers with free ports and recordings, a camera that follows, a loop that ends."""

from __future__ import annotations

import contextlib
import itertools
import pkgutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..compat import record_while_serving
from ..errors import InputError

if TYPE_CHECKING:
    from tensordict import TensorDict

    from isaaclab.visualizers import VisualizerCfg

    from .session import Session

RECORDINGS = {"rerun": ".rrd", "viser": ".viser"}
"""Viewers that can write what they show to a file, and the file's ending."""

_BESIDE = (0.55, -1.55, 0.3)
"""From the point that the camera looks at to the camera, in the robot's extents: beside it like the task's camera, a
little ahead. H1: 3.4 m away."""


def viewer_cfgs(names: list[str], record: Path | None) -> list[VisualizerCfg]:
    """Settings of the viewers; those that serve a page get ports that are free, so that two can play at once.

    Args:
        names: Isaac Lab's names of the viewers.
        record: file for a recording, or None.

    Raises:
        InputError: When none of the viewers writes such a file.
    """
    if record is not None and record.suffix not in {RECORDINGS.get(name) for name in names}:
        raise InputError(
            f"--record '{record}': no chosen viewer writes that; --viz rerun writes '.rrd', --viz viser '.viser'."
        )
    cfgs: list[VisualizerCfg] = []
    if "viser" in names:
        from isaaclab_visualizers.viser import ViserVisualizerCfg

        cfg = ViserVisualizerCfg(port=_free_port(8080))
        cfg.record_to_viser = str(record) if record is not None and record.suffix == RECORDINGS["viser"] else None
        cfgs.append(cfg)
    if "rerun" in names:
        from isaaclab_visualizers.rerun import RerunVisualizerCfg

        recorded = record is not None and record.suffix == RECORDINGS["rerun"]
        if recorded:
            record_while_serving(record)
        ports = {"web_port": _free_port(9090), "grpc_port": _free_port(9876)}
        cfgs.append(RerunVisualizerCfg(**ports, keep_historical_data=recorded))
    if "newton_gl" in names:
        from isaaclab_visualizers.newton import NewtonGLVisualizerCfg

        cfgs.append(NewtonGLVisualizerCfg(window_width=1280, window_height=720))  # fits a laptop's screen
    return cfgs


def show(
    session: Session,
    policy: Callable[[TensorDict], torch.Tensor],
    steps: int | None,
    real_time: bool = False,
    follow: int = 0,
) -> None:
    """Step the policy until the steps are done, the last viewer is closed, or Ctrl-C.

    Args:
        session: the open environment.
        policy: what acts.
        steps: control steps to play; None for no end.
        real_time: no faster than the robots' own time.
        follow: index of the robot that the viewers' cameras follow.
    """
    env, sim = session.env, session.env.unwrapped.sim
    dt = env.unwrapped.step_dt
    obs = env.get_observations()
    print("[nil_ext] Playing" + (f" {steps} steps." if steps is not None else "; Ctrl-C ends it."), flush=True)
    with contextlib.suppress(KeyboardInterrupt), torch.inference_mode():
        for _ in itertools.count() if steps is None else range(steps):
            if not sim.is_running():
                break
            start = time.monotonic()
            if sim.visualizers:
                _look_at(session, follow)
            obs, _, dones, _ = env.step(policy(obs))
            policy.reset(dones)
            if real_time:
                time.sleep(max(0.0, dt - (time.monotonic() - start)))


def _look_at(session: Session, follow: int) -> None:
    """Point every viewer's camera at a robot."""
    framing = pkgutil.resolve_name(session.robot_entry_point).camera
    x, y, _ = session.reference.robot.data.root_pos_w.torch[follow].tolist()
    target = (x, y, framing.height)
    eye = tuple(at + framing.extent * away for at, away in zip(target, _BESIDE, strict=True))
    session.env.unwrapped.sim.set_camera_view(eye, target)


def _free_port(first: int) -> int:
    """The first port from there on that nothing listens on."""
    for port in range(first, first + 100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("0.0.0.0", port))
            return port
    raise InputError(f"No free port between {first} and {first + 99} for the viewer's page: close other viewers.")
