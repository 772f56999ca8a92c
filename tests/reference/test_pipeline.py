# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Whatever the user gives, as a reference or as one clear line."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nil_ext.errors import InputError
from nil_ext.reference import Reference, damages, pipeline, prepare, video
from nil_ext.reference.interpolators import make_interpolator
from nil_ext.reference.pipeline import Preparation
from nil_ext.reference.segmenters import SegmenterChoice

TASK = {"task": "NIL-Walker-Walk", "robot": "walker"}
LINEAR = Preparation(interpolator="linear")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def clip(tmp_path, walk):
    """Writes frames as a video file and gives its path."""

    def write(frames: np.ndarray | None = None, name: str = "clip.mp4", rate: float = 30.0):
        video.write_video(tmp_path / name, walk(45)[0] if frames is None else frames, rate)
        return tmp_path / name

    return write


def test_a_clip_becomes_a_reference(clip, start_mask, cache):
    reference = prepare(clip(), start_mask, cache_dir=cache, settings=LINEAR, **TASK)
    assert reference.masks.shape == (45, 96, 96) and reference.rate == 30.0
    assert reference.meta["robot"] == "walker" and reference.meta["source"]["kind"] == "file"
    assert reference.meta["quality"]["start_iou"] > 0.8
    assert reference.meta["quality"]["gait_period"] == pytest.approx(0.5, abs=0.03)
    assert (reference.frames[~reference.masks] == 255).all()


def test_the_cache_is_used_and_follows_content_and_settings(clip, start_mask, cache, monkeypatch):
    path = clip()
    first = prepare(path, start_mask, cache_dir=cache, settings=LINEAR, **TASK)
    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "decode_video", lambda *_: pytest.fail("the cache was not used"))
        assert prepare(path, start_mask, cache_dir=cache, settings=LINEAR, **TASK).digest == first.digest
    prepare(path, np.roll(start_mask, 2, axis=1), cache_dir=cache, settings=LINEAR, **TASK)
    prepare(path, start_mask, cache_dir=cache, settings=LINEAR, task="other", robot="walker")
    clip(video.decode_video(path)[0][5:])  # the same name, another content
    assert len(prepare(path, start_mask, cache_dir=cache, settings=LINEAR, **TASK)) == 40
    assert len(list(cache.iterdir())) == 4


def test_the_cache_follows_the_content_of_files_that_are_named(clip, start_mask, cache, tmp_path):
    path = clip()
    for option in ("rife_weights", "sam2_model", "sam2_config"):
        file = tmp_path / option
        folders = set()
        for content in ("one", "other", "one"):
            file.write_text(content)
            segmenter = {} if option == "rife_weights" else {"segmenter": SegmenterChoice(**{option: str(file)})}
            weights = {"rife_weights": str(file)} if option == "rife_weights" else {}
            settings = Preparation(**segmenter, **weights)
            folders.add(pipeline._cache_folder(path, start_mask, **TASK, settings=settings, cache_dir=cache))
        assert len(folders) == 2, option


def test_a_very_long_name_fits_into_the_cache(clip, start_mask, cache):
    path = clip().rename(cache.parent / f"{'ä' * 125}.mp4")  # 254 bytes, of 255 that a name may have
    prepare(path, start_mask, cache_dir=cache, settings=LINEAR, **TASK)
    [folder] = cache.iterdir()
    assert folder.name.startswith("ä" * 50 + "-")


def test_a_damaged_cache_is_made_again(clip, start_mask, cache):
    path = clip()
    digest = prepare(path, start_mask, cache_dir=cache, settings=LINEAR, **TASK).digest
    (folder,) = cache.iterdir()
    (folder / "masks.npz").write_bytes(b"damage")
    assert prepare(path, start_mask, cache_dir=cache, settings=LINEAR, **TASK).digest == digest
    assert list(cache.iterdir()) == [folder] and Reference.load(folder).digest == digest


def test_the_users_cache_is_the_default(clip, start_mask, tmp_path, monkeypatch):
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path / "mine"))
    prepare(clip(), start_mask, settings=LINEAR, **TASK)
    assert len(list((tmp_path / "mine" / "references").iterdir())) == 1


def test_a_prepared_folder_is_taken_as_it_is(clip, start_mask, cache, tmp_path):
    made = prepare(clip(), start_mask, cache_dir=cache, settings=LINEAR, **TASK)
    folder = made.save(tmp_path / "mine")
    assert prepare(folder, start_mask, **TASK).digest == made.digest
    with pytest.raises(InputError, match="made for walker"):
        prepare(folder, start_mask, task="NIL-H1-Walk", robot="h1")
    with pytest.raises(InputError, match="task's camera"):
        prepare(folder, np.zeros((64, 64), dtype=bool), **TASK)
    with pytest.raises(InputError, match="holds neither a reference"):
        prepare(tmp_path, start_mask, **TASK)


def test_a_variable_rate_comes_out_even(walk):
    frames, masks = walk(20)
    times = np.arange(20) / 30.0
    times[10:] += 0.1  # three frames are missing: the legs pass through the gap
    view = pipeline._View(frames, masks, None, {}, None)
    even_frames, even_masks, rate = pipeline._at_rate(view, times, 30.0, LINEAR, make_interpolator("linear"))
    assert len(even_masks) == 23 and rate == 30.0
    np.testing.assert_array_equal(even_masks[:10], masks[:10])
    np.testing.assert_array_equal(even_masks[13:], masks[10:])
    assert even_frames.shape[0] == 23


def test_times_in_the_report_are_the_clips_own(clip, walk, start_mask, monkeypatch):
    """A clip that begins at 60 Hz and goes on at 30 Hz, with a hard cut; then one that stands still."""
    times = np.append(np.arange(40) / 60, 40 / 60 + np.arange(80) / 30)

    def judged(frames, **settings) -> Reference:
        monkeypatch.setattr(pipeline, "decode_video", lambda _: (frames, times[: len(frames)]))
        settings = dataclasses.replace(LINEAR, **settings)
        return pipeline.prepare_clip(clip(), start_mask, settings=settings, refuse=False, **TASK)

    frames, masks = walk(120)
    broken = damages.cut(frames, masks)
    report = judged(broken).meta["quality"]
    assert report["cuts"] == [times[60]]  # 1.33 s; at the median rate it would be 2.00 s
    assert report["best_fit_at"] in times
    offered = report["offered_trim"]
    assert (offered["end"], offered["reasons"][0]) == (times[112], "hard cut") and offered["start"] >= times[60]
    trimmed = judged(broken, trim="auto")
    assert trimmed.meta["quality"]["cuts"] == []
    frozen = judged(damages.frozen(frames[:75], masks)).meta["quality"]
    # frames 37 to 52 are one
    assert frozen["frozen_from"] == times[38] and frozen["frozen_for"] == pytest.approx(times[52] - times[37])


@pytest.mark.parametrize(
    ("settings", "rate", "length"),
    [
        (Preparation(), 120.0, 4 * 11 + 1),  # the paper: four times the clip's
        (Preparation(rate=100.0), 100.0, 37),  # 11/30 s hold 36.7 ticks
        (Preparation(interpolator="linear", rate=45.0), 45.0, 17),
    ],
)
def test_the_reference_has_the_rate_that_was_asked_for(settings, rate, length, clip, walk, start_mask):
    path = clip(walk(12)[0])
    settings = dataclasses.replace(settings, trim="no")
    reference = pipeline.prepare_clip(path, start_mask, settings=settings, refuse=False, **TASK)
    assert (reference.rate, len(reference)) == (rate, length)
    assert reference.meta["interpolator"]["name"] == settings.interpolator
    source = pipeline.prepare_clip(path, start_mask, settings=LINEAR, refuse=False, **TASK)
    if rate == 120.0:
        np.testing.assert_array_equal(reference.masks[::4], source.masks)


def test_a_mirrored_clip_is_turned_where_that_is_asked_for(clip, walk, start_mask):
    frames, _ = walk(30)
    path = clip(np.ascontiguousarray(frames[:, :, ::-1]), "mirror.mp4")
    with pytest.raises(InputError, match="--flip yes"):
        pipeline.prepare_clip(path, start_mask, settings=LINEAR, **TASK)
    straight = pipeline.prepare_clip(clip(frames), start_mask, settings=LINEAR, **TASK)
    for choice in ("auto", "yes"):
        settings = dataclasses.replace(LINEAR, flip=choice)
        turned = pipeline.prepare_clip(path, start_mask, settings=settings, **TASK)
        assert turned.meta["flip"] == {"choice": choice, "applied": True}
        overlap = (turned.masks & straight.masks).sum() / (turned.masks | straight.masks).sum()
        assert overlap > 0.93  # the video's compression sees another picture
    auto = pipeline.prepare_clip(clip(frames), start_mask, settings=dataclasses.replace(LINEAR, flip="auto"), **TASK)
    assert not auto.meta["flip"]["applied"] and auto.digest == straight.digest


def test_a_part_of_a_clip_is_used(clip, walk, start_mask):
    path = clip(walk(45)[0])
    cut = pipeline.prepare_clip(path, start_mask, settings=dataclasses.replace(LINEAR, trim="0.5:1.2"), **TASK)
    assert len(cut) == 22 and cut.meta["trim"]["applied"] == [0.5, 1.2]
    for open_end in ("0.5:", "0.5:9"):
        rest = pipeline.prepare_clip(path, start_mask, settings=dataclasses.replace(LINEAR, trim=open_end), **TASK)
        assert len(rest) == 30 and rest.meta["trim"]["applied"] == [0.5, pytest.approx(44 / 30, abs=1e-3)]
    with pytest.raises(InputError, match="--trim leaves 4 frames"):
        pipeline.prepare_clip(path, start_mask, settings=dataclasses.replace(LINEAR, trim="0.5:0.6"), **TASK)


@pytest.mark.parametrize("what", ["nothing", "cut"])
def test_what_trim_leaves_out_is_not_judged(what, clip, walk, start_mask):
    """Ten frames at the end, of 45, would have the whole clip refused; a part is taken at the file's own times."""
    frames, _ = walk(45)
    if what == "nothing":
        frames[-10:] = 251
        frames[0] = 251  # the robot comes with the second frame
    else:
        frames[-10:] = np.roll(frames[-10:], 45, axis=2)
    path, part = clip(frames), dataclasses.replace(LINEAR, trim="0.2:1.0")
    with pytest.raises(InputError):
        pipeline.prepare_clip(path, start_mask, settings=LINEAR, **TASK)
    reference = pipeline.prepare_clip(path, start_mask, settings=part, **TASK)
    report, whole = reference.meta["quality"], walk(45)[0]
    assert (report["cut_frames"], report["empty_frames"], report["second_figure"]) == (0.0, 0.0, 0.0)
    straight = pipeline.prepare_clip(clip(whole[6:31], "part.mp4"), start_mask, settings=LINEAR, **TASK)
    assert len(reference) == len(straight) == 25
    assert (reference.masks & straight.masks).sum() / (reference.masks | straight.masks).sum() > 0.97


def test_times_of_the_report_count_from_the_files_first_frame(clip, walk, start_mask):
    """Also where the robot comes later: they are what --trim takes."""
    frames, masks = walk(120)
    frames = damages.cut(frames, masks)
    frames[:2] = 251
    cut = pipeline.prepare_clip(clip(frames), start_mask, settings=LINEAR, refuse=False, **TASK)
    assert cut.meta["quality"]["cuts"] == [pytest.approx(2.0, abs=1e-3)]
    offered = cut.meta["quality"]["offered_trim"]
    part = dataclasses.replace(LINEAR, trim=f"{offered['start']:.2f}:{offered['end']:.2f}")
    trimmed = pipeline.prepare_clip(clip(frames), start_mask, settings=part, **TASK)
    assert trimmed.meta["quality"]["cuts"] == []


def test_the_interpolator_is_loaded_once_and_before_the_clip(clip, start_mask, cache, monkeypatch):
    made = []

    def make(*arguments):
        made.append(arguments)
        return make_interpolator("linear")

    monkeypatch.setattr(pipeline, "make_interpolator", make)
    path = clip()
    for _ in range(2):  # the second time from the cache
        prepare(path, start_mask, cache_dir=cache, settings=Preparation(device="cpu"), **TASK)
    assert made == [("rife", None, "cpu")]
    monkeypatch.undo()
    monkeypatch.setattr(pipeline, "decode_video", lambda _: pytest.fail("the clip was decoded"))
    with pytest.raises(InputError, match="No such RIFE weights"):
        pipeline.prepare_clip(path, start_mask, settings=Preparation(rife_weights="gone.pkl"), **TASK)


def two_robots(frames, masks):
    return np.concatenate([frames, frames], axis=2)


def cut_off(frames, masks):
    return frames[:, :-30]


def upside_down(frames, masks):
    return frames[:, ::-1]


def mirrored(frames, masks):
    return frames[:, :, ::-1]


def lying(frames, masks):
    return np.rot90(frames, axes=(1, 2))


def all_white(frames, masks):
    return np.full_like(frames, 255)


def one_frame(frames, masks):
    return frames[:1]


def frozen(frames, masks):
    return frames[:1].repeat(len(frames), axis=0)


def busy(frames, masks):
    return np.random.default_rng(0).integers(0, 256, frames.shape).astype(np.uint8)


def approaching(frames, masks):
    import cv2

    wide = np.pad(frames, ((0, 0), (200, 10), (150, 150), (0, 0)), constant_values=251)
    size = wide.shape[2], wide.shape[1]
    zooms = np.linspace(0.3, 1.0, len(wide))
    shrunk = [cv2.warpAffine(f, np.array([[z, 0, 210 * (1 - z)], [0, z, 360 * (1 - z)]]), size,
                             borderValue=(251, 251, 251)) for f, z in zip(wide, zooms, strict=True)]  # fmt: skip
    return np.stack(shrunk)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (two_robots, "second figure"),
        (cut_off, "cuts the robot"),
        (upside_down, "upside down"),
        (mirrored, "faces left"),
        (lying, "lying"),
        (all_white, "no robot"),
        (one_frame, "1 frame:"),
        (busy, "not plain"),
        (frozen, "stands still"),
        (approaching, "leaves the camera"),
    ],
)
def test_what_cannot_be_imitated_is_refused_in_one_line(spoil, reason, clip, walk, start_mask, cache):
    path = clip(np.ascontiguousarray(spoil(*walk(45))))
    with pytest.raises(InputError, match=reason) as caught:
        prepare(path, start_mask, cache_dir=cache, settings=LINEAR, **TASK)
    message = str(caught.value)
    assert "\n" not in message and "clip.mp4" in message
    assert not cache.exists() or list(cache.iterdir()) == []


def test_files_that_are_no_video_are_refused(tmp_path, start_mask, cache):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "notes.txt").write_text("walk forward")
    for name, reason in {"absent.mp4": "No such reference", "empty.mp4": "empty", "notes.txt": "not a video"}.items():
        with pytest.raises(InputError, match=reason):
            prepare(tmp_path / name, start_mask, cache_dir=cache, settings=LINEAR, **TASK)
    assert not cache.exists()


def test_an_unwritable_cache_is_one_line(clip, start_mask, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write"):
        prepare(clip(), start_mask, cache_dir=tmp_path / "file" / "cache", settings=LINEAR, **TASK)


@pytest.mark.parametrize("robot", ["h1", "g1", "talos", "a1"])
def test_real_clips_are_usable(shared, robot, cache):
    path = shared / "references" / f"{robot}_walk.mp4"
    start = first_frame_in_camera(path)
    reference = prepare(path, start, task=f"NIL-{robot}-Walk", robot=robot, cache_dir=cache, settings=LINEAR)
    numbers = reference.meta["quality"]
    assert reference.masks.shape == (150, 224, 224) and reference.rate == 30.0
    assert numbers["start_iou"] > 0.8 and 0.85 < numbers["area"] < 1.2 and numbers["kept"] > 0.98
    assert numbers["components"] < 1.5
    # README of the clips: seconds between steps, for the A1 between strides.
    steps = {"h1": 0.51, "g1": 0.46, "talos": 0.63, "a1": 1.0}
    assert numbers["gait_period"] == pytest.approx(steps[robot], rel=0.06)


def first_frame_in_camera(path) -> np.ndarray:
    """A start mask for a clip without a simulator: its own first frame, four fifths of the camera's height."""
    from nil_ext.reference import alignment
    from nil_ext.reference.segmenters import background

    frames, _ = video.decode_video(path)
    mask = background.segment(frames[:1]).masks[0]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    scale = 0.8 * 224 / max(np.ptp(rows) + 1, np.ptp(columns) + 1)
    shift_x = np.array([112 - scale * alignment.trunk_x(mask)])
    fit = alignment.Alignment(np.array([scale]), shift_x, np.array([0.9 * 224 - scale * (rows[-1] + 1)]), 0.0)
    return alignment.apply(fit, frames[:1], mask[None], 224)[1][0]
