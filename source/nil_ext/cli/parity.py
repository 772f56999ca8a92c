# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""How far two physics backends drift apart: ``python -m nil_ext.cli.parity --task NIL-G1-Walk``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch

from isaaclab_rl.entrypoints.common import close_env, create_isaaclab_env

from ..errors import InputError
from .common import parse_args, resolve_cfgs, run_main, simulation

BACKENDS = ("ovphysx", "newton_mjwarp")
"""The two that run without Isaac Sim."""

SECONDS = 0.5
_AMPLITUDE = 0.15
_FREQUENCY = 1.5


@dataclass(frozen=True)
class Trajectory:
    """What a robot did."""

    root: np.ndarray
    """Position of the root after each step [m]. Shape is (T, 3)."""

    joints: dict[str, np.ndarray]
    """Angle of each joint after each step [rad]. Shape is (T,) each."""


def sway(env, seconds: float = SECONDS) -> Trajectory:
    """Sway open loop from e0: each joint's action is a sine of 0.15 at 1.5 Hz, its phase by the joint's name.

    Args:
        env: the task's environment, wrapped or not; the first robot is recorded.
        seconds: how long [s].
    """
    base = env.unwrapped
    robot, names = base.scene["robot"], sorted(base.scene["robot"].joint_names)
    phase = torch.tensor([2.0 * np.pi * names.index(name) / len(names) for name in robot.joint_names])
    env.reset()
    root, joints = [], []
    for step in range(round(seconds / base.step_dt)):
        action = _AMPLITUDE * torch.sin(2.0 * np.pi * _FREQUENCY * (step + 1) * base.step_dt + phase)
        env.step(action.repeat(base.num_envs, 1).to(base.device))
        root.append((robot.data.root_pos_w.torch[0] - base.scene.env_origins[0]).cpu().numpy().copy())
        joints.append(robot.data.joint_pos.torch[0].cpu().numpy().copy())
    table = np.array(joints)
    return Trajectory(np.array(root), {name: table[:, i] for i, name in enumerate(robot.joint_names)})


def divergence(one: Trajectory, other: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """Distance between the roots [m] and RMS of the joints' differences [rad] after each step. Shape is (T,) each."""
    differences = np.stack([one.joints[name] - other.joints[name] for name in one.joints])
    return np.linalg.norm(one.root - other.root, axis=1), np.sqrt(np.square(differences).mean(axis=0))


def run(argv: list[str]) -> None:
    """Simulate the same actions on each backend and print how far they are apart."""
    chosen = next((token for token in argv if token.startswith("physics=")), None)
    if chosen is not None:
        raise InputError(f"'{chosen}': leave it out, both of {' and '.join(BACKENDS)} are simulated.")
    if not any(token.startswith("presets=") for token in argv):
        argv = [*argv, "presets=position"]  # around e0: what is compared is the same motion whatever the reference
    trajectories = []
    for backend in BACKENDS:
        parser = argparse.ArgumentParser(description="How far two physics backends drift apart within half a second.")
        args = parse_args(parser, [*argv, f"physics={backend}"])
        env_cfg, _ = resolve_cfgs(args, args.agent, play_mode=True)
        env_cfg.scene.num_envs, env_cfg.seed = 1, 0
        with simulation(env_cfg, args):
            env = create_isaaclab_env(args.task, env_cfg, args, convert_marl_to_single_agent=False)
            rate = 1.0 / env.unwrapped.step_dt
            trajectories.append(sway(env))
            close_env(env)
    root, joints = divergence(*trajectories)
    print(f"\n{args.task}: {' and '.join(BACKENDS)}, the same actions from e0")
    print("| time [s] | root [mm] | joints, RMS [rad] |\n|---|---|---|")
    for step in np.linspace(0, len(root), 6)[1:].round().astype(int):
        print(f"| {step / rate:.2f} | {1000.0 * root[step - 1]:.1f} | {joints[step - 1]:.4f} |")


if __name__ == "__main__":
    raise SystemExit(run_main(run))
