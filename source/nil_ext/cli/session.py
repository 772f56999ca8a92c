# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A simulator, an environment and a runner, opened and closed the same way by every script that needs them."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gymnasium as gym

from isaaclab_rl.entrypoints.common import (
    apply_env_overrides,
    close_env,
    create_isaaclab_env,
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
from ..rl.imitation.states import state_names
from ..rl.runners import OffPolicyRunner
from ..tasks.stream_vec_env import StreamVecEnv
from .checkpoints import control_contract, learns_from, observation_contract
from .common import simulation

if TYPE_CHECKING:
    from rsl_rl.runners import OnPolicyRunner

    from ..rl.imitation import Trajectories
    from ..tasks.imitation_env_cfg import ImitationEnvCfg
    from ..tasks.mdp import ReferenceCommand, ReferenceCommandCfg

_FAST_MATH = {
    "cuda_matmul_allow_tf32": True,
    "cudnn_allow_tf32": True,
    "cudnn_deterministic": False,
    "cudnn_benchmark": True,
}
"""What Isaac Lab's own training scripts set: without TF32 a GPU encodes clips several times as slowly."""


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

    _require_encoder(env_cfg.commands.reference)
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
            "observations": observation_contract(env, agent_cfg.obs_groups["actor"]),
            "learns_from": learns_from(gym.spec(args.task).kwargs["reward"], reference),
            "progress": reference.progress,  # not a copy: each checkpoint has what holds then
        }
        if not isinstance(runner, OffPolicyRunner):  # rsl_rl's own would save without
            runner.save = functools.partial(runner.save, infos=runner.infos)
        runner.reward_terms = env.unwrapped.reward_manager.get_active_iterable_terms
        yield Session(env, runner, reference, gym.spec(args.task).kwargs["robot_entry_point"])


def _require_encoder(cfg: ReferenceCommandCfg) -> None:
    """Refuse an encoder without weights, and say where it is of no consequence that the weights are missing.

    Raises:
        InputError: When they cannot be had.
    """
    try:
        require_encoder(cfg.encoder, cfg.encoder_weights)
    except InputError as error:
        if cfg.filmed:
            raise
        raise InputError(
            f"{str(error).rstrip('.')}. With --reward task and tracking, and for baselines, no policy learns from the "
            "encoder: it fills a column of the tables, and the first remedy costs nothing else."
        ) from error


def runner_settings(env: StreamVecEnv, agent_cfg: RslRlBaseRunnerCfg, trajectories: Trajectories | None = None) -> dict:
    """What a runner takes: the agent's settings, and for a baseline the expert in the environment's columns."""
    settings = agent_cfg.to_dict()
    if settings["algorithm"].pop("trajectories", None) is not None:  # a baseline
        columns = state_names(env.unwrapped.scene["robot"].joint_names)
        expert = trajectories and trajectories.transitions(columns, 1.0 / env.unwrapped.step_dt)
        settings["algorithm"]["expert"] = expert
    return settings


def rank(args: argparse.Namespace) -> int:
    """Number of this process among those that train together; 0 where it trains alone."""
    return int(os.environ["RANK"]) if getattr(args, "distributed", False) else 0
