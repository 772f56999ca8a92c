# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/benchmark.py``: where the time of a step goes, as shares of one run."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from .common import parse_args, resolve_cfgs, run_main
from .session import Session, open_session


def run(argv: list[str]) -> None:
    """Time physics alone, physics and camera, the whole environment, and the loop with learning, in one process."""
    parser = argparse.ArgumentParser(description="Measure where the time of a training step goes.")
    parser.add_argument("--steps", type=int, default=40, help="Control steps in each measurement.")
    parser.add_argument("--repeats", type=int, default=3, help="Measurements of each part; the median is reported.")
    args = parse_args(parser, argv)
    env_cfg, agent_cfg = resolve_cfgs(args, args.agent)
    with open_session(args, env_cfg, agent_cfg, None) as session:
        parts = _measure(session, args.steps, args.repeats)
    _report(parts, env_cfg.scene.num_envs)


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

    bodies = {"physics": physics, "physics + camera": physics_and_camera, "environment": environment, "loop": loop}
    algorithm.train_mode()
    while not algorithm.gradient_steps:  # through the warm-up, so that every loop step learns
        loop()
    rows: dict[str, list[float]] = {name: [] for name in bodies}
    for _ in range(repeats):
        for name, body in bodies.items():
            env.reset()
            obs = env.get_observations()
            rows[name].append(_seconds(body, steps, env.device))
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


def _report(parts: dict[str, float], num_envs: int) -> None:
    base = parts["physics + camera"]
    print(f"\n{num_envs} environments; baseline: physics + camera\n")
    print("| part | ms a step | env-steps/s | of physics + camera |\n|---|---|---|---|")
    for name, seconds in parts.items():
        print(f"| {name} | {1000 * seconds:.1f} | {num_envs / seconds:.0f} | {base / seconds:.0%} |")
    render, rest = base - parts["physics"], parts["environment"] - base
    learn = parts["loop"] - parts["environment"]
    print(
        f"\nsplit of a loop step: physics {parts['physics'] / parts['loop']:.0%}, render {render / parts['loop']:.0%}, "
        f"encode and rewards {rest / parts['loop']:.0%}, act and learn {learn / parts['loop']:.0%}"
    )


def main() -> int:
    """Entry point of the script."""
    return run_main(run)
