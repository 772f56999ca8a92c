# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Video files in and out."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from nil_ext import files
from nil_ext.errors import InputError
from nil_ext.reference import video


def moving_square(num_frames: int = 12, height: int = 48, width: int = 64) -> np.ndarray:
    frames = np.full((num_frames, height, width, 3), 255, dtype=np.uint8)
    for i in range(num_frames):
        frames[i, 10:30, 4 + 3 * i : 14 + 3 * i] = (200, 30, 90)
    return frames


def square_left(frame: np.ndarray) -> int:
    return int(np.flatnonzero((frame[:, :, 1] < 140).any(axis=0))[0])


@pytest.mark.parametrize(("height", "width", "rate"), [(48, 64, 30.0), (47, 63, 25.0), (48, 64, 23.976)])
def test_written_video_reads_back(tmp_path, height, width, rate):
    frames = moving_square(height=height, width=width)
    video.write_video(tmp_path / "new" / "clip.mp4", frames, rate)
    read, times = video.decode_video(tmp_path / "new" / "clip.mp4")
    assert read.shape == (12, height + height % 2, width + width % 2, 3) and read.dtype == np.uint8
    assert video.constant_rate(times) == pytest.approx(rate, abs=2e-3)
    assert np.abs(read[:, :height, :width].astype(int) - frames).mean() < 3.0
    assert [square_left(frame) for frame in read] == pytest.approx([4 + 3 * i for i in range(12)], abs=1)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["clip.mp4"]
    with av.open(str(tmp_path / "new" / "clip.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")


def test_a_colon_in_a_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    video.write_video("12:30:45.mp4", moving_square(), 30.0)
    assert len(video.decode_video("12:30:45.mp4")[0]) == 12


def write_with_times(
    path, frames, milliseconds, rotation: int = 0, mirrored: bool = False, aspect: Fraction | None = None
) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1000)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if rotation or mirrored:
            stream.set_display_rotation(rotation, hflip=mirrored)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for frame, time in zip(frames, milliseconds, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def test_a_variable_rate_keeps_true_times(tmp_path):
    # The clip pauses for 280 ms after its fifth frame.
    times = [40 * i + (280 if i > 4 else 0) for i in range(12)]
    write_with_times(tmp_path / "pause.mp4", moving_square(), times)
    frames, seconds = video.decode_video(tmp_path / "pause.mp4")
    np.testing.assert_allclose(seconds, np.array(times) / 1000, atol=2e-3)
    assert len(frames) == 12
    assert video.constant_rate(seconds) == pytest.approx(25.0, abs=0.1)


@pytest.mark.parametrize(("rate", "unit"), [(30.0, 0.01), (15.0, 0.01), (24.0, 0.01), (120.0, 0.001), (144.0, 0.001)])
def test_coarse_times_mean_the_true_rate(rate, unit):
    """GIF counts in hundredths of a second, WebM in thousandths: 30 Hz are steps of 3, 3 and 4."""
    times = np.rint(np.arange(60) / rate / unit) * unit
    assert video.constant_rate(times) == pytest.approx(rate, rel=0.005)
    times[30:] += 0.3  # a pause
    assert video.constant_rate(times) == pytest.approx(rate, rel=0.01)


def test_the_rate_of_most_frames_counts():
    times = np.append(np.arange(40) / 60, 40 / 60 + np.arange(80) / 30)
    assert video.constant_rate(times) == 30.0


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0, 90, 180, -90])
def test_rotation_and_mirroring_of_the_file_are_applied(tmp_path, angle, mirrored):
    frames = moving_square()
    write_with_times(tmp_path / "turned.mp4", frames, [40 * i for i in range(12)], rotation=angle, mirrored=mirrored)
    read, _ = video.decode_video(tmp_path / "turned.mp4")
    # FFmpeg's display matrix turns the stored picture counter-clockwise by the angle when it is shown, then mirrors it
    expected = np.rot90(frames, angle // 90, axes=(1, 2))
    expected = expected[:, :, ::-1] if mirrored else expected
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).mean() < 3.0


def test_pixels_become_square(tmp_path):
    write_with_times(tmp_path / "wide.mp4", moving_square(), [40 * i for i in range(12)], aspect=Fraction(3, 2))
    assert video.decode_video(tmp_path / "wide.mp4")[0].shape == (12, 48, 96, 3)


def test_large_pictures_are_shrunk_while_decoding(tmp_path):
    video.write_video(tmp_path / "large.mp4", moving_square(3, 600, 1200), 30.0)
    assert video.decode_video(tmp_path / "large.mp4")[0].shape == (3, 336, 672, 3)


def test_a_film_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "MAX_FRAMES", 5)
    video.write_video(tmp_path / "film.mp4", moving_square(6), 30.0)
    with pytest.raises(InputError, match="more than 5 frames"):
        video.decode_video(tmp_path / "film.mp4")


def test_files_that_are_no_video_are_refused(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "notes.mp4").write_text("this is not a video " * 100)
    with pytest.raises(InputError, match="No such video"):
        video.decode_video(tmp_path / "absent.mp4")
    with pytest.raises(InputError, match="empty"):
        video.decode_video(tmp_path / "empty.mp4")
    with pytest.raises(InputError, match="not a video"):
        video.decode_video(tmp_path / "notes.mp4")


def test_a_truncated_file_is_refused_or_read_in_part(tmp_path):
    video.write_video(tmp_path / "whole.mp4", moving_square(), 30.0)
    content = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(content[: len(content) // 2])
    try:
        frames, times = video.decode_video(tmp_path / "half.mp4")
        assert 0 < len(frames) == len(times) <= 12
    except InputError as error:
        assert "\n" not in str(error)


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space"):
        video.write_video(tmp_path / "clip.mp4", moving_square(), 30.0)
    assert list(tmp_path.iterdir()) == []
