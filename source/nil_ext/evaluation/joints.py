# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Left against right: which joints mirror each other, and how alike the two sides move."""

from __future__ import annotations

import numpy as np

_SIDES = (("left", "right"), ("FL_", "FR_"), ("RL_", "RR_"))
"""How the robots' makers name the two sides."""

_STILL = np.radians(1.0)
"""Mean standard deviation of the joints below which a robot stands, and neither side moves [rad] (ours)."""


def mirrored_pairs(names: tuple[str, ...]) -> list[tuple[int, int]]:
    """Indices (left, right) of the joints that have a counterpart on the other side."""
    pairs = []
    for index, name in enumerate(names):
        for left, right in _SIDES:
            if left in name and name.replace(left, right) in names:
                pairs.append((index, names.index(name.replace(left, right))))
    return pairs


def symmetry(joint_pos: np.ndarray, pairs: list[tuple[int, int]]) -> float:
    """1 - sum |s_left - s_right| / sum (s_left + s_right), s a joint's standard deviation over the episode.

    The sums run over the pairs, so that joints that hardly move hardly count. It is 1 where both sides swing equally
    far, whatever the phase between them, and 0 where only one side moves (Robinson's symmetry index, 1987, as a share).

    Args:
        joint_pos: (T, J) [rad].
        pairs: indices of mirrored joints.

    Returns:
        A value in [0, 1]; NaN without pairs, or where the robot stands still.
    """
    if not pairs:
        return float("nan")
    left, right = joint_pos.std(axis=0)[np.array(pairs).T]
    if (left + right).mean() < 2.0 * _STILL:
        return float("nan")
    return float(1.0 - np.abs(left - right).sum() / (left + right).sum())
