# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A reference whose camera looks down: the lift finds by how much, and rollouts are filmed from there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from motion_checks import angle_errors, overlap, poses_of
from nil_ext.lift.lifted_reference import moved_to
from nil_ext.lift.lifting import lift
from nil_ext.lift.silhouette import Puppet
from nil_ext.lift.skeleton import read_skeleton
from nil_ext.reference import Reference
from nil_ext.robots.a1 import A1
from nil_ext.tasks import mdp
from nil_ext.tasks.embedded import view_of

ELEVATION = 12.0
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "generate.py"

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The A1's sketch, drawn by the simulator from above."""
    folder = tmp_path_factory.mktemp("sketch") / "from_above"
    setting = f"env.commands.reference.camera_elevation={ELEVATION:g}"
    command = [sys.executable, SCRIPT, "--task", "NIL-A1-Walk", "--device", "cpu", "--duration", "1.3", setting]
    subprocess.run([*command, "--output", folder], check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def sketch(folder: Path) -> Reference:
    return Reference.load(folder)


def test_the_puppet_seen_from_above_is_the_robot_seen_from_above(sketch: Reference):
    skeleton, overlaps = read_skeleton(A1), []
    for elevation in (ELEVATION, 0.0):
        puppet = Puppet(skeleton, A1, elevation=elevation)
        drawn = puppet.draw(poses_of(puppet, sketch.motion)[::8], sketch.masks.shape[1]) > 0.5
        overlaps.append(overlap(drawn, sketch.masks[::8]).min())
    above, side = overlaps
    assert above > 0.93
    assert side < 0.8


def test_the_lift_finds_how_far_a_camera_looks_down(sketch: Reference):
    lifted = lift(sketch.masks, sketch.rate, A1)
    assert lifted.about["camera_elevation"] == pytest.approx(ELEVATION, abs=2.0)
    truth = sketch.motion
    errors = angle_errors(lifted.motion, truth, lifted.joints)
    assert max(errors.values()) < 5.0, errors
    speed = truth["root_pose"][-1, 0] * sketch.rate / (len(sketch) - 1)
    assert lifted.speed == pytest.approx(speed, rel=0.1)
    moved = moved_to(sketch, lifted)
    assert view_of(moved) == (0.0, lifted.about["camera_elevation"])
    # what is the robot at its own size, on the ground, already stays where it is
    assert overlap(moved.masks, sketch.masks).mean() > 0.9


def test_rollouts_are_filmed_from_where_the_reference_is_seen(folder: Path, sketch: Reference, open_env, place):
    settings = ("start_along_reference=0.0", "lost_below=0.0", "mask_score=iou", "film_every=1", f"path={folder}")
    overrides = ("presets=cpu,position", *(f"env.commands.reference.{text}" for text in settings))
    motion = sketch.resample(25.0).motion
    with open_env(*overrides, num_envs=2, size=sketch.masks.shape[1], task="NIL-A1-Walk") as env:
        env.reset()
        reference = env.unwrapped.command_manager.get_term("reference")
        order = [list(motion["joint_names"]).index(name) for name in reference.robot.joint_names]
        for frame in (0, 4, 9):
            place(env, root_pose=motion["root_pose"][frame], joint_pos=motion["joint_pos"][frame][order])
            env.unwrapped.episode_length_buf[:] = frame
            env.unwrapped.common_step_counter += 1
            assert mdp.mask_iou(env.unwrapped).min() > 0.999
