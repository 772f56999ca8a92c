# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Generated videos as references: first frame, candidates, preparation, ranking."""

from __future__ import annotations

import argparse
import pkgutil
import re
import shlex
import sys
import time
from datetime import datetime
from pathlib import Path

import gymnasium as gym

from ..errors import InputError
from ..files import require_writable
from ..reference.candidates import Clip, judge_clips, write_clip
from ..reference.first_frame import FirstFrame, default_prompt, frame_robot
from ..reference.generators.video_models import VideoModel, video_model
from ..reference.pipeline import Preparation
from ..reference.reference import Reference
from ..tasks.embedded import embedded_reference
from .common import simulation
from .own_robot import task_option
from .prepare_video import mocap_film, preparation, require_clips, require_loadable

WEB_SIZES = ((1280, 720), (720, 1280))
"""Widths and heights that web generators take [px]: 16:9 and 9:16."""


def generate_videos(args: argparse.Namespace, env_cfg) -> None:
    """Render the first frame and, unless only that is asked for, generate videos from it, prepare and rank them."""
    from ..reference.generators.model_folder import find_model

    model = None if args.generator == "sketch" else video_model(args.generator, args.model)
    prompt = _prompt(args)
    sizes = _sizes(args.size, model)
    output = _empty_folder(args)
    masks = embedded_reference(args.task).masks
    # what can be refused is refused before the simulator starts
    folder, settings = None, preparation(args)
    if not args.first_frame_only:
        require_loadable(settings)
        folder = find_model(model, args.model)
    robot = env_cfg.commands.reference.robot
    film = mocap_film(args, masks[0], robot)
    first = _film_first_frame(args, env_cfg, masks, sizes)
    first.save(output, prompt)
    height, width = first.mask.shape
    print(f"[nil_ext] First frame: {output / 'first_frame.png'} ({width}x{height}), its mask and prompt.txt beside it")
    print(f"[nil_ext] Prompt: {prompt}")
    if args.first_frame_only:
        _print_web_steps(args.task, output)
        return
    clips = _draw_candidates(args, model, folder, first, prompt, output)
    _judge(args, clips, masks[0], robot, output, settings, film)


def prepare_clips(args: argparse.Namespace, robot: str) -> None:
    """Prepare the user's own clips and rank them."""
    output = _empty_folder(args)
    require_clips(args.clips, args.fps)
    stems = [path.stem for path in args.clips]
    if len(set(stems)) < len(stems):
        raise InputError("--clips: two files have the same name; their folders would be one. Rename one of them.")
    clips, settings = [Clip(path, path.stem) for path in args.clips], preparation(args)
    require_loadable(settings)
    start_mask = embedded_reference(args.task).masks[0]
    film = mocap_film(args, start_mask, robot)
    _judge(args, clips, start_mask, robot, output, settings, film)


def _prompt(args: argparse.Namespace) -> str:
    if args.prompt is not None:
        return args.prompt
    return default_prompt(args.task, pkgutil.resolve_name(gym.spec(args.task).kwargs["robot_entry_point"]).noun)


def _sizes(size: str | None, model: VideoModel | None) -> tuple[tuple[int, int], ...]:
    """Widths and heights to choose from [px]."""
    if size is None:
        return model.sizes if model else WEB_SIZES
    match = re.fullmatch(r"(\d+)x(\d+)", size)
    width, height = map(int, match.groups()) if match else (0, 0)
    multiple = model.multiple if model else 2  # video files have even sides
    if not (32 <= width <= 4096 and 32 <= height <= 4096) or width % multiple or height % multiple:
        raise InputError(
            f"--size {size}: give width x height in multiples of {multiple} from 32 to 4096, e.g. "
            f"{'x'.join(map(str, (model.sizes if model else WEB_SIZES)[0]))}."
        )
    return ((width, height),)


def _empty_folder(args: argparse.Namespace) -> Path:
    """Where everything goes; a folder of its own."""
    kind = "first_frame" if args.first_frame_only else args.generator
    default = Path("logs") / "references" / args.task / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{kind}"
    output = args.output or default
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"--output '{output}' exists and is not empty: name another folder.")
    require_writable(output)
    return output


def _film_first_frame(args: argparse.Namespace, env_cfg, masks, sizes) -> FirstFrame:
    """Render e0 in a simulation that is closed again before the video model is loaded."""
    robot = pkgutil.resolve_name(gym.spec(args.task).kwargs["robot_entry_point"])
    with simulation(env_cfg, args):
        from ..tasks.first_frame import film_first_frame

        return film_first_frame(env_cfg, robot, frame_robot(masks, sizes))


def _print_web_steps(task: str, output: Path) -> None:
    """What to do with the first frame."""
    options = ("--generator", "file", "--clips", "a.mp4", "b.mp4", "--first_frame_mask")
    command = [sys.argv[0], *task_option(task), *options, str(output / "first_frame_mask.png")]
    print(
        "[nil_ext] Next, in an image-to-video service of your choice: give it this picture as the first frame and\n"
        "  this prompt; 5 s, the picture's own aspect ratio, no camera motion, no sound. Draw several; then\n"
        f"  {shlex.join(command)}\n"
        "  prepares and ranks them and says how to train."
    )


def _draw_candidates(
    args: argparse.Namespace, model: VideoModel, folder: Path, first: FirstFrame, prompt: str, output: Path
) -> list[Clip]:
    """Load the model once and draw every candidate; each is on disk before the next is begun."""
    from ..reference.generators.diffusion import Sampling, VideoDiffusion

    sampling = Sampling(
        prompt=prompt if model.prompted else "",
        steps=args.steps or model.steps,
        guidance=model.guidance if args.guidance is None else args.guidance,
    )
    if not model.prompted:
        print(f"[nil_ext] '{model.generator}' reads no prompt: the first frame alone says what is drawn.")
    start = time.perf_counter()
    diffusion = VideoDiffusion(model, folder, args.device)
    print(f"[nil_ext] Loaded {folder} in {time.perf_counter() - start:.0f} s, {diffusion.placement}.")
    count, clips = args.num_candidates or 4, []
    for number in range(count):
        seed = (args.seed or 0) + number
        start = time.perf_counter()
        frames = diffusion.sample(first, sampling, seed, f"candidate {number + 1} of {count}, seed {seed}")
        about = {**diffusion.manifest(), **vars(sampling), "seed": seed, "first_frame": first.digest}
        clips.append(write_clip(output / f"seed_{seed}.mp4", frames, model.rate, about, first.mask))
        print(f"[nil_ext] {clips[-1].path}: {len(frames)} frames in {time.perf_counter() - start:.0f} s")
    return clips


def _judge(
    args: argparse.Namespace,
    clips: list[Clip],
    start_mask,
    robot: str,
    output: Path,
    settings: Preparation,
    film: Reference | None,
) -> None:
    """Prepare and rank, and say how to train with the best.

    Raises:
        InputError: When none can be used.
    """
    best = judge_clips(clips, start_mask, args.task, robot, output, settings, film)
    train = [sys.argv[0].replace("generate.py", "train.py"), *task_option(args.task), "--reference", str(best)]
    print(f"[nil_ext] Best: {best}\n[nil_ext] Train: {shlex.join(train)}")
