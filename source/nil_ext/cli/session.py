# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A simulator, an environment and a runner, opened and closed the same way by every script that needs them."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import gymnasium as gym

from isaaclab_rl.entrypoints.common import (
    CHECKPOINT_SELECTORS,
    apply_env_overrides,
    close_env,
    create_isaaclab_env,
    resolve_checkpoint_selector,
)
from isaaclab_rl.rsl_rl import (
    RslRlBaseRunnerCfg,
    RslRlVecEnvWrapper,
    check_rsl_rl_version,
    handle_deprecated_rsl_rl_cfg,
)

from ..errors import InputError
from .common import simulation

if TYPE_CHECKING:
    from rsl_rl.runners import OnPolicyRunner

    from ..tasks.imitation_env_cfg import ImitationEnvCfg
    from ..tasks.mdp import ReferenceCommand

LIBRARY = "nil_ext"
"""Name of the log folder and of the run manifest's library."""


@dataclass
class Session:
    """An open environment with its runner."""

    env: RslRlVecEnvWrapper
    runner: OnPolicyRunner
    reference: ReferenceCommand
    robot_entry_point: str
    """Where the facts of the robot are, as ``module:name``."""


@contextlib.contextmanager
def open_session(
    args: argparse.Namespace, env_cfg: ImitationEnvCfg, agent_cfg: RslRlBaseRunnerCfg, log_dir: Path | None
) -> Iterator[Session]:
    """Launch the simulation, make the environment and its runner; close them at the end, come what may."""
    from rsl_rl.utils import resolve_callable

    with simulation(env_cfg, args), contextlib.ExitStack() as cleanup:
        apply_env_overrides(args, env_cfg)
        agent_cfg = handle_deprecated_rsl_rl_cfg(agent_cfg, check_rsl_rl_version())
        agent_cfg.device = env_cfg.sim.device
        env_cfg.seed = agent_cfg.seed
        env_cfg.log_dir = None if log_dir is None else str(log_dir)
        env = create_isaaclab_env(args.task, env_cfg, args, convert_marl_to_single_agent=False)
        cleanup.callback(lambda: close_env(env))
        env = RslRlVecEnvWrapper(env, clip_actions=1.0)
        runner_class = resolve_callable(agent_cfg.class_name)
        runner = runner_class(env, agent_cfg.to_dict(), str(log_dir) if log_dir else None, agent_cfg.device)
        reference = env.unwrapped.command_manager.get_term("reference")
        runner.infos = {
            "task": args.task,
            "robot": reference.cfg.robot,
            "joint_names": list(reference.robot.joint_names),
            "observations": _observation_contract(env),
            "control_rate": 1.0 / env.unwrapped.step_dt,
        }
        yield Session(env, runner, reference, gym.spec(args.task).kwargs["robot_entry_point"])


def load_checkpoint(session: Session, path: Path) -> None:
    """Load a checkpoint and hold it against the environment.

    Raises:
        InputError: When it was trained for another robot or other observations.
    """
    mine = dict(session.runner.infos)
    try:
        theirs = session.runner.load(str(path))
    except RuntimeError as error:  # shapes that do not fit
        raise InputError(f"Checkpoint '{path}' does not fit this task: {str(error).splitlines()[0]}") from error
    for key in ("robot", "joint_names", "observations"):
        if theirs and theirs.get(key) != mine[key]:
            raise InputError(
                f"Checkpoint '{path}' has other {key} ({theirs.get(key)}) than this environment ({mine[key]}): give "
                "the task, profile and physics it was trained with."
            )


def log_root(experiment: str) -> Path:
    """Folder of an experiment's runs, below the working folder as Isaac Lab has it."""
    return Path("logs", LIBRARY, experiment).resolve()


@contextlib.contextmanager
def run_folder(experiment: str, run_name: str) -> Iterator[Path]:
    """A fresh run folder; refuses early what would fail after an hour of training.

    When the run fails before it has saved anything, the folder goes with it.

    Raises:
        InputError: When nothing can be written there.
    """
    name = datetime.now().strftime("%Y-%m-%d_%H-%M-%S") + (f"_{run_name}" if run_name else "")
    folder = log_root(experiment) / name
    try:
        folder = _new_folder(log_root(experiment), name)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"0" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise InputError(
            f"Cannot write logs to '{folder}' ({error.strerror}): free some space, or start from another folder."
        ) from error
    try:
        yield folder
    except BaseException:
        if not any(folder.glob("model_*.pt")):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _new_folder(root: Path, name: str) -> Path:
    """Make a folder of that name, or with a number behind it: runs of a cluster start in the same second."""
    for count in itertools.count(1):
        folder = root / (name if count == 1 else f"{name}_{count}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder


def find_checkpoint(selector: str, experiment: str, task: str, agent: str) -> Path:
    """The checkpoint named by a path, a run folder, ``latest`` or ``best``.

    Raises:
        InputError: When there is none.
    """
    if selector not in CHECKPOINT_SELECTORS:
        path = Path(selector).expanduser()
        if path.is_dir():
            files = sorted(path.glob("model_*.pt"), key=lambda file: int(file.stem.removeprefix("model_")))
            if not files:
                raise InputError(f"Run folder '{path}' holds no model_*.pt.")
            path = files[-1]
        if not path.is_file():
            raise InputError(f"No such checkpoint: '{path}'. Give a file, a run folder, 'latest' or 'best'.")
        return path.resolve()
    try:
        return Path(
            resolve_checkpoint_selector(
                str(log_root(experiment)),
                selector,
                library=LIBRARY,
                task=task,
                checkpoint_pattern=r"model_.*\.pt",
                preferred_checkpoint_pattern=r"model_best\.pt",
                metadata={"agent": agent},
            )
        )
    except ValueError as error:
        raise InputError(
            f"--checkpoint {selector}: no run of {task} in '{log_root(experiment)}'. Train one first, or name a file."
        ) from error


def _observation_contract(env: RslRlVecEnvWrapper) -> list[list]:
    """Names and sizes of the policy's observations, in order; needed by whoever deploys it."""
    manager = env.unwrapped.observation_manager
    names, sizes = manager.active_terms["policy"], manager.group_obs_term_dim["policy"]
    return [[name, int(size[-1])] for name, size in zip(names, sizes, strict=True)]
