# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A simulator, an environment and a runner, opened and closed the same way by every script that needs them."""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import gymnasium as gym
import torch

from isaaclab.envs.mdp import JointPositionActionCfg
from isaaclab_rl.entrypoints.common import (
    CHECKPOINT_SELECTORS,
    RUN_MANIFEST_FILENAME,
    apply_env_overrides,
    close_env,
    create_isaaclab_env,
    resolve_checkpoint_selector,
    scoped_torch_backend_flags,
)
from isaaclab_rl.rsl_rl import (
    RslRlBaseRunnerCfg,
    check_rsl_rl_version,
    handle_deprecated_rsl_rl_cfg,
)

from ..errors import InputError
from ..memory import memory_for
from ..perception.encoders import require_encoder
from ..rl.algorithms import POLICY_ONLY
from ..rl.imitation.states import state_names
from ..rl.runners import OffPolicyRunner
from ..rl.runners.checkpoint import last_checkpoint, read_checkpoint
from ..tasks.embedded import ASSETS
from ..tasks.mdp.actions_cfg import ReferencePositionActionCfg
from ..tasks.stream_vec_env import StreamVecEnv
from ..tasks.walk.register import IMITATION, TASK
from .common import PROFILES, chosen_presets, simulation, value_of, with_cpu_profile

if TYPE_CHECKING:
    from rsl_rl.runners import OnPolicyRunner

    from ..rl.imitation import Trajectories
    from ..tasks.imitation_env_cfg import ImitationEnvCfg
    from ..tasks.mdp import ReferenceCommand

LIBRARY = "nil_ext"
"""Name of the log folder and of the run manifest's library."""


_FAST_MATH = {
    "cuda_matmul_allow_tf32": True,
    "cudnn_allow_tf32": True,
    "cudnn_deterministic": False,
    "cudnn_benchmark": True,
}
"""What Isaac Lab's own training scripts set: without TF32 a GPU encodes clips several times as slowly."""


_NO_CONTRACT = ("task", "reward", "progress", "learns_from")
"""What a checkpoint says of its run that one of another run may say otherwise."""

_COMPARISON = (
    "similarity",
    "centred",
    "clip_length",
    "clip_stride",
    "film_every",
    "mask_score",
    "camera_follows",
    "frame_per_step",
)
"""Settings of the reference that change the values of the imitation streams."""

_ENCODERS_OWN = ("model", "runtime", "compiled", "reason")
"""What an encoder says of itself that does not: where its weights lie, and how it runs."""


@dataclass
class Session:
    """An open environment with its runner."""

    env: StreamVecEnv
    runner: OnPolicyRunner
    reference: ReferenceCommand
    robot_entry_point: str
    """Where the facts of the robot are, as ``module:name``."""


@contextlib.contextmanager
def open_session(
    args: argparse.Namespace,
    env_cfg: ImitationEnvCfg,
    agent_cfg: RslRlBaseRunnerCfg,
    log_dir: Path | None,
    trajectories: Trajectories | None = None,
) -> Iterator[Session]:
    """Launch the simulation, make the environment and its runner; close them at the end, come what may.

    Args:
        args: what the script was called with.
        env_cfg: settings of the environment.
        agent_cfg: settings of the agent.
        log_dir: folder of the run; None where nothing is trained.
        trajectories: what a baseline learns from.
    """
    from rsl_rl.utils import resolve_callable

    require_encoder(env_cfg.commands.reference.encoder, env_cfg.commands.reference.encoder_weights)
    with simulation(env_cfg, args), contextlib.ExitStack() as cleanup:
        cleanup.enter_context(scoped_torch_backend_flags(**_FAST_MATH))
        apply_env_overrides(args, env_cfg)
        agent_cfg = handle_deprecated_rsl_rl_cfg(agent_cfg, check_rsl_rl_version())
        agent_cfg.device = env_cfg.sim.device
        agent_cfg.seed += rank(args)
        env_cfg.seed = agent_cfg.seed
        env_cfg.log_dir = None if log_dir is None else str(log_dir)
        with memory_for(
            f"The {env_cfg.scene.num_envs} environments", "lower --num_envs, or env.scene.camera.width and .height"
        ):
            env = create_isaaclab_env(args.task, env_cfg, args, convert_marl_to_single_agent=False)
        cleanup.callback(lambda: close_env(env))
        env = StreamVecEnv(env, clip_actions=1.0)
        reference = env.unwrapped.command_manager.get_term("reference")
        settings = runner_settings(env, agent_cfg, trajectories)
        runner_class = resolve_callable(agent_cfg.class_name)
        runner = runner_class(env, settings, str(log_dir) if log_dir else None, agent_cfg.device)
        runner.infos = {
            "task": args.task,
            "reward": gym.spec(args.task).kwargs["reward"],
            **control_contract(env_cfg),
            "joint_names": list(reference.robot.joint_names),
            "observations": _observation_contract(env, agent_cfg.obs_groups["actor"]),
            "learns_from": learns_from(gym.spec(args.task).kwargs["reward"], reference),
            "progress": reference.progress,  # not a copy: each checkpoint has what holds then
        }
        if not isinstance(runner, OffPolicyRunner):  # rsl_rl's own would save without
            runner.save = functools.partial(runner.save, infos=runner.infos)
        runner.reward_terms = env.unwrapped.reward_manager.get_active_iterable_terms
        yield Session(env, runner, reference, gym.spec(args.task).kwargs["robot_entry_point"])


def control_contract(env_cfg: ImitationEnvCfg) -> dict:
    """What a policy controls, as far as the settings tell: robot, steps per second [Hz], kind of action."""
    kinds = {ReferencePositionActionCfg: "residual", JointPositionActionCfg: "position"}
    return {
        "robot": env_cfg.commands.reference.robot,
        "control_rate": 1.0 / (env_cfg.sim.dt * env_cfg.decimation),
        "action": kinds.get(type(env_cfg.actions.joints), "torque"),
    }


def learns_from(reward: str, reference: ReferenceCommand) -> dict:
    """What the values of a run's reward streams hang on, beside the robot: with others they cannot be compared.

    Args:
        reward: one of :data:`~nil_ext.tasks.walk.register.REWARDS`.
        reference: the reference, and how it is compared with rollouts.
    """
    about = {"reward": reward}
    if reward != TASK:
        about["reference"] = reference.source_digest[:12]
    if reward == IMITATION:
        encoder = reference.similarity.encoder.manifest()
        about |= {f"encoder {key}": value for key, value in encoder.items() if key not in _ENCODERS_OWN}
        about |= {name: getattr(reference.cfg, name) for name in _COMPARISON}
        about["picture"] = reference.masks.shape[-1]
    return about


def run_metadata(checkpoint: Path) -> dict:
    """What the run's manifest beside a checkpoint notes; empty beside a bare one."""
    try:
        return json.loads((checkpoint.parent / RUN_MANIFEST_FILENAME).read_text(encoding="utf-8"))["metadata"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _learned_from(checkpoint: Path, infos: dict) -> dict:
    """What a checkpoint's run learned from; older ones say the reward, and the run's manifest the reference."""
    if "learns_from" in infos:
        return infos["learns_from"]
    reference = run_metadata(checkpoint).get("reference")
    about = {"reward": infos.get("reward", IMITATION)}
    return about if reference is None else about | {"reference": reference[:12]}


def require_fitting(path: Path, env_cfg: ImitationEnvCfg, to_train: bool = False) -> None:
    """Hold a checkpoint against the settings, before a simulator starts.

    Args:
        path: the checkpoint.
        env_cfg: the settings.
        to_train: whether training is to go on from it.

    Raises:
        InputError: When it cannot be read, or was trained for another robot, control rate or kind of action, or is to
            be trained and holds a policy alone.
    """
    content = read_checkpoint(path, "cpu")
    if to_train and content.get(POLICY_ONLY):
        raise InputError(
            f"Checkpoint '{path}' holds a policy to play, without its critics: train from a run's checkpoint, or anew."
        )
    _require_same(path, content.get("infos"), control_contract(env_cfg))


def runner_settings(env: StreamVecEnv, agent_cfg: RslRlBaseRunnerCfg, trajectories: Trajectories | None = None) -> dict:
    """What a runner takes: the agent's settings, and for a baseline the expert in the environment's columns."""
    settings = agent_cfg.to_dict()
    if settings["algorithm"].pop("trajectories", None) is not None:  # a baseline
        columns = state_names(env.unwrapped.scene["robot"].joint_names)
        expert = trajectories and trajectories.transitions(columns, 1.0 / env.unwrapped.step_dt)
        settings["algorithm"]["expert"] = expert
    return settings


def load_checkpoint(session: Session, path: Path, to_train: bool = False) -> None:
    """Load a checkpoint and hold it against the environment.

    Args:
        session: the environment with its runner.
        path: the checkpoint.
        to_train: whether training is to go on from it.

    Raises:
        InputError: When it was trained for another robot, other observations, another control rate or kind of action.
    """
    mine = {key: value for key, value in session.runner.infos.items() if key not in _NO_CONTRACT}
    try:
        # rsl_rl's own runner would ask for the device on which the file was written
        theirs = session.runner.load(str(path), map_location=session.runner.device)
    except RuntimeError as error:  # shapes that do not fit
        raise InputError(f"Checkpoint '{path}' does not fit this task: {str(error).splitlines()[0]}") from error
    _require_same(path, theirs, mine)
    if to_train and isinstance(session.runner, OffPolicyRunner):
        now, then = session.runner.infos["learns_from"], _learned_from(path, theirs or {})
        if other := [key for key in then if key in now and then[key] != now[key]]:
            differences = ", ".join(f"{key} ({then[key]}, now {now[key]})" for key in other)
            session.runner.leave_replay(f"The checkpoint learned from another {differences}")
    if to_train:  # what changes in the course of training goes on from where it was
        env = session.env.unwrapped
        env.common_step_counter = session.runner.current_learning_iteration * session.runner.cfg["num_steps_per_env"]
        session.reference.progress.update((theirs or {}).get("progress", {}))
        env.curriculum_manager.compute()


def _require_same(path: Path, theirs: dict | None, mine: dict) -> None:
    """Refuse a checkpoint whose contract differs; ``isaaclab train`` writes none, and the first ones no action."""
    for key, value in mine.items():
        if theirs and theirs.get(key, value if key == "action" else None) != value:
            raise InputError(
                f"Checkpoint '{path}' has other {key} ({theirs.get(key)}) than this environment ({value}): give "
                "the task, profile and physics it was trained with."
            )


def log_root(experiment: str) -> Path:
    """Folder of an experiment's runs, below the working folder as Isaac Lab has it."""
    return Path("logs", LIBRARY, experiment).resolve()


def rank(args: argparse.Namespace) -> int:
    """Number of this process among those that train together; 0 where it trains alone."""
    return int(os.environ["RANK"]) if getattr(args, "distributed", False) else 0


@contextlib.contextmanager
def run_folder(experiment: str, run_name: str, timestamp: str | None = None) -> Iterator[Path]:
    """A fresh run folder; refuses early what would fail after an hour of training.

    When the run fails before it has saved anything, the folder goes with it.

    Args:
        experiment: Name of the experiment's folder.
        run_name: Suffix of the folder's name.
        timestamp: What the name begins with, given where several processes share the folder; default: the time.

    Raises:
        InputError: When nothing can be written there.
    """
    name = (timestamp or datetime.now().strftime("%Y-%m-%d_%H-%M-%S")) + (f"_{run_name}" if run_name else "")
    folder = log_root(experiment) / name
    try:
        if timestamp:
            folder.mkdir(parents=True, exist_ok=True)
        else:
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
        if not any(folder.glob("*.pt")):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _new_folder(root: Path, name: str) -> Path:
    """Make a folder of that name, or with a number behind it: runs of a cluster start in the same second."""
    for count in itertools.count(1):
        folder = root / (name if count == 1 else f"{name}_{count}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder


def shipped_policy(task: str) -> Path | None:
    """The policy that comes with a task: a checkpoint ``policy.pt`` with its ``manifest.json``, or None.

    Raises:
        InputError: When one of the two files is missing.
    """
    files = [ASSETS / "policies" / task / name for name in ("policy.pt", "manifest.json")]
    missing = [file for file in files if not file.is_file()]
    if len(missing) == 1:
        raise InputError(f"The policy that comes with {task} lacks '{missing[0]}': restore it, or name a --checkpoint.")
    return None if missing else files[0]


def with_shipped_profile(argv: list[str]) -> list[str]:
    """The arguments with the profile of the policy that comes with the task, where that is what they ask for.

    All of them were trained in the ``cpu`` profile, which a machine with CUDA would not run by itself. The choice is
    printed: a default is never swapped silently.
    """
    task = value_of(argv, "--task")
    if task is None or value_of(argv, "--checkpoint") or chosen_presets(argv) & set(PROFILES):
        return argv
    if not torch.cuda.is_available() or shipped_policy(task) is None:
        return argv
    print(f"[nil_ext] The policy that comes with {task} was trained in the 'cpu' profile, which runs here too.")
    return with_cpu_profile(argv)


def output_folder(checkpoint: Path, task: str) -> Path:
    """Where what is made from a checkpoint goes: beside it, but for a shipped policy to the logs."""
    return log_root("shipped") / task if checkpoint.is_relative_to(ASSETS) else checkpoint.parent


def find_checkpoint(selector: str | None, experiment: str, task: str, agent: str) -> Path:
    """The checkpoint named by a path, a run folder, ``latest`` or ``best``; None for the shipped one, else the latest.

    Raises:
        InputError: When there is none.
    """
    if selector is None:
        shipped = shipped_policy(task)
        return shipped if shipped is not None else find_checkpoint("latest", experiment, task, agent)
    if selector not in CHECKPOINT_SELECTORS:
        path = Path(selector).expanduser()
        if path.is_dir():
            newest = last_checkpoint(path)
            if newest is None:
                raise InputError(f"Run folder '{path}' holds no model_*.pt.")
            path = newest
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
                checkpoint_pattern=r"model_\d+\.pt" if selector == "latest" else r"model_(\d+|best)\.pt",
                preferred_checkpoint_pattern=r"model_best\.pt",
                metadata={"agent": agent},
            )
        )
    except ValueError as error:
        raise InputError(
            f"--checkpoint {selector}: no run of {task} in '{log_root(experiment)}'. Train one first, or name a file."
        ) from error


def _observation_contract(env: StreamVecEnv, groups: list[str]) -> list[list]:
    """Names and sizes of the policy's observations, in order; needed by whoever deploys it."""
    manager = env.unwrapped.observation_manager
    return [
        [name, int(size[-1])]
        for group in groups
        for name, size in zip(manager.active_terms[group], manager.group_obs_term_dim[group], strict=True)
    ]
