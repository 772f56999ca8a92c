# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The lift on motion capture that the simulator films: all joints move, and what they do is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nil_ext.evaluation.mocap import CLIP_RATE
from nil_ext.lift.lifting import lift
from nil_ext.lift.mocap_motion import mocap_motion
from nil_ext.lift.skeleton import read_skeleton
from nil_ext.reference import Reference
from nil_ext.robots.a1 import A1
from nil_ext.robots.h1 import H1
from nil_ext.robots.robot import Robot

_LEGS = {
    "H1": [f"{side}_{part}" for side in ("left", "right") for part in ("hip_pitch", "knee", "ankle")],
    "A1": [f"{leg}_{part}_joint" for leg in ("FL", "FR", "RL", "RR") for part in ("thigh", "calf")],
}


@pytest.mark.slow
@pytest.mark.sim
@pytest.mark.parametrize(
    ("robot", "ground"), [(H1, ("q_pelvis_tx", "q_pelvis_tz")), (A1, ("q_trunk_tx", "q_trunk_ty"))], ids=["H1", "A1"]
)
def test_angles_and_speed_of_motion_capture(
    robot: Robot, ground: tuple[str, str], shared: Path, scripts, tmp_path: Path
):
    trajectory = shared / "mocap" / f"{robot.name.lower()}_walk.npz"
    options = ("--task", f"NIL-{robot.name}-Walk", "--generator", "mocap", "--mocap", trajectory, "--output", "film")
    scripts.run("generate.py", *options, cwd=tmp_path)
    film = Reference.load(tmp_path / "film")
    found = lift(film.masks, film.rate, robot)

    skeleton = read_skeleton(robot, num_points=1)
    e0 = dict(zip(skeleton.joint_names, skeleton.e0.tolist(), strict=True))
    truth = mocap_motion(trajectory, robot, e0, film.rate)
    for name in _LEGS[robot.name]:
        mine, theirs = (list(motion["joint_names"]).index(name) for motion in (found.motion, truth))
        error = np.degrees(np.abs(found.motion["joint_pos"][:, mine] - truth["joint_pos"][:, theirs]))
        assert np.median(error) < 8.0, name
    with np.load(trajectory, allow_pickle=False) as file:
        last = round((len(film) - 1) * CLIP_RATE / film.rate)
        way = np.hypot(*(file[key][last] - file[key][0] for key in ground))
    assert found.speed == pytest.approx(way / film.duration, rel=0.1)
