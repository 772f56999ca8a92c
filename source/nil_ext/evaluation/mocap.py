# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Joint angles of a rollout against a motion-capture clip in LocoMuJoCo's format."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist

from ..errors import InputError, first_line
from ..files import open_npz
from ..robots.joint_names import match_names
from .mocap_joints import MOCAP_JOINTS, ROOT_COORDINATES

CLIP_RATE = 500.0
"""Samples per second of LocoMuJoCo's trajectories [Hz]; the files do not say."""

WINDOW = 0.5
"""Length of the pieces of an episode that are compared [s] (ours): about a step, so that a gait of another frequency
is not counted as wrong for drifting out of phase, and standing still is."""

_OFFSET = 0.01
"""Distance between the places in the clip that a piece is held against [s]."""


@dataclass(frozen=True)
class MocapClip:
    """Joint angles of somebody who can do it."""

    joint_names: tuple[str, ...]
    """Our names of the J joints."""

    pieces: tuple[np.ndarray, ...]
    """Uninterrupted trajectories at :data:`CLIP_RATE`, each (T, J) [rad] and longer than :data:`WINDOW`."""


def read_mocap(path: str | Path, robot: str) -> tuple[dict[str, np.ndarray], list[int]]:
    """Read a LocoMuJoCo file: its arrays, and where its second and further clips begin.

    Raises:
        InputError: When the file is none, or has joints that the robot's table does not know.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"No such mocap file: '{path}'. Give one of LocoMuJoCo's trajectories (.npz).")
    try:
        with open_npz(path) as file:
            arrays = {key: file[key] for key in file.files if key.startswith(("q_", "dq_"))}
            cuts = [int(cut) for cut in file["split_points"]][1:-1] if "split_points" in file.files else []
        if any(values.ndim != 1 or values.dtype.kind not in "fiu" for values in arrays.values()):
            raise ValueError("its columns are no rows of numbers")
        if len({len(values) for values in arrays.values()}) > 1:
            raise ValueError("its columns differ in length")
    except (OSError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"'{path}' is no mocap file ({first_line(error)}): give one of LocoMuJoCo's trajectories (.npz)."
        ) from error
    known = MOCAP_JOINTS.get(robot, {})
    joints = {key.removeprefix("q_") for key in arrays if key.startswith("q_")}
    unknown = sorted(joints - ROOT_COORDINATES - set(known))
    if unknown:
        raise InputError(
            f"'{path}' has joints that {robot} does not have ({', '.join(unknown)}): give a trajectory of this robot."
        )
    if not any(known.get(name) for name in joints):
        raise InputError(f"'{path}' holds no joint angles (q_<joint>) of {robot}: give a trajectory of this robot.")
    return arrays, cuts


def load_mocap(path: str | Path, robot: str) -> MocapClip:
    """Read the joint angles of a trajectory (.npz with ``q_<joint>`` and, for several clips, ``split_points``).

    Raises:
        InputError: When the file is none, is too short, or has joints that the robot's table does not know.
    """
    arrays, cuts = read_mocap(path, robot)
    known = MOCAP_JOINTS.get(robot, {})
    angles = {key.removeprefix("q_"): values for key, values in arrays.items() if key.startswith("q_")}
    names = {known[name]: name for name in angles if known.get(name)}
    motion = np.stack([angles[name] for name in names.values()], axis=1)
    pieces = tuple(piece for piece in np.split(motion, cuts) if len(piece) > WINDOW * CLIP_RATE)
    if not pieces:
        raise InputError(f"'{path}' is shorter than {WINDOW} s at {CLIP_RATE:g} Hz: give a longer trajectory.")
    return MocapClip(tuple(names), pieces)


def joint_error(joint_pos: np.ndarray, joint_names: tuple[str, ...], clip: MocapClip, rate: float) -> float:
    """Mean absolute difference of the joint angles to the most similar stretch of the clip [rad].

    The episode is cut into pieces of :data:`WINDOW`; each is held against every stretch of the clip at real speed, and
    the nearest counts. What remains after the last whole piece is left out.

    Args:
        joint_pos: (T, J) [rad].
        joint_names: names of the J joints.
        clip: the motion; joints that the environment lacks are left out.
        rate: control rate [Hz].

    Returns:
        NaN for an episode shorter than a piece.
    """
    steps = round(WINDOW * rate)
    count = len(joint_pos) // steps
    shared = shared_joints(clip, joint_names)
    if count == 0 or not shared:
        return float("nan")
    theirs, ours = np.array(shared).T
    mine = joint_pos[: count * steps, ours].reshape(count, -1)
    stretches = np.concatenate([_stretches(piece[:, theirs], steps, rate) for piece in clip.pieces])
    return float(cdist(mine, stretches, "cityblock").min(axis=1).mean() / mine.shape[1])


def shared_joints(clip: MocapClip, joint_names: tuple[str, ...]) -> list[tuple[int, int]]:
    """Places (the clip's, ours) of the joints that both have."""
    places = match_names(joint_names, clip.joint_names)
    return sorted((theirs, ours) for ours, theirs in enumerate(places) if theirs is not None)


def _stretches(piece: np.ndarray, steps: int, rate: float) -> np.ndarray:
    """Every stretch of ``steps`` control steps within a piece (T, J). Shape is (offsets, steps * J)."""
    length = (steps - 1) / rate
    starts = np.arange(0.0, (len(piece) - 1) / CLIP_RATE - length + 1e-9, _OFFSET)
    samples = np.rint((starts[:, None] + np.arange(steps) / rate) * CLIP_RATE).astype(int)
    return piece[samples.clip(max=len(piece) - 1)].reshape(len(starts), -1)
