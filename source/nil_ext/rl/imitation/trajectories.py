# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""An expert's trajectories: LocoMuJoCo's files, or rollouts that ``scripts/play.py --record`` wrote."""

from __future__ import annotations

import hashlib
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nil_ext.errors import InputError, first_line
from nil_ext.evaluation.mocap import CLIP_RATE, read_mocap
from nil_ext.files import open_npz, whole_file
from nil_ext.robots.joint_names import match_names

from .mocap_states import mocap_states

VERSION = 1
"""Version of what :func:`write_rollouts` writes."""


@dataclass
class ExpertTransitions:
    """Pairs of an expert's states, one control step apart, in the columns of the simulator's state group."""

    states: torch.Tensor
    """States (P, S); columns that the trajectories do not know are 0."""

    next_states: torch.Tensor
    """The states a control step later (P, S)."""

    known: torch.Tensor
    """1 for the columns that the trajectories know, else 0 (S,)."""

    def sample(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw pairs uniformly, with replacement."""
        rows = torch.randint(len(self.states), (size,), device=self.states.device)
        return self.states[rows], self.next_states[rows]

    def to(self, device: torch.device | str) -> ExpertTransitions:
        """Return the same on a device."""
        return ExpertTransitions(self.states.to(device), self.next_states.to(device), self.known.to(device))

    def rounded(self, precision: str) -> ExpertTransitions:
        """Return the same with states as a replay of this precision ("float32" or "float16") gives them back."""
        states, next_states = (x.to(getattr(torch, precision)).float() for x in (self.states, self.next_states))
        return ExpertTransitions(states, next_states, self.known)


@dataclass(frozen=True)
class Trajectories:
    """States of somebody who can do it."""

    rate: float
    """Samples per second [Hz]."""

    names: tuple[str, ...]
    """Names of the D columns; see :func:`~nil_ext.rl.imitation.states.state_names`."""

    pieces: tuple[np.ndarray, ...]
    """Uninterrupted stretches, each (T, D)."""

    source: str
    """Where they come from, for messages."""

    digest: str = ""
    """SHA-256 (hex) of the files."""

    def describe(self) -> str:
        """Say in a line what there is."""
        samples = sum(len(piece) for piece in self.pieces)
        return f"{self.source}, {len(self.pieces)} of {samples / self.rate:.1f} s in all at {self.rate:g} Hz"

    def require_rate(self, control_rate: float) -> None:
        """Refuse an environment that steps more often than these were sampled: nothing may be invented between.

        Raises:
            InputError: When it does.
        """
        if self.rate < (1.0 - 1e-3) * control_rate:
            raise InputError(
                f"{self.source} has {self.rate:g} samples a second, the environment {control_rate:g} steps: give "
                "trajectories of at least that rate."
            )

    def transitions(self, columns: Sequence[str], control_rate: float) -> ExpertTransitions:
        """Every pair of states that are one control step apart, in the simulator's columns.

        Each sample begins a pair, so a clip at 500 Hz gives twenty interleaved ones at 25 Hz. Where the step falls
        between two samples, the second state is interpolated.

        Args:
            columns: names of the simulator's state, see :func:`~nil_ext.rl.imitation.states.state_names`.
            control_rate: rate of the environment's steps [Hz].

        Raises:
            InputError: When the rate is lower than the environment's, no joint fits, or everything is too short.
        """
        self.require_rate(control_rate)
        shift = self.rate / control_rate
        places = match_names(columns, self.names)
        if not any(place is not None and "joint_pos" in name for name, place in zip(columns, places, strict=True)):
            raise InputError(f"{self.source} shares no joint with this robot: give trajectories of this one.")
        starts, ends = [], []
        for piece in self.pieces:
            at = np.arange(len(piece)) + shift
            at = at[at <= len(piece) - 1 + 1e-6]
            low = np.minimum(at.astype(int), len(piece) - 1)
            high = np.minimum(low + 1, len(piece) - 1)
            part = (at - low)[:, None]
            starts.append(piece[: len(at)])
            ends.append((1.0 - part) * piece[low] + part * piece[high])
        states, next_states = np.concatenate(starts), np.concatenate(ends)
        if not len(states):
            raise InputError(f"{self.source} holds no two states a control step apart: give longer trajectories.")
        known = np.array([place is not None for place in places])
        take = [0 if place is None else place for place in places]
        return ExpertTransitions(
            *(torch.as_tensor(values[:, take] * known, dtype=torch.float32) for values in (states, next_states)),
            torch.as_tensor(known, dtype=torch.float32),
        )


def load_trajectories(path: str | Path, robot: str) -> Trajectories:
    """Read a file of trajectories, or all in a folder, which must know the same of a robot at the same rate.

    Raises:
        InputError: When there is none, or one is of another robot, of another kind, damaged, or unlike the others.
    """
    path = Path(path).expanduser()
    files = sorted(path.glob("*.npz")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise InputError(
            f"No trajectories at '{path}': give a LocoMuJoCo file (.npz), or what scripts/play.py --record wrote."
        )
    parts = [_load(file, robot) for file in files]
    first = parts[0]
    for part in parts[1:]:
        if (part.rate, part.names) != (first.rate, first.names):
            raise InputError(
                f"{first.source} and {part.source} differ in rate or in what they know: give one of them alone."
            )
    digest = hashlib.sha256("".join(part.digest for part in parts).encode()).hexdigest()
    source = first.source if len(parts) == 1 else f"'{path}'"
    pieces = tuple(piece for part in parts for piece in part.pieces)
    return Trajectories(first.rate, first.names, pieces, source, first.digest if len(parts) == 1 else digest)


def write_rollouts(
    path: Path,
    *,
    task: str,
    robot: str,
    rate: float,
    joint_names: Sequence[str],
    state_names: Sequence[str],
    observation_terms: Sequence[tuple[str, int]],
    episodes: Sequence[dict[str, np.ndarray]],
) -> None:
    """Write recorded episodes; ``docs/baselines.md`` lists the keys. The file appears whole or not at all.

    Args:
        path: the file (.npz).
        task: gym id.
        robot: the robot's name.
        rate: control rate [Hz].
        joint_names: names of the J joints, in the order of the actions.
        state_names: names of the S columns of ``states``.
        observation_terms: name and size of each of the policy's observations.
        episodes: for each episode ``states`` (T, S), ``observations`` (T, O), ``actions`` (T, A), ``root_pose`` (T, 7).
    """
    joined = {key: np.concatenate([episode[key] for episode in episodes]) for key in episodes[0]}
    content = {
        "version": np.array(VERSION),
        "task": np.array(task),
        "robot": np.array(robot),
        "rate": np.array(float(rate)),
        "joint_names": np.array(list(joint_names)),
        "state_names": np.array(list(state_names)),
        "observation_names": np.array([name for name, _ in observation_terms]),
        "observation_sizes": np.array([size for _, size in observation_terms]),
        "split_points": np.cumsum([0, *(len(episode["states"]) for episode in episodes)]),
        **{key: values.astype(np.float32) for key, values in joined.items()},
    }
    try:
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **content)
    except OSError as error:
        raise InputError(f"Cannot write '{path}' ({error.strerror}): name another file.") from error


def _load(path: Path, robot: str) -> Trajectories:
    """One file, whichever kind it is."""
    try:
        with open_npz(path) as file:
            recorded = "state_names" in file.files
            content = {key: file[key] for key in file.files} if recorded else {}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"'{path}' holds no trajectories ({first_line(error)}): give a LocoMuJoCo file (.npz), or what "
            "scripts/play.py --record wrote."
        ) from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    source = f"'{path}'"
    if recorded:
        rate, names, pieces = _recorded(content, source, robot)
    else:
        rate, (names, pieces) = CLIP_RATE, mocap_states(*read_mocap(path, robot), robot, source)
    if not all(np.isfinite(piece).all() for piece in pieces):
        raise InputError(f"{source} holds numbers that are not finite: give another file.")
    return Trajectories(rate, names, pieces, source, digest)


def _recorded(content: dict, source: str, robot: str) -> tuple[float, tuple[str, ...], tuple[np.ndarray, ...]]:
    """Rate, columns and episodes of what :func:`write_rollouts` wrote."""
    try:
        version, theirs, rate = int(content["version"]), str(content["robot"]), float(content["rate"])
        names = tuple(str(name) for name in content["state_names"])
        pieces = tuple(np.split(content["states"], content["split_points"][1:-1]))
        fits = content["states"].shape[1] == len(names) and math.isfinite(rate) and rate > 0.0
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise InputError(f"{source} is no whole recording ({first_line(error)}): record it again.") from error
    if version != VERSION or not fits:
        raise InputError(
            f"{source} is a recording of version {version} that this program cannot read: record it again."
        )
    if theirs != robot:
        raise InputError(f"{source} shows robot {theirs}, not {robot}: give trajectories of this robot.")
    return rate, names, pieces
