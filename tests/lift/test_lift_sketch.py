# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The lift on a sketch, whose angles are known, and what it refuses."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nil_ext.errors import InputError
from nil_ext.lift.lifting import Lifted, lift, require_accepted
from nil_ext.lift.search import LiftSettings
from nil_ext.lift.silhouette import NUM_ROOT, Puppet
from nil_ext.lift.skeleton import read_skeleton
from nil_ext.reference import Reference
from nil_ext.reference.verdict import times_of
from nil_ext.robots.a1 import A1
from nil_ext.robots.h1 import H1
from nil_ext.tasks.embedded import ASSETS

FRAMES = 41
"""Frames of the sketch at 50 Hz that are lifted: two strides of 0.4 s."""


@pytest.fixture(scope="module")
def sketch() -> Reference:
    return Reference.load(ASSETS / "references" / "NIL-A1-Walk")


@pytest.fixture(scope="module")
def lifted(sketch: Reference) -> Lifted:
    return lift(sketch.masks[:FRAMES], sketch.rate, A1)


def test_the_puppet_is_the_robot(sketch: Reference):
    puppet = Puppet(read_skeleton(A1), A1)
    assert sorted(puppet.joint_names) == sorted(
        f"{leg}_{part}_joint" for leg in ("FL", "FR", "RL", "RR") for part in ("thigh", "calf")
    )
    motion, rows = sketch.motion, slice(0, 100, 10)
    order = [list(motion["joint_names"]).index(name) for name in puppet.joint_names]
    poses = np.zeros((10, NUM_ROOT + len(order)))
    poses[:, 3] = 1.0
    poses[:, 1], poses[:, NUM_ROOT:] = motion["root_pose"][rows, 2], motion["joint_pos"][rows][:, order]
    drawn, masks = puppet.draw(poses, sketch.masks.shape[1]) > 0.5, sketch.masks[rows]
    # against the simulator's own pictures: outlines that are carried along miss a pixel or so at the joints
    assert ((drawn & masks).sum(axis=(1, 2)) / (drawn | masks).sum(axis=(1, 2))).min() > 0.95


def test_angles_and_speed_of_a_sketch(sketch: Reference, lifted: Lifted):
    motion, truth = lifted.motion, sketch.motion
    for name in lifted.joints:
        mine, theirs = (list(values["joint_names"]).index(name) for values in (motion, truth))
        error = np.degrees(np.abs(motion["joint_pos"][:, mine] - truth["joint_pos"][:FRAMES, theirs]))
        assert np.median(error) < 5.0, name
    np.testing.assert_allclose(motion["root_pose"][:, 2], truth["root_pose"][:FRAMES, 2], atol=0.01)
    assert lifted.speed == pytest.approx(0.5, rel=0.15)  # over two strides
    assert lifted.accepted
    assert motion["iou"].mean() > 0.85
    assert lifted.about["supported"] > 0.8  # in the sketch, a trot, a diagonal stands at any time


def test_a_lifted_motion_makes_a_reference(sketch: Reference, lifted: Lifted):
    reference = Reference(sketch.frames[:FRAMES], sketch.masks[:FRAMES], sketch.rate, {}, lifted.motion)
    resampled = reference.resample(25.0).motion
    assert resampled["joint_pos"].shape == (21, 12)
    # start states along it take the joints by the simulator's names, as the sketch has them
    assert set(resampled["joint_names"]) == set(sketch.motion["joint_names"])
    assert resampled["foot_names"].tolist() == list(A1.feet)
    assert set(np.unique(lifted.motion["contact"])) <= {0.0, 1.0}


def test_a_clip_without_perspective_is_lifted_as_one():
    walk = Reference.load(ASSETS / "references" / "NIL-H1-Walk")
    skeleton = read_skeleton(H1)
    puppet = Puppet(skeleton, H1, farther=4.0)
    rows = slice(5, 57, 2)  # a stride and a little more at 25 Hz
    order = [list(walk.motion["joint_names"]).index(name) for name in puppet.joint_names]
    poses = np.zeros((26, NUM_ROOT + len(order)))
    poses[:, 3] = 1.0
    poses[:, 1], poses[:, NUM_ROOT:] = walk.motion["root_pose"][rows, 2], walk.motion["joint_pos"][rows][:, order]
    found = lift(puppet.draw(poses, 112) > 0.5, 25.0, H1, LiftSettings(library=4000, candidates=3))
    assert found.about["camera_distance"] >= 2.0 * H1.camera.distance
    for joint in ("hip_pitch", "knee"):
        # nothing says which leg is the near one
        mine = [list(found.motion["joint_names"]).index(f"{side}_{joint}") for side in ("left", "right")]
        theirs = [list(walk.motion["joint_names"]).index(f"{side}_{joint}") for side in ("left", "right")]
        error = [
            np.abs(found.motion["joint_pos"][:, m] - walk.motion["joint_pos"][rows][:, theirs])
            for m in (mine, mine[::-1])
        ]
        assert min(np.degrees(np.median(each)) for each in error) < 5.0, joint


def test_what_shows_another_figure_is_refused_with_its_times(sketch: Reference):
    masks = np.zeros((12, 224, 224), dtype=bool)
    masks[:, 10:210, 105:120] = True  # a post
    refused = lift(masks, 12.0, A1, LiftSettings(library=500, candidates=2))
    assert not refused.accepted
    with pytest.raises(InputError, match=r"0\.00 to 0\.92 s.*no pose of this robot"):
        require_accepted(refused, 12.0)


def test_a_clip_of_few_frames_is_refused(sketch: Reference):
    with pytest.raises(InputError, match="4 frames at 50 Hz are too few to lift"):
        lift(sketch.masks[:4], sketch.rate, A1)


def test_times_are_those_of_the_longest_stretches():
    assert times_of(np.array([0, 1, 2, 9]), 10.0) == "0.00 to 0.20 s, 0.90 s"
    assert times_of(np.arange(0, 14, 2), 10.0).endswith("and 2 more stretches")


def test_no_simulator_is_needed():
    code = "import sys, nil_ext.lift.lifting, nil_ext.lift.export; print('isaaclab' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
