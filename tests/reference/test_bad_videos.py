# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Files that users have: each works, or is refused in one line."""

from __future__ import annotations

import os
import subprocess
import sys

import av
import numpy as np
import pytest

from nil_ext.errors import InputError
from nil_ext.reference import Reference, video
from nil_ext.reference.pipeline import Preparation
from nil_ext.reference.segmenters import background

TASK = {"task": "NIL-Walker-Walk", "robot": "walker", "settings": Preparation(interpolator="linear")}


def encode(path, frames, codec: str, pixels: str, rate: int = 30, source: str = "rgb24", **options) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format=source)))
        container.mux(stream.encode())


def overlap(path, masks) -> float:
    """IoU of the masks found in a file with the true ones."""
    found = background.segment(video.decode_video(path)[0]).masks
    assert found.shape == masks.shape
    return float((found & masks).sum() / (found | masks).sum())


def test_ten_bits(tmp_path, walk):
    frames, masks = walk(10)
    encode(tmp_path / "ten.mkv", frames, "libx264", "yuv420p10le")
    assert overlap(tmp_path / "ten.mkv", masks) > 0.9


def test_transparent_pixels_are_white(tmp_path, walk):
    frames, masks = walk(10)
    # black where transparent, as editors leave it
    layers = [np.where(masks[..., None], frames, 0), np.where(masks, 255, 0)[..., None]]
    rgba = np.concatenate(layers, axis=-1).astype(np.uint8)
    encode(tmp_path / "alpha.mov", rgba, "png", "rgba", source="rgba")
    assert overlap(tmp_path / "alpha.mov", masks) > 0.99
    assert (video.decode_video(tmp_path / "alpha.mov")[0][~masks] == 255).all()


def test_gif(tmp_path, walk):
    frames, masks = walk(10)
    encode(tmp_path / "walk.gif", frames, "gif", "rgb8", rate=25)
    read, times = video.decode_video(tmp_path / "walk.gif")
    assert len(read) == 10 and times[-1] == pytest.approx(9 / 25, abs=0.02)
    assert overlap(tmp_path / "walk.gif", masks) > 0.9


def test_8k(tmp_path):
    frame = np.full((1, 4320, 7680, 3), 255, np.uint8)
    frame[:, 1000:3000, 3000:4000] = 90
    encode(tmp_path / "8k.mp4", frame.repeat(2, axis=0), "mpeg4", "yuv420p")
    read, _ = video.decode_video(tmp_path / "8k.mp4")
    assert read.shape == (2, 378, 672, 3)
    assert (read[0, 100:250, 270:340] < 120).all() and (read[0, :, :250] > 240).all()


def test_ten_thousand_frames_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    still = np.full((1, 16, 16, 3), 255, np.uint8)
    encode(tmp_path / "film.mp4", still.repeat(10000, axis=0), "mpeg4", "yuv420p")
    monkeypatch.setattr(video, "_picture", lambda *_: pytest.fail("a frame was decoded"))
    with pytest.raises(InputError, match="more than 1000 frames"):
        video.decode_video(tmp_path / "film.mp4")


@pytest.fixture(params=["one core", "all cores"])
def cores(request):
    """FFmpeg decodes with as many threads as there are cores, and several of them hide a damaged end."""
    before = os.sched_getaffinity(0)
    if request.param == "one core":
        os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("cores")
def test_a_cut_off_file_is_read_as_far_as_it_goes_or_refused(tmp_path, walk):
    frames, _ = walk(30)
    video.write_video(tmp_path / "whole.mp4", frames, 30.0)  # its index comes first
    encode(tmp_path / "last.mp4", frames, "libx264", "yuv420p")  # its index comes last
    for name in ("whole.mp4", "last.mp4"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: 2 * len(content) // 3])
    read, times = video.decode_video(tmp_path / "whole.mp4")
    assert 8 <= len(read) == len(times) < 30
    with pytest.raises(InputError, match="is not a video that can be decoded"):
        video.decode_video(tmp_path / "last.mp4")


def test_sound_alone_is_refused(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="holds no video frames"):
        video.decode_video(tmp_path / "sound.mp4")


PREPARE = """
import sys
import numpy as np
from nil_ext.reference import prepare
from nil_ext.reference.pipeline import Preparation
clip, mask, cache = sys.argv[1:]
how = {"task": "NIL-Walker-Walk", "robot": "walker", "settings": Preparation(interpolator="linear")}
print(prepare(clip, np.load(mask), cache_dir=cache, **how).digest)
"""


def test_two_processes_that_prepare_one_clip_do_not_spoil_the_cache(tmp_path, walk, start_mask):
    video.write_video(tmp_path / "clip.mp4", walk(30)[0], 30.0)
    np.save(tmp_path / "mask.npy", start_mask)
    command = [sys.executable, "-c", PREPARE, tmp_path / "clip.mp4", tmp_path / "mask.npy", tmp_path / "cache"]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (worker.communicate(timeout=120)[0].strip() for worker in workers)
    (folder,) = (tmp_path / "cache").iterdir()  # one folder, nothing half-made beside it
    assert first == second == Reference.load(folder).digest
