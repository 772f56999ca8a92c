# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Where the search begins: random poses that look like a frame, and which of a frame's candidates belong together."""

from __future__ import annotations

import numpy as np


def spread(order: np.ndarray, poses: np.ndarray, count: int, apart: float) -> np.ndarray:
    """The first ``count`` poses that differ from one another.

    Args:
        order: numbers of poses, best first. Shape is (M,).
        poses: all poses. Shape is (N, P).
        count: how many to take; fewer where there are no more.
        apart: least difference in any parameter.

    Returns:
        Numbers of the poses taken, best first.
    """
    taken: list[int] = []
    for number in order:
        if all(np.abs(poses[number] - poses[other]).max() >= apart for other in taken):
            taken.append(int(number))
            if len(taken) == count:
                break
    return np.array(taken)


def spread_over_groups(
    order: np.ndarray, poses: np.ndarray, groups: np.ndarray, count: int, apart: float
) -> np.ndarray:
    """As :func:`spread`, each group in turn, so that the best of every group are among the poses taken.

    Args:
        order: numbers of poses, best first. Shape is (M,).
        poses: all poses. Shape is (N, P).
        groups: what each pose belongs to. Shape is (N,).
        count: how many to take; fewer where there are no more.
        apart: least difference in any parameter from the others of the group.

    Returns:
        Numbers of the poses taken: the best of each group, then the second ones.
    """
    of_each = [spread(order[groups[order] == group], poses, count, apart) for group in np.unique(groups[order])]
    in_turn = sorted((rank, place) for place, taken in enumerate(of_each) for rank in range(len(taken)))
    return np.array([of_each[place][rank] for rank, place in in_turn[:count]])


def best_path(costs: np.ndarray, values: np.ndarray, speed: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """One candidate a frame, so that the whole is cheapest: Viterbi over pairs of neighbouring candidates.

    Pairs know velocities: two legs that pass each other look alike for a moment, but turning back there would bend the
    course of both.

    Args:
        costs: what each candidate costs, infinite where there is none. Shape is (T, K).
        values: their poses. Shape is (T, K, P).
        speed: standard deviation of a parameter's change from frame to frame. Shape is (P,).
        bend: standard deviation of its second difference. Shape is (P,).

    Returns:
        Number of the candidate of each frame. Shape is (T,).
    """
    count, width = costs.shape
    if count == 1:
        return costs.argmin(axis=1)
    scaled, bent = values / speed, values / bend
    # total[i, j]: cheapest way to candidates i, j of frames t - 1, t
    total = costs[0][:, None] + costs[1][None] + _squares(scaled[0][:, None] - scaled[1][None])
    back = np.zeros((count, width, width), dtype=int)
    for t in range(2, count):
        move = _squares(scaled[t - 1][:, None] - scaled[t][None])  # (j, k)
        turn = _squares(
            bent[t - 2][:, None, None] - 2.0 * bent[t - 1][None, :, None] + bent[t][None, None]
        )  # (i, j, k)
        through = total[:, :, None] + turn
        back[t] = through.argmin(axis=0)
        total = through.min(axis=0) + move + costs[t][None]
    path = np.zeros(count, dtype=int)
    path[-2], path[-1] = np.unravel_index(total.argmin(), total.shape)
    for t in range(count - 1, 1, -1):
        path[t - 2] = back[t, path[t - 1], path[t]]
    return path


def _squares(difference: np.ndarray) -> np.ndarray:
    return 0.5 * (difference**2).sum(axis=-1)
