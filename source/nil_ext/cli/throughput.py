# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""``scripts/benchmark.py throughput``: where the time of a step goes, as shares of one run."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from ..errors import InputError
from .common import parse_args, resolve_cfgs
from .host_loop import HostLoop
from .session import Session, open_session

_HOST = "one by one on the host"
"""The part that computes the reward as earlier code does."""


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
    args = parse_args(parser, argv)
    for name in ("steps", "repeats"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name} {getattr(args, name)} measures nothing: give at least 1.")
    env_cfg, agent_cfg = resolve_cfgs(args, args.agent)
    with open_session(args, env_cfg, agent_cfg, None) as session:
        parts = _measure(session, args.steps, args.repeats)
        streams = session.reference.similarity
        encoder, ring = streams.encoder.name, streams.bytes_per_env
    _report(parts, env_cfg.scene.num_envs, encoder, ring)


def _measure(session: Session, steps: int, repeats: int) -> dict[str, float]:
    """Seconds a control step of each part, the parts taking turns so that a slow moment hits all of them."""
    env, sim_env, algorithm = session.env, session.env.unwrapped, session.runner.alg
    action = torch.zeros(env.num_envs, env.num_actions, device=env.device)
    obs = env.get_observations()

    def physics() -> None:
        sim_env.action_manager.process_action(action)
        for _ in range(sim_env.cfg.decimation):
            sim_env.action_manager.apply_action()
            sim_env.scene.write_data_to_sim()
            sim_env.sim.step(render=False)
            sim_env.scene.update(dt=sim_env.physics_dt)

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

    host = HostLoop(session.reference.similarity, env.num_envs)

    def host_loop() -> None:
        physics()
        host.update(*session.reference.camera.film(), session.reference.frame)

    bodies = {"physics": physics, "physics + camera": physics_and_camera, "environment": environment, "loop": loop}
    slow = {_HOST: host_loop}
    algorithm.train_mode()
    while not algorithm.gradient_steps:  # through the warm-up, so that every loop step learns
        loop()
    rows: dict[str, list[float]] = {name: [] for name in bodies | slow}
    for _ in range(repeats):
        for name, body in (bodies | slow).items():
            env.reset()
            obs = env.get_observations()
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


def _report(parts: dict[str, float], num_envs: int, encoder: str, ring: int) -> None:
    base = parts["physics + camera"]
    print(f"\n{num_envs} environments, {encoder}; baseline: physics + camera\n")
    print("| part | ms a step | env-steps/s | of physics + camera |\n|---|---|---|---|")
    for name, seconds in parts.items():
        print(f"| {name} | {1000 * seconds:.1f} | {num_envs / seconds:.0f} | {base / seconds:.1%} |")
    render, rest = base - parts["physics"], parts["environment"] - base
    learn = parts["loop"] - parts["environment"]
    print(
        f"\nsplit of a loop step: physics {parts['physics'] / parts['loop']:.0%}, render {render / parts['loop']:.0%}, "
        f"encode and rewards {rest / parts['loop']:.0%}, act and learn {learn / parts['loop']:.0%}"
    )
    ratio = parts[_HOST] / parts["environment"]
    print(f"the environment is {ratio:.1f} times as fast as rewards computed one environment after the other")
    print(f"history of frames: {ring / 1024:.0f} KiB an environment, {num_envs * ring / 2**20:.0f} MiB in all")
