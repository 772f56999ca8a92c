# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Trajectories: LocoMuJoCo's files in our names and frames, recordings, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nil_ext.errors import InputError
from nil_ext.rl.imitation import Trajectories, load_trajectories, state_names, write_rollouts
from nil_ext.rl.imitation.mocap_states import mocap_states
from nil_ext.robots.joint_names import match_names


def columns(trajectories: Trajectories, name: str) -> np.ndarray:
    return trajectories.pieces[0][:, [trajectories.names.index(f"{name}.{axis}") for axis in "xyz"]]


def test_names_are_matched_with_and_without_the_converters_number():
    theirs = ["joint_pos.torso", "joint_pos.j_1", "joint_pos.j_2"]
    assert match_names(["joint_pos.torso_1", "joint_pos.j_2", "joint_pos.j_1", "root_height"], theirs) == [
        0,
        2,
        1,
        None,
    ]


def recording(path: Path, **changes) -> Path:
    """Two episodes of a robot with one joint: joint_pos counts the samples, everything else is 0."""
    names = state_names(["knee"])
    episodes = []
    for length in (4, 3):
        states = np.zeros((length, len(names)))
        states[:, names.index("joint_pos.knee")] = np.arange(length)
        zeros = {"observations": np.zeros((length, 5)), "actions": np.zeros((length, 1))}
        episodes.append({"states": states, "root_pose": np.zeros((length, 7)), **zeros})
    settings = {"task": "NIL-A1-Walk", "robot": "A1", "rate": 50.0, "joint_names": ["knee"], "state_names": names}
    settings |= {"observation_terms": [("a", 2), ("b", 3)], "episodes": episodes} | changes
    write_rollouts(path, **settings)
    return path


def test_a_recording_comes_back_and_gives_every_pair_a_step_apart(tmp_path):
    path = recording(tmp_path / "one.npz")
    with np.load(path, allow_pickle=False) as file:
        assert file["split_points"].tolist() == [0, 4, 7]
        assert file["observation_names"].tolist() == ["a", "b"]
        assert file["states"].dtype == np.float32
    read = load_trajectories(path, "A1")
    assert (read.rate, [len(piece) for piece in read.pieces]) == (50.0, [4, 3])
    knee = read.names.index("joint_pos.knee")
    same = read.transitions(state_names(["knee"]), 50.0)
    assert same.states[:, knee].tolist() == [0, 1, 2, 0, 1]
    assert same.next_states[:, knee].tolist() == [1, 2, 3, 1, 2]
    assert same.known.tolist() == [1.0] * 12
    half = read.transitions(["joint_pos.hip", "joint_pos.knee"], 20.0)  # 2.5 samples later: between two
    assert half.next_states.tolist() == [[0.0, 2.5]]
    assert half.known.tolist() == [0.0, 1.0]


def test_a_folder_is_read_as_one(tmp_path):
    recording(tmp_path / "a.npz"), recording(tmp_path / "b.npz")
    assert len(load_trajectories(tmp_path, "A1").pieces) == 4
    recording(tmp_path / "c.npz", rate=25.0)
    with pytest.raises(InputError, match="differ in rate"):
        load_trajectories(tmp_path, "A1")


def test_what_cannot_be_used_is_refused(tmp_path):
    path = recording(tmp_path / "one.npz")
    with pytest.raises(InputError, match="shows robot A1, not H1"):
        load_trajectories(path, "H1")
    with pytest.raises(InputError, match="has 50 samples a second, the environment 100 steps"):
        load_trajectories(path, "A1").transitions(state_names(["knee"]), 100.0)
    with pytest.raises(InputError, match="shares no joint"):
        load_trajectories(path, "A1").transitions(state_names(["wing"]), 50.0)
    with pytest.raises(InputError, match="no two states a control step apart"):
        load_trajectories(path, "A1").transitions(state_names(["knee"]), 1.0)
    for place in (tmp_path / "gone.npz", tmp_path / "empty"):
        with pytest.raises(InputError, match="No trajectories at"):
            load_trajectories(place, "A1")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"one\.npy' holds no trajectories \(a single array without a name\)"):
        load_trajectories(tmp_path / "one.npy", "A1")
    (tmp_path / "text.npz").write_text("none")
    with pytest.raises(InputError, match="holds no trajectories"):
        load_trajectories(tmp_path / "text.npz", "A1")
    np.savez(tmp_path / "wings.npz", q_wing=np.zeros(9))
    with pytest.raises(InputError, match=r"joints that A1 does not have \(wing\)"):
        load_trajectories(tmp_path / "wings.npz", "A1")
    np.savez(tmp_path / "still.npz", q_FR_hip_joint=np.zeros(9))
    with pytest.raises(InputError, match="lacks dq_FR_hip_joint"):
        load_trajectories(tmp_path / "still.npz", "A1")
    np.savez(tmp_path / "half.npz", state_names=np.array(["a"]))
    with pytest.raises(InputError, match="is no whole recording"):
        load_trajectories(tmp_path / "half.npz", "A1")


def test_the_roots_chain_is_turned_into_its_own_frame():
    """A pelvis pitched nose-down by 0.3 rad (tilt is about -y) that moves forward at 1 m/s and turns at 0.2 rad/s."""
    arrays = {f"{kind}_pelvis_{name}": np.zeros(3) for kind in ("q", "dq") for name in ("tx", "tz", "ty")}
    arrays |= {f"{kind}_pelvis_{name}": np.zeros(3) for kind in ("q", "dq") for name in ("tilt", "list", "rotation")}
    arrays |= {f"{kind}_knee_angle_l": np.full(3, value) for kind, value in (("q", 0.5), ("dq", 2.0))}
    arrays["q_pelvis_tilt"] -= 0.3
    arrays["dq_pelvis_tx"] += 1.0
    arrays["dq_pelvis_rotation"] += 0.2
    names, [states] = mocap_states(arrays, [], "H1", "it")
    values = dict(zip(names, states[0], strict=True))
    turn = Rotation.from_euler("y", 0.3)
    expected = {"gravity": turn.inv().apply([0, 0, -1]), "root_lin_vel": turn.inv().apply([1, 0, 0])}
    for name, vector in expected.items():
        assert [values[f"{name}.{axis}"] for axis in "xyz"] == pytest.approx(vector.tolist())
    # the hinge "rotation" comes last: its axis is the pelvis's own z
    assert [values[f"root_ang_vel.{axis}"] for axis in "xyz"] == pytest.approx([0.0, 0.0, 0.2])
    assert (values["joint_pos.left_knee"], values["joint_vel.left_knee"]) == (0.5, 2.0)
    assert not any("root_height" in name for name in names)


@pytest.mark.parametrize(
    ("robot", "speed", "joints"), [("H1", 1.28, 19), ("G1", 0.98, 13), ("Talos", 1.18, 20), ("A1", 0.2, 12)]
)
def test_locomujocos_files_fit(shared, robot, speed, joints):
    read = load_trajectories(shared / "mocap" / f"{robot.lower()}_walk.npz", robot)
    assert read.rate == 500.0
    assert len([name for name in read.names if name.startswith("joint_pos")]) == joints
    assert columns(read, "root_lin_vel")[:, 0].mean() == pytest.approx(speed, abs=0.04)
    assert columns(read, "gravity")[:, 2].max() < -0.99
    # the derivative of the root's down is its turning: g' = -w x g
    gravity, turning = columns(read, "gravity"), columns(read, "root_ang_vel")
    derivative = np.gradient(gravity, 1.0 / read.rate, axis=0)
    error = np.abs(derivative + np.cross(turning, gravity))[1:-1].mean()
    assert error < 0.1 * np.abs(derivative).mean() + 0.02
    # so is that of a joint its velocity
    first = next(name for name in read.names if name.startswith("joint_pos"))
    angle, velocity = (read.pieces[0][:, read.names.index(name)] for name in (first, first.replace("pos", "vel")))
    assert np.corrcoef(np.gradient(angle), velocity)[0, 1] > 0.9
