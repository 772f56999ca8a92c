# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Joint errors against clips made up here, and LocoMuJoCo's files against the robots' models."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from nil_ext.errors import InputError
from nil_ext.evaluation.mocap import CLIP_RATE, MocapClip, joint_error, load_mocap, shared_joints
from nil_ext.evaluation.mocap_joints import MOCAP_JOINTS
from nil_ext.robots.h1 import H1
from nil_ext.robots.model import model_file

NAMES = ("left_knee", "right_knee")


def motion(seconds: np.ndarray) -> np.ndarray:
    """Knees that swing at 1 Hz. Shape is (T, 2)."""
    return np.stack([np.sin(2 * np.pi * seconds), np.cos(2 * np.pi * seconds)], axis=-1)


@pytest.fixture(scope="module")
def clip() -> MocapClip:
    return MocapClip(NAMES, (motion(np.arange(500) / CLIP_RATE),))


def at(rate: float, start: float, seconds: float) -> np.ndarray:
    return motion(start + np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize("rate", [25.0, 100.0])
def test_a_stretch_of_the_clip_has_no_error_wherever_it_starts(clip: MocapClip, rate: float):
    assert joint_error(at(rate, 0.3, 0.5), NAMES, clip, rate) == pytest.approx(0.0, abs=1e-9)


def test_joints_are_compared_by_name_and_unknown_ones_left_out(clip: MocapClip):
    left, right = at(25.0, 0.3, 0.5).T
    shuffled = np.stack([right, np.full_like(left, 9.0), left], axis=1)
    assert joint_error(shuffled, ("right_knee", "head", "left_knee"), clip, 25.0) == pytest.approx(0.0, abs=1e-9)


def test_a_joint_that_the_usd_converter_had_to_rename_is_the_same(clip: MocapClip):
    assert shared_joints(clip, ("right_knee_1", "left_knee", "left_knee_link", "head")) == [(0, 1), (1, 0)]


def test_a_joint_that_is_off_by_a_tenth_counts_half_of_it(clip: MocapClip):
    """Of two joints. A shift that small finds no better place in the clip."""
    off = at(25.0, 0.3, 0.48) + np.array([0.1, 0.0])
    assert joint_error(off, NAMES, clip, 25.0) == pytest.approx(0.05, abs=2e-3)


def test_standing_still_is_an_error(clip: MocapClip):
    assert joint_error(np.tile(motion(np.array(0.25)), (50, 1)), NAMES, clip, 25.0) > 0.3


def test_no_stretch_runs_over_the_seam_of_two_clips():
    one, other = np.zeros((300, 2)), np.ones((300, 2))
    clip = MocapClip(NAMES, (one, other))
    # the jump lies in the middle of a piece: half of its frames are wrong by 1
    middle = np.concatenate([np.zeros((25, 2)), np.ones((25, 2))])
    assert joint_error(middle, NAMES, clip, 100.0) == pytest.approx(0.5)
    assert np.isnan(joint_error(middle[:40], NAMES, clip, 100.0))  # 0.4 s are no whole piece


def test_bad_files_are_refused_in_a_sentence(tmp_path: Path):
    with pytest.raises(InputError, match="No such mocap file"):
        load_mocap(tmp_path / "nope.npz", "H1")
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(InputError, match="is no mocap file"):
        load_mocap(tmp_path / "text.npz", "H1")
    (tmp_path / "empty.npz").touch()
    np.save(tmp_path / "one.npy", np.zeros(500))
    np.savez(tmp_path / "scalar.npz", q_knee_angle_l=1.0)
    np.savez(tmp_path / "words.npz", q_knee_angle_l=np.array(["a"] * 500))
    np.savez(tmp_path / "uneven.npz", q_knee_angle_l=np.zeros(500), q_knee_angle_r=np.zeros(400))
    np.savez(tmp_path / "cut.npz", q_knee_angle_l=np.zeros(500), split_points=3)
    for name, reason in {
        "empty.npz": "no whole archive: No data left in file",
        "one.npy": "a single array without a name",
        "scalar.npz": "its columns are no rows of numbers",
        "words.npz": "its columns are no rows of numbers",
        "uneven.npz": "its columns differ in length",
        "cut.npz": "iteration over a 0-d array",
    }.items():
        with pytest.raises(InputError, match=rf"is no mocap file \({reason}\): give one of"):
            load_mocap(tmp_path / name, "H1")
    np.savez(tmp_path / "wings.npz", q_left_wing=np.zeros(10), q_knee_angle_l=np.zeros(10), q_pelvis_tx=np.zeros(10))
    with pytest.raises(InputError, match=r"joints that H1 does not have \(left_wing\)"):
        load_mocap(tmp_path / "wings.npz", "H1")
    np.savez(tmp_path / "short.npz", q_knee_angle_l=np.zeros(250))
    with pytest.raises(InputError, match=r"is shorter than 0\.5 s"):
        load_mocap(tmp_path / "short.npz", "H1")
    np.savez(tmp_path / "root.npz", q_pelvis_tx=np.zeros(10))
    with pytest.raises(InputError, match="holds no joint angles"):
        load_mocap(tmp_path / "root.npz", "H1")


@pytest.mark.parametrize(("robot", "joints"), [("H1", 19), ("G1", 13), ("Talos", 20), ("A1", 12)])
def test_locomujoco_s_files_are_read(shared: Path, robot: str, joints: int):
    clip = load_mocap(shared / "mocap" / f"{robot.lower()}_walk.npz", robot)
    assert len(set(clip.joint_names)) == joints
    assert [piece.shape for piece in clip.pieces] == [(500, joints)] * (3 if robot == "A1" else 1)
    assert all(np.abs(piece).max() < np.pi for piece in clip.pieces)


def test_another_robot_s_file_is_refused(shared: Path):
    with pytest.raises(InputError, match="joints that H1 does not have"):
        load_mocap(shared / "mocap" / "g1_walk.npz", "H1")


def test_with_our_names_the_h1_walks(shared: Path):
    """On its own model the foot that is lower moves back as fast as the body moves on: signs and zeros are right."""
    clip = load_mocap(shared / "mocap" / "h1_walk.npz", "H1")
    model = mujoco.MjModel.from_xml_path(str(model_file(H1.model.package, H1.model.path)))
    data = mujoco.MjData(model)
    [piece] = clip.pieces
    feet = np.empty((len(piece), 2, 3))
    for frame, angles in enumerate(piece):
        for name, angle in zip(clip.joint_names, angles, strict=True):
            data.joint(name).qpos[0] = angle
            low, high = model.joint(name).range
            assert low - 0.05 <= angle <= high + 0.05, name
        mujoco.mj_kinematics(model, data)
        feet[frame] = [data.body(f"{side}_ankle_link").xpos for side in ("left", "right")]
    lower = feet[:-1, :, 2].argmin(axis=1)
    back = (np.diff(feet[..., 0], axis=0) * CLIP_RATE)[np.arange(len(lower)), lower]
    with np.load(shared / "mocap" / "h1_walk.npz") as file:
        speed = file["dq_pelvis_tx"].mean()
    assert -np.median(back) == pytest.approx(speed, rel=0.2)
    assert set(MOCAP_JOINTS["H1"].values()) - {None} == {model.joint(i).name for i in range(1, model.njnt)}
