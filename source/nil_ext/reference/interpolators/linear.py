# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Interpolation in time without a network: silhouettes by signed distance, colours by blending."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial.transform import Rotation, Slerp

TOLERANCE = 1e-6
"""A position this close to a source frame is that frame [frames]."""


def interpolate_images(frames: np.ndarray, masks: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames and masks at fractional positions.

    A silhouette between two is where the blend of their signed distances is negative, so a leg moves instead of
    fading out here and in there. Colours are blended after each frame's robot has been grown outwards (every pixel
    takes the nearest robot pixel's colour), so the moved leg is neither white nor doubled.

    Args:
        frames: (T, H, W, 3) uint8, white outside the masks.
        masks: (T, H, W) bool.
        positions: (K,) ascending fractional frame indices in [0, T - 1].

    Returns:
        frames (K, H, W, 3) uint8 and masks (K, H, W) bool; exact copies at whole positions.
    """
    out_frames = np.full((len(positions), *frames.shape[1:]), 255, dtype=np.uint8)
    out_masks = np.zeros((len(positions), *masks.shape[1:]), dtype=bool)
    # A silhouette between two lies within their union: distances outside the robot's range are never asked for.
    window = robot_window(masks)
    grown: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for k, position in enumerate(positions):
        low = int(np.floor(position + TOLERANCE))
        share = position - low
        if share < TOLERANCE:
            out_frames[k], out_masks[k] = frames[low], masks[low]
            continue
        grown = {i: grown[i] if i in grown else _grow(frames[i][window], masks[i][window]) for i in (low, low + 1)}
        (colour_0, distance_0), (colour_1, distance_1) = grown[low], grown[low + 1]
        mask = (1.0 - share) * distance_0 + share * distance_1 < 0.0
        out_masks[k][window] = mask
        blend = (1.0 - share) * colour_0[mask] + share * colour_1[mask]
        out_frames[k][window][mask] = np.rint(blend).astype(np.uint8)
    return out_frames, out_masks


def robot_window(masks: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold all masks (T, H, W), with a rim of one pixel."""
    rows, columns = np.flatnonzero(masks.any(axis=(0, 2))), np.flatnonzero(masks.any(axis=(0, 1)))
    if len(rows) == 0:
        return slice(0, 0), slice(0, 0)
    height, width = masks.shape[1:]
    return (
        slice(max(rows[0] - 1, 0), min(rows[-1] + 2, height)),
        slice(max(columns[0] - 1, 0), min(columns[-1] + 2, width)),
    )


def _grow(frame: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours (H, W, 3) grown outwards and signed distance (H, W) to the outline, negative inside [pixel]."""
    if not mask.any():
        # Nothing to be near to: a distance beyond the image keeps the silhouette with the frame that has one.
        return frame, np.full(mask.shape, float(sum(mask.shape)))
    outside, nearest = distance_transform_edt(~mask, return_indices=True)
    distance = outside - distance_transform_edt(mask)
    return frame[tuple(nearest)], distance


def interpolate_motion(motion: dict[str, np.ndarray], positions: np.ndarray) -> dict[str, np.ndarray]:
    """Joint and root states at fractional positions: linear, orientations on the sphere, contacts of the nearest frame.

    Args:
        motion: arrays of a reference's ``motion`` with T frames.
        positions: (K,) fractional frame indices in [0, T - 1].
    """
    result = {}
    for key, values in motion.items():
        if key.endswith("_names"):
            result[key] = values
        elif key == "contact":  # a foot stands or does not
            result[key] = values[np.rint(positions).astype(int)]
        elif key == "root_pose":
            turns = values[:, 3:] if len(values) > 1 else values[[0, 0], 3:]  # a single one has no course
            quaternion = Slerp(np.arange(len(turns)), Rotation.from_quat(turns))(positions).as_quat()
            result[key] = np.concatenate([_linear(values[:, :3], positions), quaternion], axis=1).astype(values.dtype)
        else:
            result[key] = _linear(values, positions).astype(values.dtype)
    return result


def _linear(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Values (K, ...) of values (T, ...) at fractional positions (K,)."""
    low = np.minimum(positions.astype(int), len(values) - 1)
    high = np.minimum(low + 1, len(values) - 1)
    share = (positions - low).reshape(-1, *(1,) * (values.ndim - 1))
    return (1.0 - share) * values[low] + share * values[high]
