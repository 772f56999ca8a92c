# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/play.py``."""

from __future__ import annotations

import argparse

from isaaclab_rl.entrypoints.common import run_playback

from .common import parse_args, resolve_cfgs, run_main
from .judge import judge
from .session import find_checkpoint, load_checkpoint, open_session


def run(argv: list[str]) -> None:
    """Judge the policy, write the video and the exports beside the checkpoint; with a viewer, go on playing."""
    parser = argparse.ArgumentParser(description="Play a policy, film it beside its reference, and export it.")
    parser.add_argument("--reference", help="Video file or prepared folder; default: the task's embedded sketch.")
    parser.add_argument("--checkpoint", default="latest", help="A file, a run folder, 'latest' (default) or 'best'.")
    parser.add_argument("--real-time", action="store_true", help="With a viewer: no faster than real time.")
    args = parse_args(parser, argv)
    env_cfg, agent_cfg = resolve_cfgs(args, args.agent, play_mode=True)
    checkpoint = find_checkpoint(args.checkpoint, agent_cfg.experiment_name, args.task, args.agent)
    folder = checkpoint.parent
    print(f"[nil_ext] Checkpoint: {checkpoint}")
    with open_session(args, env_cfg, agent_cfg, None) as session:
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
