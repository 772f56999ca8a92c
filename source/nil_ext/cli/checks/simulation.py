# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A task on the real simulator, in a process of its own: the doctor outlives whatever happens in there."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import torch

from ...perception.masks import iou
from ...reference.cache import cache_root
from ..common import parse_args, resolve_cfgs, run_main
from ..own_robot import task_option
from .line import Line

_FEW, _MANY = 4, 64
"""Numbers of environments from whose difference the memory of one is told."""

_PATIENCE = 600
"""How long a task may take to start [s]: the first start compiles kernels."""

_SPARE = 0.9
"""Share of the free memory that is handed out."""

_MARK = "[doctor] "


@dataclass(frozen=True)
class Findings:
    """What a task's process found, in plain values."""

    device: str
    brightest: int
    """Brightest channel in the first frames, 0 to 255."""
    least_covered: float
    """Share of the picture that the robot fills in the environment where it fills least."""
    moved_iou: float
    """Largest overlap of the robot's mask with itself after its joints were turned."""
    reset_iou: float
    """Least overlap of the first frames' masks with those after an automatic reset."""
    used: int
    """Memory that the process holds [byte]: the GPU's on CUDA."""
    free: int
    """Memory that was free before [byte]."""
    replay: int
    """Memory of a full replay [byte]; it does not grow with the environments."""


def check_task(task: str, options: list[str]) -> Iterator[Line]:
    """Lines about a task's frames and its memory.

    Args:
        task: gym id.
        options: presets, overrides and launcher options of the command line.
    """
    models = _converted_models()
    few = _look(task, _FEW, options)
    if _converted_models() != models:  # by that process, which kept some memory of it
        few = _look(task, _FEW, options)
    if isinstance(few, str):
        remedy = f"see the whole output: scripts/play.py {' '.join(task_option(task))}"
        yield Line(f"frame {task}", "problem", few, remedy)
        return
    yield frame_line(task, few)
    many = _look(task, _MANY, options)
    if isinstance(many, str):
        yield Line(f"memory {task}", "problem", f"{_MANY} environments: {many}", "give fewer with --num_envs")
    else:
        yield memory_line(task, few, many)


def frame_line(task: str, found: Findings) -> Line:
    """Judge the pictures."""
    faults = []
    if found.brightest < 32:
        faults.append("the picture is black")
    if not 0.002 < found.least_covered < 0.7:
        faults.append(f"the robot fills {found.least_covered:.1%} of the picture")
    if found.moved_iou > 0.97:
        faults.append(f"the picture stays the same when the joints turn (mask IoU {found.moved_iou:.3f})")
    if found.reset_iou < 0.97:
        faults.append(f"the picture after a reset is not the start's (mask IoU {found.reset_iou:.3f})")
    if faults:
        remedy = "try another renderer (renderer=newton_renderer) or the GPU driver's newest version"
        return Line(f"frame {task}", "problem", "; ".join(faults), remedy)
    text = (
        f"robot fills {found.least_covered:.1%}, mask IoU {found.moved_iou:.2f} with turned joints, "
        f"{found.reset_iou:.2f} after a reset ({found.device})"
    )
    return Line(f"frame {task}", "ok", text)


def memory_line(task: str, few: Findings, many: Findings) -> Line:
    """Estimate what one environment takes and how many fit."""
    if many.used <= few.used:
        text = f"not told: {_MANY} environments held no more than {_FEW}, {many.used / 2**30:.2f} GiB"
        return Line(f"memory {task}", "warning", text, "run the doctor again while nothing else starts or ends")
    each = (many.used - few.used) / (_MANY - _FEW)
    fits = int((_SPARE * many.free - few.used - many.replay) / each) + _FEW
    text = (
        f"{each / 2**20:.2f} MiB an environment, {few.used / 2**30:.2f} GiB for the rest, "
        f"{many.replay / 2**30:.2f} GiB for a full replay; {many.free / 2**30:.1f} GiB free"
    )
    if fits < _MANY:
        remedy = f"free memory, or --num_envs {max(fits, 1)} and a smaller agent.algorithm.replay_size"
        return Line(f"memory {task}", "warning", text, remedy)
    return Line(f"memory {task}", "ok", f"{text}: about --num_envs {_round_down(fits)} fit")


def _round_down(count: int) -> int:
    """The power of two below: an estimate deserves no more digits."""
    return 1 << (count.bit_length() - 1)


def _converted_models() -> set[str]:
    """Names of the robots' models that have been converted on this machine."""
    return {folder.name for folder in (cache_root() / "robots").glob("*")}


def _look(task: str, num_envs: int, options: list[str]) -> Findings | str:
    """What a process of its own finds, or why it found nothing."""
    command = [sys.executable, "-m", __name__, *task_option(task), "--num_envs", str(num_envs), *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return f"no frame after {_PATIENCE} s"
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            return Findings(**json.loads(line.removeprefix(_MARK)))
    last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no output")
    return last.removeprefix("error: ") + (f" (ended by signal {-done.returncode})" if done.returncode < 0 else "")


# -- the other process


def run(argv: list[str]) -> None:
    """Start the task, look at its pictures and its memory, and print the findings."""
    from ..session import open_session

    args = parse_args(argparse.ArgumentParser(), argv)
    env_cfg, agent_cfg = resolve_cfgs(args, args.agent, play_mode=True)
    cuda = torch.cuda.is_available() and not args.device.startswith("cpu")
    free = torch.cuda.mem_get_info(args.device)[0] if cuda else psutil.virtual_memory().available
    env_cfg.scene.num_envs = args.num_envs
    reference = env_cfg.commands.reference  # what a pass takes stops growing at its batch, and is no environment's
    reference.encoder_batch = min(reference.encoder_batch, _FEW)
    with open_session(args, env_cfg, agent_cfg, None) as session:
        looks = _pictures(session)
        used = free - torch.cuda.mem_get_info(args.device)[0] if cuda else psutil.Process().memory_info().rss
        memory = getattr(session.runner.alg, "replay", None)  # rsl-rl's PPO has none
        replay = 0 if memory is None else memory.full_nbytes
        device = session.env.device
    print(
        _MARK + json.dumps({**looks, "device": str(device), "used": used, "free": free, "replay": replay}), flush=True
    )


def _pictures(session) -> dict[str, float]:
    """Film the robots at e0, with their joints turned, and after the automatic reset at the end of an episode."""
    env, camera, robot = session.env.unwrapped, session.reference.camera, session.reference.robot
    session.env.reset()
    rgb, mask = camera.film()
    brightest, start = int(rgb.max()), mask.clone()
    low, high = robot.data.joint_pos_limits.torch.unbind(-1)
    robot.write_joint_position_to_sim_index(position=(robot.data.joint_pos.torch + 0.5).clamp(low, high))
    env.sim.forward()
    env.scene.update(0.0)
    env.sim.render()  # Isaac RTX draws anew after a physics step or a render only
    moved = camera.film()[1].clone()
    env.episode_length_buf[:] = env.max_episode_length  # the next step is the last
    session.env.step(torch.zeros(session.env.num_envs, session.env.num_actions, device=session.env.device))
    fresh = camera.film()[1]
    return {
        "brightest": brightest,
        "least_covered": float(start.float().mean(dim=(1, 2)).min()),
        "moved_iou": float(iou(start, moved).max()),
        "reset_iou": float(iou(start, fresh).min()),
    }


def main() -> int:
    """Entry point of the process."""
    return run_main(run)


if __name__ == "__main__":
    raise SystemExit(main())
