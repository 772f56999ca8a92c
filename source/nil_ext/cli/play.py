# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/play.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

from isaaclab.envs.utils.video_recorder_cfg import VideoRecorderCfg
from isaaclab_rl.entrypoints.common import add_video_args, apply_video_recording, video_playback_steps

from ..errors import InputError
from ..tasks.embedded import describe
from .checkpoints import find_checkpoint, load_checkpoint, output_folder, require_fitting, with_shipped_profile
from .common import parse_args, resolve_cfgs, run_main
from .export import export_policy
from .judge import judge
from .record import record_rollouts, require_nothing_else, rollouts_file
from .recorded_run import RecordedRun, default_selector
from .session import open_session
from .viewers import show, viewer_cfgs


def run(argv: list[str]) -> None:
    """Export the policy, then judge and film it beside its reference; with a viewer or ``--video``, play it instead."""
    parser = argparse.ArgumentParser(
        description="Export a policy and judge it beside its reference; with --viz or --video, play it instead."
    )
    parser.add_argument("--reference", help="Another video or prepared folder than the run's own reference.")
    parser.add_argument(
        "--checkpoint",
        help="A file, a run folder, 'latest' or 'best'; default: the policy that comes with the task, else 'latest'.",
    )
    parser.add_argument(
        "--steps",
        type=int,
        help="With --viz or --video: end after so many control steps; default: at Ctrl-C.",
    )
    parser.add_argument("--follow", type=int, help="With --viz: number of the robot that the camera follows (0).")
    parser.add_argument(
        "--record",
        type=Path,
        help="Write an episode of each robot as trajectories (.npz, or a folder); with --viz rerun or viser what it "
        "shows (.rrd, .viser).",
    )
    parser.add_argument("--real-time", action="store_true", help="With --viz or --video: no faster than real time.")
    add_video_args(parser, action="play")
    argv = with_shipped_profile(argv)
    args = parse_args(parser, argv, num_envs="the profile's, at most 4")
    env_cfg, agent_cfg = resolve_cfgs(args, args.agent, play_mode=True)
    _require_sensible(args, env_cfg)
    selector = args.checkpoint or default_selector(args)
    checkpoint = find_checkpoint(selector, agent_cfg.experiment_name, args.task, args.agent)
    recorded = RecordedRun.of(checkpoint, args.task)
    env_cfg, agent_cfg = recorded.resolve(args, argv, play_mode=True)
    folder = output_folder(checkpoint, args.task)
    print(f"[nil_ext] Checkpoint: {checkpoint}")
    playing = bool(args.visualizer) or args.video
    rollouts = rollouts_file(args.record, args.task)
    require_nothing_else(rollouts, playing)
    env_cfg.sim.visualizer_cfgs = viewer_cfgs(args.visualizer or [], None if rollouts else args.record)
    if args.video:
        env_cfg.video_recorders = [VideoRecorderCfg(source=_video_source(args.visualizer or []))]
        apply_video_recording(env_cfg, str(folder), args, subdir="play", checkpoint_path=str(checkpoint))
    require_fitting(checkpoint, env_cfg)
    reference = recorded.reference(env_cfg, bool(args.reference), args.device)
    print(f"[nil_ext] Reference: {describe(reference)}")
    with open_session(args, env_cfg, agent_cfg, None) as session:
        load_checkpoint(session, checkpoint)
        policy = session.runner.get_inference_policy(device=session.env.device)
        export_policy(session, folder / "exported")
        print(f"[nil_ext] Exported policy.pt and policy.onnx to {folder / 'exported'}")
        if rollouts is not None:
            record_rollouts(session, policy, rollouts)
        elif playing:
            steps = args.steps if args.steps is not None else video_playback_steps(args, env_cfg)
            show(session, policy, steps, real_time=args.real_time, follow=args.follow or 0)
        else:
            video = judge(session, policy, folder / "videos" / "play", checkpoint.stem)
            print(f"[nil_ext] Video: {video}")


def _require_sensible(args: argparse.Namespace, env_cfg) -> None:
    num_envs = args.num_envs or env_cfg.scene.num_envs
    if args.steps is not None and args.steps < 1:
        raise InputError(f"--steps {args.steps} plays nothing: give at least 1.")
    if args.follow is not None and not 0 <= args.follow < num_envs:
        raise InputError(f"--follow {args.follow}: the {num_envs} robots have numbers from 0 to {num_envs - 1}.")
    playing = bool(args.visualizer) or args.video
    for option, given, useful, remedy in (
        ("steps", args.steps is not None, playing, "--viz or --video"),
        ("real-time", args.real_time, playing, "--viz or --video"),
        ("follow", args.follow is not None, bool(args.visualizer), "--viz"),
    ):
        if given and not useful:
            raise InputError(f"--{option} is for playing, which nothing asks for here: add {remedy}, or leave it out.")


def _video_source(viewers: list[str]) -> str:
    """What ``--video`` films: a chosen viewer's window, else the task's own camera; never Kit by surprise."""
    windows = [name for name in viewers if name in ("newton_gl", "newton_rtx", "kit")]
    return f"visualizer:{windows[0]}" if windows else "sensor:camera"


def main() -> int:
    """Entry point of the script."""
    return run_main(run)
