# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/generate.py``: make a reference."""

from __future__ import annotations

import argparse
import pkgutil
from pathlib import Path

import gymnasium as gym

from ..errors import InputError
from ..reference import Reference
from ..reference.generators.video_models import GENERATORS
from ..reference.reference import is_reference, require_place
from ..reference.segmenters import SEGMENTERS
from ..tasks.embedded import START_POSE, reference_folder, wanted_view
from ..tasks.first_frame import stand
from .common import parse_args, resolve_cfgs, run_main, simulation
from .lift import add_lift_args, lift_video
from .prepare_video import OPTIONS as VIDEO_OPTIONS
from .prepare_video import add_video_args, prepare_video

SIZE = 224
"""Side of a reference's pictures [px]: the input of the paper's encoder."""

RATE = 50.0
"""Frames per second of a sketch [Hz]."""

_MODELS = set(GENERATORS)
_USED_BY = {
    "duration": {"sketch"},
    "mocap": {"mocap"},
    "clips": {"file"},
    "first_frame_mask": {"file", "video"},
    "size": _MODELS | {"first_frame"},
    "prompt": _MODELS | {"first_frame"},
    **dict.fromkeys(("model", "seed", "num_candidates", "steps", "guidance"), _MODELS),
    **dict.fromkeys(("segmenter", "sam2_model", "sam2_config"), _MODELS | {"file", "video"}),
    **dict.fromkeys(VIDEO_OPTIONS, _MODELS | {"file", "video"}),
    "fps": {"file", "video"},
    "profile": {"video"},
    "lift": {"video"},
    "export": {"video"},
}
"""What each option is for: a generator, ``--first_frame_only`` or ``--video``."""

_OPTION = {"first_frame": "--first_frame_only", "video": "--video"}


def run(argv: list[str]) -> int | None:
    """Make a reference: draw the task's sketch, or generate videos, or prepare given ones, and rank them."""
    args = parse_args(_parser(), argv, agent=False)
    _require_fitting_options(args)
    env_cfg, _ = resolve_cfgs(args, "bro_cfg_entry_point")
    env_cfg.sim.device = args.device
    view = wanted_view(env_cfg.commands.reference)
    if any(view) and (args.lift or args.video or args.first_frame_only or args.generator != "sketch"):
        raise InputError(
            "camera_azimuth and camera_elevation are for sketches, clips show the robot from the side: leave them out."
        )
    if args.lift:
        return lift_video(args, env_cfg.commands.reference.robot)
    if args.video is not None:
        return prepare_video(args, env_cfg.commands.reference.robot)
    if args.first_frame_only or args.generator in _MODELS:
        from .generate_videos import generate_videos

        generate_videos(args, env_cfg)
    elif args.generator == "file":
        from .generate_videos import prepare_clips

        prepare_clips(args, env_cfg.commands.reference.robot)
    elif args.generator == "mocap":
        from .mocap_film import film_mocap

        film_mocap(args, env_cfg, SIZE)
    else:
        _make_sketch(args, env_cfg)
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Make a reference: a sketch of the skill, filmed in simulation, or a generated video."
    )
    parser.add_argument(
        "--generator",
        choices=["sketch", "mocap", "file", *GENERATORS],
        default="sketch",
        help="Where the reference comes from: the task's sketch, your own clips, or a video model; mocap: a film of "
        "motion capture, to hold clips against (--mocap_render).",
    )
    parser.add_argument("--output", type=Path, help="Folder to write; default: the task's embedded reference, or logs.")
    parser.add_argument("--duration", type=float, help="Length of a sketch [s]; default: the task's episode.")
    parser.add_argument(
        "--first_frame_only", action="store_true", help="Save the first frame and the prompt for a web generator; stop."
    )
    parser.add_argument("--size", help="Width x height of the video, e.g. 832x480; default: the video model's.")
    parser.add_argument("--prompt", help="What the video shows; default: the paper's prompt for this robot and skill.")
    parser.add_argument("--model", help="Folder or hub id of the video model's weights; default: the generator's own.")
    parser.add_argument("--seed", type=int, help="Seed of the first candidate; each next one adds 1. Default: 0.")
    parser.add_argument("--num_candidates", type=int, help="Videos to draw, judge and rank. Default: 4.")
    parser.add_argument("--steps", type=int, help="Denoising steps; default: the video model's.")
    parser.add_argument("--guidance", type=float, help="Guidance scale; default: the video model's.")
    parser.add_argument("--clips", type=Path, nargs="+", help="Videos to prepare and rank, with --generator file.")
    parser.add_argument("--mocap", type=Path, help="LocoMuJoCo's trajectory (.npz) to film, with --generator mocap.")
    parser.add_argument("--first_frame_mask", type=Path, help="White where the clips' first frame shows the robot.")
    parser.add_argument(
        "--segmenter",
        choices=SEGMENTERS,
        help="What cuts the robot out; auto (default): SAM2 on busy backgrounds.",
    )
    parser.add_argument("--sam2_model", help="SAM2's weights: a .pt file or a hub id. Default: sam2.1-hiera-small.")
    parser.add_argument("--sam2_config", help="SAM2's configuration, where the weights' name does not tell it.")
    add_video_args(parser)
    add_lift_args(parser)
    return parser


def _require_fitting_options(args: argparse.Namespace) -> None:
    """Refuse what does not go together, and numbers that make no sense."""
    use = "video" if args.video is not None else "first_frame" if args.first_frame_only else args.generator
    if args.video is not None and (args.first_frame_only or args.generator != "sketch"):
        raise InputError("--video prepares a clip that is there: leave --generator and --first_frame_only out.")
    if args.first_frame_only and args.generator in ("file", "mocap"):
        others = f"leave --generator {args.generator} out"
        raise InputError(f"--first_frame_only makes the picture that clips are drawn from: {others}.")
    if args.generator == "mocap" and args.mocap is None:
        raise InputError("--generator mocap: name the trajectory (.npz) with --mocap.")
    for option, uses in _USED_BY.items():
        if getattr(args, option, None) is not None and use not in uses:
            others = " or ".join(sorted(_OPTION.get(name, f"--generator {name}") for name in uses))
            raise InputError(f"--{option} is not used here: it goes with {others}.")
    if args.duration is not None and args.duration <= 0.0:
        raise InputError(f"--duration {args.duration:g}: give a length above 0 s.")
    for option, least in (("seed", 0), ("num_candidates", 1), ("steps", 1), ("guidance", 0.0)):
        value = getattr(args, option)
        if value is not None and value < least:
            raise InputError(f"--{option} {value:g}: give at least {least:g}.")
    if args.export and not args.lift:
        raise InputError("--export writes the motion that --lift finds: add --lift.")
    if args.lift and is_reference(args.video):
        given = {option for option in _USED_BY if getattr(args, option, None) is not None} - {"lift", "export"}
        if given:
            raise InputError(
                f"--{min(given)} is for preparing a clip, and '{args.video}' is prepared already: give the clip that "
                "it was made of with --video."
            )
    if args.generator == "file" and not args.clips:
        raise InputError("--generator file: name the videos with --clips.")


def _make_sketch(args: argparse.Namespace, env_cfg) -> None:
    """Draw the task's sketch and save it as a reference folder."""
    output = _free_folder(args.output, reference_folder(args.task))
    with simulation(env_cfg, args):
        reference = draw_sketch(args.task, env_cfg, args.duration or env_cfg.episode_length_s)
    reference.save(output)
    kind = reference.meta["source"]["kind"].capitalize()
    print(f"[nil_ext] {kind} of {args.task}: {len(reference)} frames at {reference.rate:g} Hz in {output}")


def _free_folder(output: Path | None, embedded: Path) -> Path:
    """Where to write; the task's embedded reference is made where it is missing, and replaced only by name."""
    if output is None and embedded.exists():
        raise InputError(f"'{embedded}' exists already: name a folder with --output (this one, to replace it).")
    output = output or embedded
    require_place(output)
    return output


def draw_sketch(task: str, env_cfg, duration: float) -> Reference:
    """Film the task's procedural gait, or only its start pose where it has none; call inside a launched simulation.

    Args:
        task: gym id of the task.
        env_cfg: its resolved configuration.
        duration: length [s].
    """
    from ..tasks.playback import film_motion

    entry_point = gym.spec(task).kwargs.get("sketch_entry_point")
    about = {"task": task, "robot": env_cfg.commands.reference.robot}
    view = wanted_view(env_cfg.commands.reference)
    if any(view):
        about["view"] = list(view)
    if entry_point is None:
        robot = pkgutil.resolve_name(gym.spec(task).kwargs["robot_entry_point"])
        motion, frames, masks = film_motion(env_cfg, lambda default: stand(robot, default), SIZE, batch=1, view=view)
        motion, about["source"] = None, {"kind": START_POSE}
    else:
        sketch = pkgutil.resolve_name(entry_point)
        motion, frames, masks = film_motion(
            env_cfg, lambda default: sketch.motion(default, duration, RATE), SIZE, view=view
        )
        about["source"] = {
            "kind": "sketch",
            "gait": entry_point,
            "speed": sketch.speed,
            "stride_time": sketch.stride_time,
        }
    frames[~masks] = 255
    return Reference(frames, masks, RATE, about, motion)


def main() -> int:
    """Entry point of the script."""
    return run_main(run)
