# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Forward kinematics and layouts of two sticks, by hand."""

from __future__ import annotations

from dataclasses import replace
from math import cos, pi, sin
from pathlib import Path

import numpy as np
import pytest
import torch
from pxr import Usd, UsdGeom, UsdPhysics

from nil_ext.lift.export import in_order, loco_mujoco_layout, tracking_layout, write_layout
from nil_ext.lift.skeleton import Skeleton, read_skeleton
from nil_ext.robots.a1 import A1

# a quarter turn of the hip about +y carries what hangs down (-z) backwards (-x)
QUARTER = 0.5 * pi


def test_a_leg_swings_backwards_for_positive_angles(sticks: Skeleton):
    poses, origins, axes = sticks.forward(torch.tensor([[0.0, 0.0], [QUARTER, 0.0], [0.0, QUARTER]]))
    ends = sticks.surface(poses)[:, 2]
    expected = torch.tensor([[0.0, 0.0, -0.7], [-0.7, 0.0, 0.0], [-0.3, 0.0, -0.4]])
    torch.testing.assert_close(ends, expected, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(origins[1, 1], torch.tensor([-0.4, 0.0, 0.0]), atol=1e-6, rtol=0.0)
    torch.testing.assert_close(axes[1, 1], torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0.0)


def test_soles_hang_their_radius_below(sticks: Skeleton):
    poses, _, _ = sticks.forward(torch.tensor([[0.0, 0.0], [QUARTER, 0.0]]))
    soles = sticks.soles(poses)
    assert soles.shape == (2, 1, 1, 3)
    torch.testing.assert_close(soles[0, 0, 0], torch.tensor([0.0, 0.0, -0.7]), atol=1e-6, rtol=0.0)
    # the leg lies level, the sole's radius still points down
    torch.testing.assert_close(soles[1, 0, 0], torch.tensor([-0.69, 0.0, -0.01]), atol=1e-6, rtol=0.0)


def test_a_hip_moves_all_below_it(sticks: Skeleton):
    assert sticks.below.tolist() == [[False, True, True], [False, False, True]]
    assert sticks.e0.tolist() == [0.1, 0.2]


def _motion() -> dict[str, np.ndarray]:
    """Eleven frames at 10 Hz: the root 1 m/s forward, pitching at 0.5 rad/s; the hip at 1 rad/s. Joints reversed."""
    time = np.arange(11) / 10.0
    zeros = np.zeros_like(time)
    return {
        "joint_names": np.array(["knee", "hip"]),
        "joint_pos": np.stack([zeros, time], axis=1),
        "joint_vel": np.stack([zeros, zeros + 1.0], axis=1),
        "root_pose": np.stack(
            [time, zeros, zeros + 1.0, zeros, np.sin(0.25 * time), zeros, np.cos(0.25 * time)], axis=1
        ),
        "root_vel": np.stack([zeros + 1.0, zeros, zeros, zeros, zeros + 0.5, zeros], axis=1),
    }


def test_the_tracking_layout_places_bodies_in_the_world(sticks: Skeleton):
    layout = tracking_layout(_motion(), sticks, 10.0)
    assert layout["fps"].tolist() == [10.0]
    assert layout["joint_names"].tolist() == ["hip", "knee"]
    assert layout["joint_pos"][10].tolist() == pytest.approx([1.0, 0.0])
    # at 1 s the root is pitched by 0.5, the thigh by 1.5: the knee is 0.4 m along it
    knee = [1.0 - 0.4 * sin(1.5), 0.0, 1.0 - 0.4 * cos(1.5)]
    assert layout["body_pos_w"][10, 2].tolist() == pytest.approx(knee, abs=1e-5)
    assert np.abs(layout["body_quat_w"][10, 1]).tolist() == pytest.approx([cos(0.75), 0.0, sin(0.75), 0.0], abs=1e-5)
    # the thigh turns with the root and the hip: 0.5 + 1
    assert layout["body_ang_vel_w"][5, 1].tolist() == pytest.approx([0.0, 1.5, 0.0], abs=1e-4)
    assert layout["body_lin_vel_w"][5, 0].tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-5)


def test_another_order_is_by_name(sticks: Skeleton):
    layout = tracking_layout(_motion(), sticks, 10.0)
    other = in_order(layout, ["knee", "hip"], ["shank", "root"])
    np.testing.assert_array_equal(other["joint_pos"], layout["joint_pos"][:, ::-1])
    np.testing.assert_array_equal(other["body_pos_w"], layout["body_pos_w"][:, [2, 0]])
    assert other["body_names"].tolist() == ["shank", "root"]
    assert other["fps"] is layout["fps"]


def test_the_loco_mujoco_layout_has_its_loader_s_keys_only(sticks: Skeleton):
    layout = loco_mujoco_layout(_motion(), sticks, 10.0)
    assert set(layout) == {"joint_names", "frequency", "njnt", "jnt_type", "qpos", "qvel", "split_points"}
    assert layout["joint_names"].tolist() == ["root", "hip", "knee"]
    assert layout["jnt_type"].tolist() == [0, 3, 3]
    assert layout["qpos"][10].tolist() == pytest.approx([1.0, 0.0, 1.0, cos(0.25), 0.0, sin(0.25), 0.0, 1.0, 0.0])
    assert layout["qvel"][10].tolist() == pytest.approx([1.0, 0.0, 0.0, 0.0, 0.5, 0.0, 1.0, 0.0])
    assert layout["split_points"].tolist() == [0, 11]


def test_a_written_layout_loads_without_pickles(sticks: Skeleton, tmp_path: Path):
    write_layout(tmp_path / "out.npz", "tracking", _motion(), sticks, 10.0)
    with np.load(tmp_path / "out.npz", allow_pickle=False) as file:
        assert file["body_quat_w"].shape == (11, 3, 4)
        assert file["joint_vel"].dtype == np.float32


def test_only_what_is_seen_of_a_usd_counts(tmp_path: Path):
    """Hulls that are hidden would widen the robot, and a mesh without faces ended in a traceback."""
    stage = Usd.Stage.CreateNew(str(tmp_path / "rod.usda"))
    UsdPhysics.RigidBodyAPI.Apply(stage.DefinePrim("/rod", "Xform"))
    UsdGeom.Cube.Define(stage, "/rod/seen").GetSizeAttr().Set(0.2)
    UsdGeom.Mesh.Define(stage, "/rod/empty")
    UsdGeom.Scope.Define(stage, "/rod/hulls").MakeInvisible()
    UsdGeom.Cube.Define(stage, "/rod/hulls/hull")
    stage.Save()
    model = replace(A1.model, package="", path=str(tmp_path / "rod.usda"))
    rod = read_skeleton(replace(A1, model=model, feet=("rod",)), num_points=100)
    assert rod.points.abs().max().item() == pytest.approx(0.1)  # the hull's are 1 m from the middle
