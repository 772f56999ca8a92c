# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Which checkpoint is meant, whether it fits what it is loaded into, and what it comes with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from isaaclab.envs.mdp import JointPositionActionCfg
from isaaclab_rl.entrypoints.common import CHECKPOINT_SELECTORS, resolve_checkpoint_selector

from ..errors import InputError
from ..rl.algorithms import POLICY_ONLY
from ..rl.runners import OffPolicyRunner
from ..rl.runners.checkpoint import last_checkpoint, read_checkpoint
from ..tasks.embedded import ASSETS
from ..tasks.mdp.actions_cfg import ReferencePositionActionCfg
from ..tasks.walk.register import IMITATION, TASK
from .common import PROFILES, chosen_presets, value_of, with_cpu_profile
from .run_folders import LIBRARY, log_root, run_metadata

if TYPE_CHECKING:
    from ..tasks.imitation_env_cfg import ImitationEnvCfg
    from ..tasks.mdp import ReferenceCommand
    from ..tasks.stream_vec_env import StreamVecEnv
    from .session import Session

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
)
"""Settings of the reference that change the values of the imitation streams."""

_ENCODERS_OWN = ("model", "runtime", "compiled", "reason")
"""What an encoder says of itself that does not: where its weights lie, and how it runs."""


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
        about |= {"reference": reference.source_digest[:12], "frame_per_step": reference.cfg.frame_per_step}
    if reward == IMITATION:
        encoder = reference.similarity.encoder.manifest()
        about |= {f"encoder {key}": value for key, value in encoder.items() if key not in _ENCODERS_OWN}
        about |= {name: getattr(reference.cfg, name) for name in _COMPARISON}
        about["picture"] = reference.masks.shape[-1]
    return about


def observation_contract(env: StreamVecEnv, groups: list[str]) -> list[list]:
    """Names and sizes of the policy's observations, in order; needed by whoever deploys it."""
    manager = env.unwrapped.observation_manager
    return [
        [name, int(size[-1])]
        for group in groups
        for name, size in zip(manager.active_terms[group], manager.group_obs_term_dim[group], strict=True)
    ]


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


def _learned_from(checkpoint: Path, infos: dict) -> dict:
    """What a checkpoint's run learned from; older ones say the reward, and the run's manifest the reference."""
    if "learns_from" in infos:
        return infos["learns_from"]
    reference = run_metadata(checkpoint).get("reference")
    about = {"reward": infos.get("reward", IMITATION)}
    return about if reference is None else about | {"reference": reference[:12]}


def _require_same(path: Path, theirs: dict | None, mine: dict) -> None:
    """Refuse a checkpoint whose contract differs; ``isaaclab train`` writes none, and the first ones no action."""
    for key, value in mine.items():
        if theirs and theirs.get(key, value if key == "action" else None) != value:
            raise InputError(
                f"Checkpoint '{path}' has other {key} ({theirs.get(key)}) than this environment ({value}): give "
                "the task, profile and physics it was trained with."
            )


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


def is_nil(reward: str, agent: str) -> bool:
    """Whether a run of this reward and agent is NIL's, as the policies that come with the tasks are."""
    return reward == IMITATION and agent.startswith("bro")


def with_shipped_profile(argv: list[str]) -> list[str]:
    """The arguments with the profile of the policy that comes with the task, where that is what they ask for.

    All of them were trained in the ``cpu`` profile, which a machine with CUDA would not run by itself. The choice is
    printed: a default is never swapped silently.
    """
    task = value_of(argv, "--task")
    others = value_of(argv, "--checkpoint") or value_of(argv, "--compare")  # a comparison judges none
    nil = is_nil(value_of(argv, "--reward") or IMITATION, value_of(argv, "--agent") or "bro")
    if task is None or others or not nil or chosen_presets(argv) & set(PROFILES):
        return argv
    if not torch.cuda.is_available() or shipped_policy(task) is None:
        return argv
    print(f"[nil_ext] The policy that comes with {task} was trained in the 'cpu' profile, which runs here too.")
    return with_cpu_profile(argv)


def output_folder(checkpoint: Path, task: str) -> Path:
    """Where what is made from a checkpoint goes: beside it, but for a shipped policy to the logs."""
    return log_root("shipped") / task if checkpoint.is_relative_to(ASSETS) else checkpoint.parent
