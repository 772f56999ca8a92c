# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""How plausible a clip looks: its distance to a film of motion capture, frame against frame of the same moment of gait.

The paper finds that generators whose videos are near to such a film by LPIPS also give the better policies. Both films
go the same way before they are compared: cut out, aligned to e0, on white.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from nil_ext.errors import InputError
from nil_ext.reference.reference import Reference
from nil_ext.reference.st_lpips import VARIANT, StLpips

RATE = 10.0
"""Frames of the clip that are compared, per second [Hz] (ours)."""

PIECE = 5
"""Frames of a piece of the clip that is placed in time as a whole (ours: half a second, about a step, as for the joint
error to mocap): two gaits differ in pace, and a clip is not implausible for that."""

_COARSE = 4
"""How much smaller the masks are in which the moment is looked for."""


def with_mocap(reference: Reference, film: Reference, device: str = "cpu") -> Reference:
    """The reference with its distance to a film of motion capture in its quality report.

    Args:
        reference: a prepared clip.
        film: the film, prepared for the same task.
        device: where the network runs.
    """
    report = reference.meta["quality"] | {"mocap": distance(reference, film, device)}
    return replace(reference, meta=reference.meta | {"quality": report})


def distance(reference: Reference, film: Reference, device: str = "cpu") -> dict:
    """Mean ST-LPIPS of a clip's frames to those of the same moment of gait in a film.

    The clip is cut into pieces of :data:`PIECE` frames; each is laid over every stretch of the film at real speed, and
    counts where the masks overlap best. What remains after the last whole piece is left out.

    Args:
        reference: the clip.
        film: the film, with pictures of the same size.
        device: where the network runs.

    Returns:
        ``variant``, ``mean``, ``worst`` and ``worst_at`` [s] of the distances, ``iou`` of the masks there on average,
        the number of ``frames`` and the ``film``'s name and digest.

    Raises:
        InputError: When the film is shorter than a piece.
    """
    require_long_enough(film)
    ours = _moments(len(reference), reference.rate)
    length = min(PIECE, len(ours))
    ours = ours[: len(ours) // length * length].reshape(-1, length)
    steps = np.rint(np.arange(length) / RATE * film.rate).astype(int)
    stretches = np.arange(len(film) - steps[-1])[:, None] + steps  # (S, length)
    overlap = _overlaps(reference.masks[ours.ravel()], film.masks).reshape(*ours.shape, -1)  # (N, length, F)
    fits = overlap[:, np.arange(length), stretches].mean(axis=2)  # (N, S)
    theirs = stretches[fits.argmax(axis=1)]
    values = StLpips(device=device)(reference.frames[ours.ravel()], film.frames[theirs.ravel()])
    return {
        "variant": VARIANT,
        "mean": float(values.mean()),
        "worst": float(values.max()),
        "worst_at": float(ours.ravel()[values.argmax()] / reference.rate),
        "iou": float(fits.max(axis=1).mean()),
        "frames": len(values),
        "film": film.meta.get("source", {}).get("name", "unknown"),
        "film_digest": film.digest,
    }


def require_long_enough(film: Reference) -> None:
    """Refuse a film in which no piece of a clip finds room.

    Raises:
        InputError: With its length.
    """
    least = (PIECE - 1) / RATE
    if film.duration < least:
        raise InputError(f"The film of motion capture is {film.duration:.2f} s long: give at least {least:g} s of it.")


def _moments(count: int, rate: float) -> np.ndarray:
    """Numbers of the frames nearest to 0, 1 / RATE, 2 / RATE, ... [s] of a clip of so many frames."""
    times = np.arange(0.0, (count - 1) / rate + 1e-9, 1.0 / RATE)
    return np.rint(times * rate).astype(int).clip(max=count - 1)


def _overlaps(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU (N, M) of every mask (N, S, S) with every other (M, S, S), in smaller pictures."""
    a, b = (_coarse(masks) for masks in (some, others))
    shared = a @ b.T
    return shared / np.maximum(a.sum(axis=1)[:, None] + b.sum(axis=1) - shared, 1.0)


def _coarse(masks: np.ndarray) -> np.ndarray:
    """Masks (N, S, S) as rows (N, P) of 0 and 1 of smaller pictures."""
    side = masks.shape[-1] // _COARSE
    small = [cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA) for mask in masks]
    return (np.stack(small).reshape(len(masks), -1) >= 0.5).astype(np.float32)
