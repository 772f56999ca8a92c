# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A robot of two sticks, small enough to follow by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nil_ext.lift.skeleton import Joint, Skeleton


def _joint(name: str, parent: int, child: int, place: tuple[float, float, float]) -> Joint:
    before = np.eye(4)
    before[:3, 3] = place
    return Joint(name, parent, child, before, np.eye(4), np.array([0.0, 1.0, 0.0]), (-2.0, 2.0))


@pytest.fixture
def sticks() -> Skeleton:
    """A hip at the root about +y, a thigh of 0.4 m, a knee, a shank of 0.3 m whose end is the foot's sole."""
    return Skeleton(
        links=["root", "thigh", "shank"],
        joints=[_joint("hip", 0, 1, (0.0, 0.0, 0.0)), _joint("knee", 1, 2, (0.0, 0.0, -0.4))],
        points=np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -0.4], [0.0, 0.0, -0.3]]),
        point_links=np.array([0, 1, 2]),
        e0={"hip": 0.1, "knee": 0.2},
        feet=np.array([[0.0, 0.0, -0.29]]),
        foot_links=("shank",),
        sole_radius=0.01,
    )
