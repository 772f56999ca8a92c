# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""``scripts/benchmark.py throughput``: where the time of a step goes, as shares of one run."""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch

from ..errors import InputError
from ..files import require_writable, whole_file
from ..perception.masks import composite
from ..rl.runners.learning_thread import LearningThread
from .common import parse_args, resolve_cfgs
from .host_loop import HostLoop
from .session import Session, open_session
from .throughput_sweep import JSON_FILE, environment_counts, sweep

_HOST = "one by one on the host"
"""The part that computes the reward as earlier code does."""

_BESIDE = "loop, learning beside"
"""The loop as the ``cpu`` profile runs it where there is more than one core."""


def run(argv: list[str]) -> None:
    """Time physics alone, physics and camera, the whole environment, and the loop with learning, in one process.

    In the same run: physics and camera with the reward that earlier code of this family computes, one environment
    after the other on the host.
    """
    parser = argparse.ArgumentParser(
        prog="benchmark.py throughput", description="Measure where the time of a training step goes."
    )
    parser.add_argument("--steps", type=int, default=40, help="Control steps in each measurement.")
    parser.add_argument("--repeats", type=int, default=3, help="Measurements of each part; the median is reported.")
    parser.add_argument("--output", type=Path, help=f"Folder for {JSON_FILE} and, with --envs, the plot.")
    parser.add_argument(
        "--envs", type=environment_counts, help="Numbers of environments, e.g. 1,16,64: each in a process of its own."
    )
    args = parse_args(parser, argv)
    for name in ("steps", "repeats"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name} {getattr(args, name)} measures nothing: give at least 1.")
    if args.output is not None:
        require_writable(args.output)
    if args.envs is not None:
        return sweep(argv, args.envs, args.output)
    env_cfg, agent_cfg = resolve_cfgs(args, args.agent)
    if not hasattr(agent_cfg.algorithm, "warmup_transitions"):
        raise InputError(f"throughput measures agents that learn from a replay, not '{args.agent}': leave --agent out.")
    with open_session(args, env_cfg, agent_cfg, None) as session:
        parts = _measure(session, args.steps, args.repeats)
        result = _result(session, parts, args.task)
    _report(result)
    if args.output is not None:
        with whole_file(args.output / JSON_FILE) as file:
            file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _measure(session: Session, steps: int, repeats: int) -> dict[str, float]:
    """Seconds a control step of each part, the parts taking turns so that a slow moment hits all of them."""
    env, sim_env, algorithm = session.env, session.env.unwrapped, session.runner.alg
    action = torch.zeros(env.num_envs, env.num_actions, device=env.device)
    obs = env.get_observations()

    # a backend may run all substeps of a control step in one call
    substeps = sim_env.cfg.decimation if sim_env.sim.physics_manager.handles_decimation() else 1

    def physics() -> None:
        sim_env.action_manager.process_action(action)
        for _ in range(sim_env.cfg.decimation // substeps):
            sim_env.action_manager.apply_action()
            sim_env.scene.write_data_to_sim()
            sim_env.sim.step(render=False)
            sim_env.scene.update(dt=sim_env.physics_dt * substeps)

    def physics_and_camera() -> None:
        physics()
        session.reference.camera.film()

    def environment() -> None:
        env.step(action)

    def loop() -> None:
        nonlocal obs
        with torch.no_grad():
            obs, rewards, dones, extras = env.step(algorithm.act(obs))
            algorithm.process_env_step(obs, rewards, dones, extras)
        algorithm.update()

    def loop_beside() -> None:
        nonlocal obs
        with torch.no_grad():
            action = algorithm.act(obs)
            (obs, rewards, dones, extras), rest = thread.beside(lambda: env.step(action), algorithm)
            for learn in rest:
                learn()
            algorithm.process_env_step(obs, rewards, dones, extras)

    def compose() -> None:
        composite(*picture)

    def encode() -> None:
        session.reference.similarity.update(*picture, session.reference.frame)

    host = HostLoop(session.reference.similarity, env.num_envs)

    def host_loop() -> None:
        physics()
        host.update(*session.reference.camera.film(), session.reference.frame)

    bodies = {
        "physics": physics,
        "physics + camera": physics_and_camera,
        "compose": compose,
        "compose + encode": encode,
        "environment": environment,
        "loop": loop,
    }
    if LearningThread.possible(session.runner.device):
        bodies[_BESIDE] = loop_beside
    slow = {_HOST: host_loop}
    algorithm.train_mode()
    while not algorithm.gradient_steps:  # through the warm-up, so that every loop step learns
        loop()
    rows: dict[str, list[float]] = {name: [] for name in bodies | slow}
    for _ in range(repeats):
        for name, body in (bodies | slow).items():
            env.reset()
            obs = env.get_observations()
            picture = session.reference.camera.film()
            with LearningThread() if name == _BESIDE else nullcontext() as thread:
                rows[name].append(_seconds(body, max(1, steps // 10) if name in slow else steps, env.device))
    return {name: sorted(values)[len(values) // 2] for name, values in rows.items()}


def _seconds(body: Callable[[], None], steps: int, device: str) -> float:
    body()
    start = _now(device)
    for _ in range(steps):
        body()
    return (_now(device) - start) / steps


def _now(device: str) -> float:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _result(session: Session, parts: dict[str, float], task: str) -> dict:
    """What was measured, for the report and for other programs."""
    streams, replay = session.reference.similarity, getattr(session.runner.alg, "replay", None)
    device, count, seconds = torch.device(session.env.device), session.env.num_envs, parts
    base, share = seconds["physics + camera"], 1.0 / streams.every
    split = {
        "physics": seconds["physics"],
        "render": (base - seconds["physics"]) * share,
        "compose": seconds["compose"] * share,
        "encode": (seconds["compose + encode"] - seconds["compose"]) * share,
    }
    split["masks, rewards and the rest"] = seconds["environment"] - sum(split.values())
    split["act and learn"] = seconds["loop"] - seconds["environment"]
    memory = {
        "history": count * streams.bytes_per_env,
        "replay": 0 if replay is None else replay.nbytes,
        "used": _used_memory(device),
    }
    return {
        "task": task,
        "num_envs": count,
        "machine": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{torch.get_num_threads()} threads",
        "encoder": streams.encoder.manifest(),
        "film_every": streams.every,
        "seconds per step": parts,
        "env-steps per second": {name: count / value for name, value in parts.items()},
        "split [s]": split,
        "memory [byte]": memory,
        "environment against the host": parts[_HOST] / parts["environment"],
        "environment against physics + camera": base / parts["environment"],
    }


def _used_memory(device: torch.device) -> int:
    """Bytes in use: of the GPU by all programs, torch's, Warp's and the renderer's; else of this process at most."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return total - free
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _report(result: dict) -> None:
    parts, count, memory = result["seconds per step"], result["num_envs"], result["memory [byte]"]
    base, split = parts["physics + camera"], result["split [s]"]
    every = result["film_every"]
    filmed = "every step" if every == 1 else f"every {every} steps"
    print(f"\n{count} environments, {result['encoder']['name']}, filmed {filmed}")
    print("baseline: physics, and the camera in every step\n")
    print("| part | ms a step | env-steps/s | of physics + camera |\n|---|---|---|---|")
    for name, seconds in parts.items():
        print(f"| {name} | {1000 * seconds:.2f} | {count / seconds:.0f} | {base / seconds:.1%} |")
    shares = ", ".join(f"{name} {seconds / parts['loop']:.0%}" for name, seconds in split.items())
    print(f"\nsplit of a loop step: {shares}")
    ratio = result["environment against the host"]
    print(f"the environment is {ratio:.1f} times as fast as rewards computed one environment after the other")
    history = memory["history"]
    print(f"history of frames: {history / count / 1024:.0f} KiB an environment, {history / 2**20:.0f} MiB in all")
    print(f"replay so far: {memory['replay'] / 2**20:.0f} MiB; in use: {memory['used'] / 2**30:.1f} GiB")
