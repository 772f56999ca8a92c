# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/train.py``."""

from __future__ import annotations

import argparse
import json
import sys

from isaaclab_rl.entrypoints.common import dump_train_configs, show_run_summary, startup_screen, write_run_manifest

from ..tasks.embedded import describe, load_reference
from .common import parse_args, resolve_cfgs, run_main
from .judge import judge
from .session import LIBRARY, find_checkpoint, load_checkpoint, open_session, run_folder


def run(argv: list[str]) -> int:
    """Train, evaluate, and say where everything is."""
    parser = argparse.ArgumentParser(description="Train a policy that imitates a reference video.")
    parser.add_argument("--reference", help="Video file or prepared folder; default: the task's embedded sketch.")
    parser.add_argument("--checkpoint", help="Go on from a checkpoint: a file, a run folder, 'latest' or 'best'.")
    parser.add_argument("--run_name", default="", help="Suffix of the run's log folder.")
    parser.add_argument("--max_iterations", type=int, help="End after so many iterations.")
    parser.add_argument("--max_minutes", type=float, help="End after so many minutes of training.")
    parser.add_argument("--no_evaluation", action="store_true", help="Skip the evaluation and the video at the end.")
    args = parse_args(parser, argv)
    task = args.task
    env_cfg, agent_cfg = resolve_cfgs(args, args.agent)
    for name in ("max_iterations", "max_minutes"):
        if getattr(args, name) is not None:
            setattr(agent_cfg, name, getattr(args, name))
    reference = load_reference(env_cfg.commands.reference.path, task, env_cfg.commands.reference.robot)
    print(f"[nil_ext] Reference: {describe(reference)}")
    checkpoint = (
        find_checkpoint(args.checkpoint, agent_cfg.experiment_name, task, args.agent) if args.checkpoint else None
    )
    with (
        run_folder(agent_cfg.experiment_name, args.run_name or agent_cfg.run_name) as log_dir,
        startup_screen(args, num_stages=2) as screen,
    ):
        show_run_summary(screen, args, env_cfg, library=LIBRARY, action="train")
        screen.stage("Launching simulation")
        with open_session(args, env_cfg, agent_cfg, log_dir) as session:
            if checkpoint is not None:
                load_checkpoint(session, checkpoint)
            source = reference.meta["source"]["kind"]
            encoder = session.reference.similarity.encoder.manifest()
            about = {
                "agent": args.agent,
                "reference": reference.digest,
                "source": source,
                "encoder": json.dumps(encoder),
            }
            print(f"[nil_ext] Encoder: {encoder['name']} ({encoder['reason']})")
            write_run_manifest(str(log_dir), library=LIBRARY, task=task, metadata=about)
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
