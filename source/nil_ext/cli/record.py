# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""``scripts/play.py --record FILE.npz``: rollouts of a policy as trajectories that a baseline can learn from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tensordict import TensorDict

from ..errors import InputError
from ..files import require_writable
from ..rl.imitation import state_names, write_rollouts
from ..tasks.imitation_env_cfg import ObservationsCfg
from .session import Session

ENDING = ".npz"
"""Ending of recorded rollouts; other endings are the viewers' own recordings."""


def rollouts_file(record: Path | None, task: str) -> Path | None:
    """The file that rollouts go to: the one named, or one in the folder named; None for a viewer's recording.

    Raises:
        InputError: When it cannot be written.
    """
    if record is None or record.suffix not in ("", ENDING):
        return None
    path = record if record.suffix else record / f"{task}{ENDING}"
    require_writable(path.parent)
    return path


@torch.no_grad()
def record_rollouts(session: Session, policy: Callable[[TensorDict], torch.Tensor], path: Path) -> None:
    """Play one episode of every environment, from e0, and write states, observations and actions."""
    env, robot = session.env, session.reference.robot
    sim_env, groups = env.unwrapped, session.runner.cfg["obs_groups"]["actor"]
    terms = [term.func for term in vars(ObservationsCfg.StateCfg()).values() if hasattr(term, "func")]
    alive = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
    rows: list[dict[str, torch.Tensor]] = []
    with session.reference.from_e0():
        obs, _ = env.reset()
        for _ in range(int(env.max_episode_length)):
            actions = policy(obs)
            place = robot.data.root_pos_w.torch - sim_env.scene.env_origins
            rows.append(
                {
                    "states": torch.cat([term(sim_env) for term in terms], dim=1),
                    "observations": torch.cat([obs[group] for group in groups], dim=1).clone(),
                    "actions": actions.clamp(-1.0, 1.0),
                    "root_pose": torch.cat((place, robot.data.root_quat_w.torch), dim=1),
                    "alive": alive.clone(),
                }
            )
            obs, _, dones, _ = env.step(actions)
            alive &= ~dones.bool()
            if not alive.any():
                break
    columns = {key: torch.stack([row[key] for row in rows]).cpu().numpy() for key in rows[0]}
    lengths = columns.pop("alive").sum(axis=0)
    write_rollouts(
        path,
        task=session.runner.infos["task"],
        robot=session.reference.cfg.robot,
        rate=1.0 / sim_env.step_dt,
        joint_names=robot.joint_names,
        state_names=state_names(robot.joint_names),
        observation_terms=session.runner.infos["observations"],
        episodes=[{key: values[:n, i] for key, values in columns.items()} for i, n in enumerate(lengths)],
    )
    seconds = np.asarray(lengths) * sim_env.step_dt
    print(f"[nil_ext] Recorded {len(lengths)} episodes of {seconds.min():.2f} to {seconds.max():.2f} s: {path}")


def require_nothing_else(path: Path | None, playing: bool) -> None:
    """Refuse a recording of rollouts beside a viewer or a film, which play without an end of their own."""
    if path is not None and playing:
        raise InputError(f"--record '{path}' records rollouts: leave --viz and --video out.")
