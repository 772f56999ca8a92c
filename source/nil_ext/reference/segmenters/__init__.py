# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Segmenters: which pixels of a clip are the robot."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from nil_ext.errors import ClipError, InputError
from nil_ext.files import name_and_hash
from nil_ext.reference.segmenters import background
from nil_ext.reference.segmenters.segmentation import Segmentation

SEGMENTERS = ("auto", "background", "sam2")
"""Names for ``--segmenter``. ``auto`` takes the background key where the background is plain (60 % of the rim near one
colour), which is fast and sharp, else SAM2 where the first frame's mask is known."""


@dataclass(frozen=True)
class SegmenterChoice:
    """Which segmenter cuts the robot out, and what it needs."""

    name: str = "auto"
    """One of :data:`SEGMENTERS`."""
    first_mask: np.ndarray | None = None
    """(H, W) bool, the robot in the clip's first frame, in any size of the clip's shape; what SAM2 is prompted with."""
    sam2_model: str = "facebook/sam2.1-hiera-small"
    """Hub id or local checkpoint."""
    sam2_config: str | None = None
    """Name or file of the checkpoint's configuration; None where its name tells."""
    device: str = "cpu"
    """Where SAM2 runs."""

    def key(self) -> dict:
        """What the masks depend on; JSON-able."""
        first = None if self.first_mask is None else hashlib.sha256(np.packbits(self.first_mask).tobytes()).hexdigest()
        sam2 = [name_and_hash(self.sam2_model), name_and_hash(self.sam2_config)]
        return {"name": self.name, "first_mask": first, "sam2": sam2}


def segment(frames: np.ndarray, choice: SegmenterChoice) -> Segmentation:
    """Find the robot in every frame.

    Args:
        frames: (T, H, W, 3) uint8.
        choice: the segmenter.

    Raises:
        ClipError: When it cannot work on this clip.
        InputError: When what it needs is missing.
    """
    plain = background.read_background(frames)[1]
    keyed = plain >= background.PLAIN_SHARE or choice.first_mask is None
    if choice.name == "background" or (choice.name == "auto" and keyed):
        return background.segment(frames)
    from nil_ext.reference.segmenters import sam2_video

    if choice.name == "sam2":
        return sam2_video.segment(frames, choice, "asked for")
    try:
        return sam2_video.segment(frames, choice, f"only {plain:.0%} of the picture's rim has one colour")
    except InputError as error:  # without SAM2's weights, say: a clip with a plain background would do without
        raise ClipError(str(error)) from error
