# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/train.py``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import gymnasium as gym
import torch

from isaaclab.cli.multigpu import MultiGpuLauncherCfg, run_multigpu_cli
from isaaclab_rl.entrypoints.common import dump_train_configs, show_run_summary, startup_screen, write_run_manifest

from ..errors import InputError
from ..rl.imitation import Trajectories, load_trajectories
from ..rl.runners import OffPolicyRunner
from ..rl.runners.off_policy_runner import BEST_FILE
from ..tasks.embedded import describe, load_reference
from .checkpoints import find_checkpoint, load_checkpoint, require_fitting
from .common import is_baseline, parse_args, resolve_cfgs, run_main
from .judge import judge
from .lift import LiftWatch
from .own_robot import record_robot
from .recorded_run import warn_of_another_reference
from .run_folders import LIBRARY, run_folder
from .session import Session, open_session, rank

if TYPE_CHECKING:
    from ..reference import Reference
    from ..tasks.imitation_env_cfg import ImitationEnvCfg

_MOTION = {"tracking_root_vel": "speed", "tracking_joint_pos": "joint angles", "tracking_root_rot": "orientation"}
"""What users call what counts beside the video."""


def run(argv: list[str]) -> int:
    """Train, evaluate, and say where everything is."""
    parser = argparse.ArgumentParser(description="Train a policy that imitates a reference video.")
    parser.add_argument("--reference", help="Video file or prepared folder; default: the task's embedded sketch.")
    parser.add_argument(
        "--trajectories", help="An expert's, for the baselines: LocoMuJoCo's or recorded (.npz, folder)."
    )
    parser.add_argument("--checkpoint", help="Go on from a checkpoint: a file, a run folder, 'latest' or 'best'.")
    parser.add_argument("--run_name", default="", help="Suffix of the run's log folder.")
    parser.add_argument("--max_iterations", type=int, help="End after so many iterations.")
    parser.add_argument("--max_minutes", type=float, help="End after so many minutes of training.")
    parser.add_argument("--no_evaluation", action="store_true", help="Skip the evaluation and the video at the end.")
    parser.add_argument("--num_gpus", help="Train on so many GPUs of this machine, --num_envs environments on each.")
    parser.add_argument("--distributed", action="store_true", help="Set by --num_gpus for each of its processes.")
    parser.add_argument("--run_timestamp", help="Set by --num_gpus: begin of the run folder's name, which all share.")
    args = parse_args(parser, argv)
    if args.num_gpus and not args.distributed:
        return _launch_processes(argv)
    if args.distributed and not (torch.cuda.is_available() and "RANK" in os.environ and args.run_timestamp):
        raise InputError("--distributed is for processes that --num_gpus starts on CUDA devices: use that instead.")
    task = args.task
    env_cfg, agent_cfg = resolve_cfgs(args, args.agent)
    for name in ("max_iterations", "max_minutes"):
        if getattr(args, name) is not None:
            if not hasattr(agent_cfg, name):
                raise InputError(f"--{name}: agent '{args.agent}' has no such budget; use --max_iterations.")
            if name == "max_minutes" and "OffPolicyRunner" not in agent_cfg.class_name:
                raise InputError(f"--{name}: runner {agent_cfg.class_name} has no such budget; use --max_iterations.")
            setattr(agent_cfg, name, getattr(args, name))
    trajectories = _trajectories(args, env_cfg, agent_cfg)
    reference = load_reference(env_cfg.commands.reference, LiftWatch(), args.device)
    print(f"[nil_ext] Reference: {describe(reference)}")
    if env_cfg.imitates_video:
        _count_motion(env_cfg, reference, args)
    checkpoint = (
        find_checkpoint(args.checkpoint, agent_cfg.experiment_name, task, args.agent) if args.checkpoint else None
    )
    if checkpoint is not None:
        require_fitting(checkpoint, env_cfg, to_train=True)
        warn_of_another_reference(checkpoint, reference)
    with (
        run_folder(agent_cfg.experiment_name, args.run_name or agent_cfg.run_name, args.run_timestamp) as log_dir,
        startup_screen(args, num_stages=2) as screen,
    ):
        show_run_summary(screen, args, env_cfg, library=LIBRARY, action="train")
        screen.stage("Launching simulation")
        with open_session(args, env_cfg, agent_cfg, log_dir, trajectories) as session:
            if checkpoint is not None:
                load_checkpoint(session, checkpoint, to_train=True)
            source = reference.meta["source"]["kind"]
            encoder = session.reference.similarity.encoder.manifest()
            about = {
                "agent": args.agent,
                "reward": gym.spec(task).kwargs["reward"],
                "reference": reference.digest,
                "source": source,
                "encoder": json.dumps(encoder),
            }
            if trajectories is not None:
                about["trajectories"] = trajectories.digest
            print(f"[nil_ext] Encoder: {encoder['name']} ({encoder['reason']})")
            if rank(args) == 0:
                write_run_manifest(str(log_dir), library=LIBRARY, task=task, metadata=about)
                record_robot(task, log_dir)
                dump_train_configs(str(log_dir), env_cfg, agent_cfg)
            session.runner.add_git_repo_to_log(__file__)
            screen.close()
            print(f"[nil_ext] Logs: {log_dir}")
            # a cluster's SIGTERM is taken as Ctrl-C; OffPolicyRunner finishes its step first
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            try:
                session.runner.learn(agent_cfg.max_iterations, agent_cfg.init_at_random_ep_len)
            except KeyboardInterrupt:
                if rank(args) == 0:
                    _save_where_the_runner_does_not(session, log_dir)
                print(f"\n[nil_ext] Stopped and saved. To go on, add to the same command: --checkpoint {log_dir}")
                return 130
            best = _best_policy(args, log_dir)
            if not args.no_evaluation and rank(args) == 0:
                if best is not None:
                    _load_best(session, best)
                policy = session.runner.get_inference_policy(device=session.env.device)
                with contextlib.suppress(KeyboardInterrupt):  # what was trained is saved
                    video = judge(session, policy, log_dir / "evaluation", "final")
                    print(f"[nil_ext] Video: {video}")
    # the run folder remembers all but what chooses the machine's profile, backends and device
    machine = [token for token in sys.argv[1:] if token.partition("=")[0] in ("presets", "physics", "renderer")]
    if any(token.partition("=")[0] == "--device" for token in argv):
        machine += ["--device", args.device]
    keep = str(best or log_dir)
    play = [sys.executable, sys.argv[0].replace("train.py", "play.py"), "--task", task, "--checkpoint", keep]
    print(f"[nil_ext] Done. Play it: {shlex.join([*play, *machine])}")
    return 0


def _count_motion(env_cfg: ImitationEnvCfg, reference: Reference, args: argparse.Namespace) -> None:
    """Let the reference's motion count where it is known, and say what does.

    Raises:
        InputError: When it is not known and joint angles or orientation are asked for, which no profile does by itself;
            when several processes would follow it first.
    """
    if reference.motion is None:
        for name in ("joints_weight", "orientation_weight"):
            if weight := getattr(env_cfg, name):
                raise InputError(
                    f"env.{name}={weight:g} needs a reference with joint angles: lift the clip "
                    "(env.commands.reference.lift=true), or leave it out."
                )
        print("[nil_ext] Training by the video alone: the reference's motion is not known.")
        return
    if env_cfg.tracking_steps and args.distributed:
        # a curriculum is looked at when an episode ends, which each process does in its own time
        raise InputError("env.tracking_steps is for a single process: set it to 0 with --num_gpus.")
    env_cfg.count_motion()
    counts = " and ".join(["its video", *(_MOTION[name] for name in env_cfg.beside_video)])
    if env_cfg.tracking_steps:
        print(
            "[nil_ext] Training follows the reference's joint angles first, without filming, until episodes last "
            f"{env_cfg.tracking_until:.0%} of it or for {env_cfg.tracking_steps} steps, then {counts} "
            "(env.tracking_steps=0: from the first step on)."
        )
    else:
        print(f"[nil_ext] Training follows the reference by {counts} from the first step on.")


def _trajectories(args: argparse.Namespace, env_cfg, agent_cfg) -> Trajectories | None:
    """What a baseline learns from, read before anything starts; its path is kept in the agent's settings."""
    if not is_baseline(args.agent):
        if args.trajectories:
            raise InputError("--trajectories is for the baselines: choose --agent amp, gaifo or bco, or leave it out.")
        return None
    settings = agent_cfg.algorithm
    if args.trajectories:
        settings.trajectories = str(Path(args.trajectories).expanduser().absolute())
    if not settings.trajectories:
        raise InputError(
            f"--agent {args.agent.partition('_')[0]} learns from an expert: name its trajectories with --trajectories, "
            "a LocoMuJoCo file (.npz) or what scripts/play.py --record wrote."
        )
    trajectories = load_trajectories(settings.trajectories, env_cfg.commands.reference.robot)
    trajectories.require_rate(1.0 / (env_cfg.sim.dt * env_cfg.decimation))
    print(f"[nil_ext] Trajectories: {trajectories.describe()}")
    return trajectories


def _launch_processes(argv: list[str]) -> int:
    """Start this script once for each GPU through Isaac Lab's launcher, which watches over the processes."""
    script = os.path.abspath(sys.argv[0])
    cfg = MultiGpuLauncherCfg("train", "Train on several GPUs.", worker_script=script, supports_jax=False)
    return run_multigpu_cli([*argv, f"--run_timestamp={datetime.now().strftime('%Y-%m-%d_%H-%M-%S')}"], cfg)


def _best_policy(args: argparse.Namespace, log_dir: Path) -> Path | None:
    """The run's policy whose episodes earned most, which is not always the last; None where the last has to do.

    A baseline's best one is chosen by the Expert's reward, which it must not profit from.
    """
    best = log_dir / BEST_FILE
    return best if best.is_file() and not is_baseline(args.agent) else None


def _load_best(session: Session, best: Path) -> None:
    """Let the runner hold the best policy for the evaluation, and say which it is."""
    last = session.runner.alg.transitions
    load_checkpoint(session, best)
    print(
        f"[nil_ext] Evaluating {best.name}: the policy after {session.runner.alg.transitions} of {last} environment "
        "steps, whose episodes from e0 earned the most in training."
    )


def _save_where_the_runner_does_not(session: Session, log_dir: Path) -> None:
    """Save rsl_rl's own runner, which Ctrl-C ends without a checkpoint."""
    runner = session.runner
    if not isinstance(runner, OffPolicyRunner):
        runner.save(str(log_dir / f"model_{runner.current_learning_iteration}.pt"))


def main() -> int:
    """Entry point of the script."""
    return run_main(run)
