# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/play.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

from isaaclab.app import add_launcher_args
from isaaclab_rl.entrypoints.common import add_common_play_args, run_playback, set_hydra_args
from isaaclab_tasks.utils import resolve_task_config, setup_preset_cli

from .common import require_num_envs, require_task, run_main, with_machine_settings
from .judge import judge
from .session import find_checkpoint, load_checkpoint, open_session


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; the rest is Isaac Lab's presets and overrides."""
    parser = argparse.ArgumentParser(description="Play a policy, film it beside its reference, and export it.")
    add_common_play_args(
        parser,
        agent_default="bro_cfg_entry_point",
        agent_help="Key of the agent's configuration in the task's registration.",
    )
    parser.add_argument("--reference", help="Video file or prepared folder; default: the task's embedded sketch.")
    parser.add_argument("--checkpoint", default="latest", help="A file, a run folder, 'latest' (default) or 'best'.")
    add_launcher_args(parser)
    return setup_preset_cli(parser, with_machine_settings(argv))


def run(argv: list[str]) -> None:
    """Judge the policy, write the video and the exports beside the checkpoint; with a viewer, go on playing."""
    args, rest = parse(argv)
    set_hydra_args(rest)
    task = require_task(args.task)
    require_num_envs(args.num_envs)
    env_cfg, agent_cfg = resolve_task_config(task, args.agent, play_mode=not args.train_env_cfg)
    if args.seed is not None:
        agent_cfg.seed = args.seed
    checkpoint = find_checkpoint(args.checkpoint, agent_cfg.experiment_name, task, args.agent)
    if args.reference is not None:
        env_cfg.commands.reference.path = str(Path(args.reference).expanduser().absolute())
    folder = checkpoint.parent
    print(f"[nil_ext] Checkpoint: {checkpoint}")
    with open_session(args, task, env_cfg, agent_cfg, None) as session:
        load_checkpoint(session, checkpoint)
        runner = session.runner
        policy = runner.get_inference_policy(device=session.env.device)
        runner.export_policy_to_jit(path=str(folder / "exported"), filename="policy.pt")
        runner.export_policy_to_onnx(path=str(folder / "exported"), filename="policy.onnx")
        print(f"[nil_ext] Exported policy.pt and policy.onnx to {folder / 'exported'}")
        video = judge(session, policy, folder / "videos" / "play", checkpoint.stem)
        print(f"[nil_ext] Video: {video}")
        if session.env.unwrapped.sim.visualizers:
            obs = session.env.get_observations()

            def step() -> None:
                nonlocal obs
                obs, _, dones, _ = session.env.step(policy(obs))
                policy.reset(dones)

            run_playback(step, dt=session.env.unwrapped.step_dt, args_cli=args, env_cfg=env_cfg)


def main() -> int:
    """Entry point of the script."""
    return run_main(run)
