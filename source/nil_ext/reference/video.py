# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Video files in and out, through PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideData, Type

from nil_ext.errors import ClipError
from nil_ext.files import whole_file

MAX_FRAMES = 1000
"""Longest clip read [frames]: a reference is some seconds long, and this keeps a mistaken film out of memory."""

MAX_SIDE = 672
"""Larger pictures are shrunk while decoding to this longer side [pixel]: three times the reference's own."""


def decode_video(path: str | Path, max_side: int = MAX_SIDE) -> tuple[np.ndarray, np.ndarray]:
    """All frames with the times they are shown at; the file's rotation, mirroring and pixel shape are applied.

    Args:
        path: video file.
        max_side: larger pictures are shrunk to this longer side [pixel].

    Returns:
        frames (T, H, W, 3) uint8 and times (T,) ascending, the first at 0 [s].
    """
    path = Path(path)
    if not path.is_file():
        raise ClipError(f"No such video: {path}. Give a video file or a prepared reference folder.")
    if path.stat().st_size == 0:
        raise ClipError(f"{path} is empty (0 bytes): download or export it again.")
    try:
        frames, times = _decode(path, max_side)
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ClipError(f"{path} is not a video that can be decoded ({reason}): give e.g. an H.264 .mp4.") from error
    if not frames:
        raise ClipError(f"{path} holds no video frames: give a video file, e.g. an H.264 .mp4.")
    if len({frame.shape for frame in frames}) > 1:
        raise ClipError(f"{path} changes its picture size half-way: export it with one size.")
    return np.stack(frames), _ascending(np.array(times))


def constant_rate(times: np.ndarray) -> float:
    """The rate [Hz] that the usual distance of the frames' times (T,) means; a single frame counts as 1 Hz."""
    if len(times) < 2:
        return 1.0
    steps = np.diff(times)
    middle = np.sort(steps)[len(steps) // 2]
    # A file that counts in hundredths of a second (GIF) or thousandths (WebM) has steps of 3, 3, 4: their mean is true,
    # their median is not. Pauses, missing pictures and stretches of another rate do not count.
    usual = steps[(steps > 0.6 * middle) & (steps < 1.6 * middle)]
    return float(round(1.0 / usual.mean(), 3))


def write_video(path: str | Path, frames: np.ndarray, rate: float) -> None:
    """Write an H.264 mp4 that every player shows, whole or not at all.

    Args:
        path: file to write; its folder is made if absent.
        frames: (T, H, W, 3) uint8; odd sides grow by one repeated row or column.
        rate: frames per second [Hz].
    """
    height, width = frames.shape[1:3]
    frames = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    with (
        whole_file(path) as file,
        av.open(str(file.absolute()), "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())


def _decode(path: Path, max_side: int) -> tuple[list[np.ndarray], list[float]]:
    """Frames and times [s] of the first video stream."""
    frames, times = [], []
    # FFmpeg takes what is before a colon for a protocol, unless the path is absolute
    with av.open(str(path.absolute())) as container:
        if not container.streams.video:
            return [], []
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        if stream.frames > MAX_FRAMES:
            raise _too_long(path)
        try:
            for frame in container.decode(stream):
                if len(frames) == MAX_FRAMES:
                    raise _too_long(path)  # not every container counts its frames
                # A stream without timestamps is shown at its nominal rate.
                nominal = len(times) / float(stream.average_rate or 25)
                times.append(nominal if frame.time is None else float(frame.time))
                frames.append(_picture(frame, stream.sample_aspect_ratio, max_side))
        except av.error.InvalidDataError:
            if not frames:
                raise
            # Cut off within a picture: the file is read as far as it goes. With several threads FFmpeg drops it itself.
    return frames, times


def _too_long(path: Path) -> ClipError:
    return ClipError(f"{path} has more than {MAX_FRAMES} frames: cut it to the few seconds that are to be imitated.")


def _picture(frame: av.VideoFrame, aspect: Fraction | None, max_side: int) -> np.ndarray:
    """Upright RGB picture (H, W, 3) with square pixels, what is transparent on white."""
    height, width = frame.height, frame.width * float(aspect or 1)
    shrink = min(1.0, max_side / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    # a palette's colours may be transparent, which its format does not tell
    if frame.format.has_palette or any(component.is_alpha for component in frame.format.components):
        picture = frame.to_ndarray(format="rgba")
        share = picture[..., 3:].astype(np.uint16)
        picture = ((picture[..., :3] * share + 255 * (255 - share)) // 255).astype(np.uint8)
    else:
        picture = frame.to_ndarray(format="rgb24")
    if size != (frame.width, frame.height):
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(_shown(picture, frame.side_data.get(Type.DISPLAYMATRIX)))


def _shown(picture: np.ndarray, matrix: SideData | None) -> np.ndarray:
    """The picture turned and mirrored as the file's display matrix says, by whole quarters of a turn."""
    if matrix is None:
        return picture
    # the pixel at (x, y) is shown at (a x + c y, b x + d y), apart from a shift
    (a, b, _), (c, d, _), _ = np.frombuffer(matrix, dtype=np.int32).reshape(3, 3)
    if abs(a) < abs(b):
        picture, a, d = picture.swapaxes(0, 1), c, b
    return picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _ascending(times: np.ndarray) -> np.ndarray:
    """Times from 0 [s]; frames whose times do not ascend are spaced by the median step."""
    times = times - times[0]
    if len(times) > 1 and (np.diff(times) <= 0).any():
        steps = np.diff(np.sort(times))
        steps = steps[steps > 0]
        times = np.arange(len(times)) * (np.median(steps) if len(steps) else 1 / 25)
    return times
