# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The reference and its folder on disk."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from nil_ext.errors import InputError
from nil_ext.files import file_hash, require_writable
from nil_ext.reference.cache import build_folder
from nil_ext.reference.interpolators.linear import interpolate_images, interpolate_motion
from nil_ext.reference.verdict import notes

SCHEMA = 1
"""Version of the folder's layout."""

_MANIFEST = "reference.json"
_OWN = {_MANIFEST, "frames.npz", "masks.npz", "motion.npz", "preview.png"}
OF_A_LIFT = ("lift.png", "tracking.npz", "loco_mujoco.npz")
"""What a lift adds to a folder (see :mod:`nil_ext.lift.export`): it is of the pictures and the motion there only."""

_WHITE = 255
_VELOCITIES = ("joint_vel", "root_vel")


@dataclass(frozen=True)
class Reference:
    """A video to imitate, ready for the environment: the robot on pure white, its masks and its rate."""

    frames: np.ndarray
    """(T, H, W, 3) uint8, pure white outside the masks."""
    masks: np.ndarray
    """(T, H, W) bool, True on the robot."""
    rate: float
    """Frames per second [Hz]."""
    meta: dict = field(default_factory=dict)
    """Task, robot, source and quality; JSON-able."""
    motion: dict[str, np.ndarray] | None = None
    """What a sketch knows beyond its pictures, and a lift finds: ``joint_names`` (J,), ``joint_pos`` (T, J) [rad],
    ``joint_vel`` (T, J) [rad/s], ``root_pose`` (T, 7) position [m] and quaternion xyzw, ``root_vel`` (T, 6) [m/s,
    rad/s]; of a lift also what :class:`~nil_ext.lift.lifting.Lifted` lists."""

    def __post_init__(self):
        """Check shapes and types: a broken reference must fail here, not after hours of training."""
        if self.masks.ndim != 3 or self.masks.dtype != bool or len(self.masks) == 0:
            raise ValueError(f"masks must be (T, H, W) bool, not {self.masks.shape} {self.masks.dtype}.")
        if self.frames.shape != (*self.masks.shape, 3) or self.frames.dtype != np.uint8:
            raise ValueError(f"frames must be {(*self.masks.shape, 3)} uint8, not {self.frames.shape}.")
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ValueError(f"rate must be above 0, not {self.rate}.")
        if (self.frames[~self.masks] != _WHITE).any():
            raise ValueError("frames must be pure white outside the masks.")
        for key, values in (self.motion or {}).items():
            if not key.endswith("_names") and len(values) != len(self.masks):
                raise ValueError(f"motion['{key}'] has {len(values)} frames, the video {len(self.masks)}.")

    def __len__(self) -> int:
        """Number T of frames."""
        return len(self.masks)

    @property
    def duration(self) -> float:
        """Time of the last frame; the first is at 0 [s]."""
        return (len(self.masks) - 1) / self.rate

    @cached_property
    def digest(self) -> str:
        """Hash (hex) of all that is imitated: frames, masks, rate, motion. Notes in ``meta`` do not count."""
        content = hashlib.sha256(repr((self.frames.shape, float(self.rate))).encode())
        content.update(np.ascontiguousarray(self.frames))
        content.update(np.packbits(self.masks))
        for key in sorted(self.motion or {}):
            values = np.ascontiguousarray(self.motion[key])
            content.update(repr((key, values.shape, values.dtype.str)).encode())
            content.update(values.tobytes())
        return content.hexdigest()

    def resample(self, rate: float) -> Reference:
        """The same video at another rate, by time; frames at the source's own times are exact.

        Args:
            rate: frames per second of the result [Hz].
        """
        if not (math.isfinite(rate) and rate > 0):
            raise InputError(f"Cannot resample a reference to {rate} Hz: give a rate above 0.")
        if rate == self.rate:
            return self
        count = math.floor(self.duration * rate + 1e-6) + 1
        positions = np.minimum(np.arange(count) * (self.rate / rate), len(self.masks) - 1)
        frames, masks = interpolate_images(self.frames, self.masks, positions)
        motion = None if self.motion is None else interpolate_motion(self.motion, positions)
        return replace(self, frames=frames, masks=masks, rate=float(rate), motion=motion)

    def frame_per_step(self, rate: float) -> Reference:
        """The same frames, one a control step, whatever their own rate: the paper's literal alignment.

        A clip of 30 Hz that RIFE brought to 120 Hz then plays at 100/120 of its speed under control at 100 Hz.

        Args:
            rate: control steps per second [Hz].
        """
        if not (math.isfinite(rate) and rate > 0):
            raise InputError(f"Cannot play a reference at {rate} Hz: give a rate above 0.")
        motion = None
        if self.motion is not None:
            slower = {key: self.motion[key] * (rate / self.rate) for key in _VELOCITIES if key in self.motion}
            motion = self.motion | slower
        return replace(self, rate=float(rate), motion=motion)

    def save(self, folder: str | Path) -> Path:
        """Write the folder, whole or not at all; an older reference there is replaced.

        Other files in the folder stay, but for :data:`OF_A_LIFT` where the older reference was another one.

        Args:
            folder: where to; refused if something that is no reference stands there.

        Raises:
            InputError: When it is refused, or cannot be written.
        """
        folder = Path(folder)
        require_place(folder)
        with build_folder(folder, replace=True) as temporary:
            _carry_over(folder, temporary, self.digest)
            self.write(temporary)
        return folder

    def write(self, folder: Path) -> None:
        """Write the files into an existing folder that holds none of theirs, and all of it to the disk."""
        from nil_ext.reference.preview import write_contact_sheet

        # Everything outside the masks is white, so only the robot's pixels are stored.
        np.savez_compressed(folder / "frames.npz", differences=_differences(self.frames[self.masks]))
        np.savez_compressed(folder / "masks.npz", bits=np.packbits(self.masks), shape=np.array(self.masks.shape))
        if self.motion is not None:
            np.savez_compressed(folder / "motion.npz", **self.motion)
        lines = notes(self.meta.get("quality", {}))
        write_contact_sheet(folder / "preview.png", self.frames, self.masks, self.rate, lines)
        files = sorted(path for path in folder.iterdir() if path.name in _OWN)
        manifest = {
            "schema": SCHEMA,
            "rate": float(self.rate),
            "shape": list(self.masks.shape),
            "digest": self.digest,
            "files": {path.name: file_hash(path) for path in files},
            "meta": self.meta,
        }
        (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        for path in folder.rglob("*"):
            if path.is_file():
                with open(path, "rb") as file:
                    os.fsync(file.fileno())

    @classmethod
    def load(cls, folder: str | Path) -> Reference:
        """Read a folder and verify that nothing in it was changed since it was written."""
        folder = Path(folder)
        manifest = _read_manifest(folder)
        for name, expected in manifest["files"].items():
            path = folder / name
            if path.name != name or not path.is_file():
                raise InputError(f"Reference {folder} is incomplete ({name} is missing): prepare it again.")
            if name != "preview.png" and file_hash(path) != expected:
                raise InputError(f"Reference {folder} was changed after it was made ({name}): prepare it again.")
        try:
            return cls._from_files(folder, manifest)
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise InputError(f"Reference {folder} cannot be read ({error}): prepare it again.") from error

    @classmethod
    def _from_files(cls, folder: Path, manifest: dict) -> Reference:
        """Build the object from files whose hashes are right."""
        with np.load(folder / "masks.npz", allow_pickle=False) as file:
            shape = tuple(int(n) for n in file["shape"])
            masks = np.unpackbits(file["bits"], count=math.prod(shape)).astype(bool).reshape(shape)
        frames = np.full((*shape, 3), _WHITE, dtype=np.uint8)
        with np.load(folder / "frames.npz", allow_pickle=False) as file:
            frames[masks] = _pixels(file["differences"])
        motion = None
        if "motion.npz" in manifest["files"]:
            with np.load(folder / "motion.npz", allow_pickle=False) as file:
                motion = dict(file)
        return cls(frames, masks, float(manifest["rate"]), manifest["meta"], motion)


def load_kept(folder: Path) -> Reference | None:
    """A reference from a cache; None where it is damaged, which is no concern of the user's: it is to be made again."""
    try:
        return Reference.load(folder)
    except InputError:
        return None


def is_reference(folder: str | Path) -> bool:
    """Whether a folder holds a reference, whole or not; a clip, and what is not there, is none."""
    return Path(folder, _MANIFEST).is_file()


def require_place(folder: Path) -> None:
    """See that a reference can be written: nothing stands there, or an empty folder, or an older reference.

    Raises:
        InputError: When something else does, or nothing can be written there.
    """
    if folder.exists() and not is_reference(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"'{folder}' exists and is no reference: name another folder.")
    require_writable(folder.absolute().parent)  # it is built beside its place


def _carry_over(old: Path, new: Path, digest: str) -> None:
    """Copy what is no reference's own from one folder, if it is there, to that of a reference with a digest."""
    if not old.is_dir():
        return
    try:
        left = _OWN if _read_manifest(old)["digest"] == digest else _OWN.union(OF_A_LIFT)
    except (InputError, KeyError):  # it can be replaced all the same
        left = _OWN.union(OF_A_LIFT)
    for path in old.iterdir():
        if path.name in left:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, new / path.name, symlinks=True)
        else:
            shutil.copy2(path, new / path.name, follow_symlinks=False)


def _differences(pixels: np.ndarray) -> np.ndarray:
    """Differences (3, P) of pixels (P, 3) to their neighbours, red and blue against green; modulo 256.

    Robots are mostly grey and smooth, so these are mostly small: half the size after compression.
    """
    planes = pixels.T.copy()
    planes[[0, 2]] -= planes[1]
    planes[:, 1:] -= planes[:, :-1].copy()
    return planes


def _pixels(differences: np.ndarray) -> np.ndarray:
    """Pixels (P, 3) from their differences (3, P)."""
    planes = np.cumsum(differences, axis=1, dtype=np.uint8)
    planes[[0, 2]] += planes[1]
    return planes.T


def _read_manifest(folder: Path) -> dict:
    """The parsed ``reference.json`` of a known schema."""
    path = folder / _MANIFEST
    if not is_reference(folder):
        raise InputError(f"{folder} is no reference folder ({_MANIFEST} is missing): give a folder that was prepared.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): prepare the reference again.") from error
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if schema != SCHEMA:
        raise InputError(
            f"{path} has schema {schema}, this version reads {SCHEMA}: prepare the reference again from its video."
        )
    if not {"frames.npz", "masks.npz"} <= set(manifest.get("files", {})) or not {"rate", "meta"} <= set(manifest):
        raise InputError(f"{path} lacks entries: prepare the reference again.")
    return manifest
