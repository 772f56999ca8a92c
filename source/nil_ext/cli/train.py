# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/train.py``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from isaaclab.app import add_launcher_args
from isaaclab_rl.entrypoints.common import (
    add_common_train_args,
    dump_train_configs,
    set_hydra_args,
    show_run_summary,
    startup_screen,
    write_run_manifest,
)
from isaaclab_tasks.utils import resolve_task_config, setup_preset_cli

from ..tasks.embedded import describe, load_reference
from .common import require_num_envs, require_task, run_main, with_machine_settings
from .judge import judge
from .session import LIBRARY, find_checkpoint, load_checkpoint, new_log_dir, open_session


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; the rest is Isaac Lab's presets and overrides."""
    parser = argparse.ArgumentParser(description="Train a policy that imitates a reference video.")
    add_common_train_args(
        parser,
        agent_default="bro_cfg_entry_point",
        agent_help="Key of the agent's configuration in the task's registration.",
        include_distributed=False,
    )
    parser.add_argument("--reference", help="Video file or prepared folder; default: the task's embedded sketch.")
    parser.add_argument("--checkpoint", help="Go on from a checkpoint: a file, a run folder, 'latest' or 'best'.")
    parser.add_argument("--run_name", default="", help="Suffix of the run's log folder.")
    parser.add_argument("--max_minutes", type=float, help="End after so many minutes of training.")
    parser.add_argument("--no_evaluation", action="store_true", help="Skip the evaluation and the video at the end.")
    add_launcher_args(parser)
    return setup_preset_cli(parser, with_machine_settings(argv))


def run(argv: list[str]) -> int:
    """Train, evaluate, and say where everything is."""
    args, rest = parse(argv)
    set_hydra_args(rest)
    task = require_task(args.task)
    require_num_envs(args.num_envs)
    env_cfg, agent_cfg = resolve_task_config(task, args.agent)
    for name, value in (
        ("seed", args.seed),
        ("max_iterations", args.max_iterations),
        ("max_minutes", args.max_minutes),
    ):
        if value is not None:
            setattr(agent_cfg, name, value)
    if args.reference is not None:
        env_cfg.commands.reference.path = str(Path(args.reference).expanduser().absolute())
    reference = load_reference(env_cfg.commands.reference.path, task, env_cfg.commands.reference.robot)
    print(f"[nil_ext] Reference: {describe(reference)}")
    checkpoint = (
        find_checkpoint(args.checkpoint, agent_cfg.experiment_name, task, args.agent) if args.checkpoint else None
    )
    log_dir = new_log_dir(agent_cfg.experiment_name, args.run_name or agent_cfg.run_name)

    with startup_screen(args, num_stages=2) as screen:
        show_run_summary(screen, args, env_cfg, library=LIBRARY, action="train")
        screen.stage("Launching simulation")
        with open_session(args, task, env_cfg, agent_cfg, log_dir) as session:
            if checkpoint is not None:
                load_checkpoint(session, checkpoint)
            write_run_manifest(
                str(log_dir),
                library=LIBRARY,
                task=task,
                metadata={
                    "agent": args.agent,
                    "reference": reference.digest,
                    "source": reference.meta["source"]["kind"],
                },
            )
            dump_train_configs(str(log_dir), env_cfg, agent_cfg)
            session.runner.add_git_repo_to_log(__file__)
            screen.close()
            print(f"[nil_ext] Logs: {log_dir}")
            try:
                session.runner.learn(agent_cfg.max_iterations, agent_cfg.init_at_random_ep_len)
            except KeyboardInterrupt:
                print(f"\n[nil_ext] Stopped and saved. To go on, add to the same command: --checkpoint {log_dir}")
                return 130
            if not args.no_evaluation:
                policy = session.runner.get_inference_policy(device=session.env.device)
                video = judge(session, policy, log_dir / "evaluation", "final")
                print(f"[nil_ext] Video: {video}")
    print(f"[nil_ext] Done. Play it: {sys.argv[0].replace('train.py', 'play.py')} --task {task} --checkpoint {log_dir}")
    return 0


def main() -> int:
    """Entry point of the script."""
    return run_main(run)
