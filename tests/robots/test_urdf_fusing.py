# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Fixed joints of a URDF fused: the same robot with fewer bodies. Pinocchio, which fuses for itself, is the judge."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pinocchio
import pytest

from nil_ext.errors import InputError
from nil_ext.robots.a1 import A1
from nil_ext.robots.model import model_file
from nil_ext.robots.urdf import fuse_fixed_joints, mass

ARM = """
<robot name="arm">
  <link name="frame"/>
  <joint name="mount" type="fixed"><parent link="frame"/><child link="base"/></joint>
  <link name="base"><inertial><mass value="2"/>
    <inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial></link>
  <joint name="weld" type="fixed"><parent link="base"/><child link="stub"/>
    <origin xyz="1 0 0" rpy="0 0 1.5707963267948966"/></joint>
  <link name="stub"><inertial><origin xyz="0.5 0 0"/><mass value="2"/>
    <inertia ixx="0.1" ixy="0" ixz="0" iyy="0.2" iyz="0" izz="0.3"/></inertial>
    <collision><origin xyz="0 0.25 0"/><geometry><sphere radius="0.1"/></geometry></collision></link>
  <joint name="elbow" type="revolute"><parent link="stub"/><child link="hand"/><origin xyz="0 0 1"/>
    <axis xyz="0 1 0"/><limit lower="-1" upper="1" effort="1" velocity="1"/></joint>
  <link name="hand"><inertial><mass value="1"/>
    <inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial></link>
</robot>
"""


@pytest.fixture
def arm(tmp_path: Path) -> Path:
    file = tmp_path / "arm.urdf"
    file.write_text(ARM)
    return file


def numbers(element: ET.Element | None, key: str) -> list[float]:
    return [float(value) for value in element.get(key).split()]


def test_masses_add_up_about_the_common_centre(arm: Path, tmp_path: Path):
    fuse_fixed_joints(arm, tmp_path / "fused.urdf")
    robot = ET.parse(tmp_path / "fused.urdf").getroot()
    assert [link.get("name") for link in robot.findall("link")] == ["base", "hand"]
    base = robot.find("link[@name='base']")
    assert mass(base) == 4.0
    # the stub's frame is at (1, 0, 0), turned by 90 degrees: its centre (0.5, 0, 0) is at (1, 0.5, 0)
    assert numbers(base.find("inertial/origin"), "xyz") == pytest.approx([0.5, 0.25, 0.0])
    # each mass of 2 is (±0.5, ±0.25, 0) from the centre; the stub's x and y moments change places with the turn
    inertia = {key: float(value) for key, value in base.find("inertial/inertia").attrib.items()}
    assert inertia["ixx"] == pytest.approx(1.0 + 0.2 + 4 * 0.25**2)
    assert inertia["iyy"] == pytest.approx(1.0 + 0.1 + 4 * 0.5**2)
    assert inertia["izz"] == pytest.approx(1.0 + 0.3 + 4 * (0.5**2 + 0.25**2))
    assert inertia["ixy"] == pytest.approx(-4 * 0.5 * 0.25)


def test_shapes_and_joints_keep_their_places(arm: Path, tmp_path: Path):
    fuse_fixed_joints(arm, tmp_path / "fused.urdf")
    robot = ET.parse(tmp_path / "fused.urdf").getroot()
    assert numbers(robot.find("link[@name='base']/collision/origin"), "xyz") == pytest.approx([0.75, 0.0, 0.0])
    elbow = robot.find("joint[@name='elbow']")
    assert elbow.find("parent").get("link") == "base"
    assert numbers(elbow.find("origin"), "xyz") == pytest.approx([1.0, 0.0, 1.0])
    assert numbers(elbow.find("origin"), "rpy") == pytest.approx([0.0, 0.0, np.pi / 2])


def test_a_locked_joint_is_fused_and_a_kept_link_stays(arm: Path, tmp_path: Path):
    fuse_fixed_joints(arm, tmp_path / "fused.urdf", keep=("stub",), locked=("elbow",))
    robot = ET.parse(tmp_path / "fused.urdf").getroot()
    assert {link.get("name"): mass(link) for link in robot.findall("link")} == {"base": 2.0, "stub": 3.0}


def test_unknown_names_and_broken_files_are_refused(arm: Path, tmp_path: Path):
    with pytest.raises(InputError, match="has no finger, nose: correct the robot's description"):
        fuse_fixed_joints(arm, tmp_path / "fused.urdf", keep=("nose",), locked=("finger",))
    arm.write_text("<robot><link></robot>")
    with pytest.raises(InputError, match=r"arm\.urdf' cannot be read as URDF"):
        fuse_fixed_joints(arm, tmp_path / "fused.urdf")
    assert not (tmp_path / "fused.urdf").exists()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('<parent link="base"/>', "", "joint 'weld' has no link as its parent"),
        ('<child link="hand"/>', '<child link="hnd"/>', "joint 'elbow' has 'hnd', which is no link, as its child"),
        ('<mass value="1"/>', "", "link 'hand' has an inertial without a number as mass value"),
        ('iyy="0.2" iyz="0" ', "", "link 'stub' has an inertial without a number as inertia iyy, iyz"),
        ('<mass value="1"/>', '<mass value="heavy"/>', "link 'hand' has an inertial without a number as mass value"),
        ('xyz="1 0 0"', 'xyz="1 0"', "an origin has xyz='1 0', not three numbers"),
        ('<sphere radius="0.1"/>', "<mesh/>", "a mesh has no filename"),
    ],
)
def test_what_a_file_lacks_is_named(arm: Path, tmp_path: Path, old: str, new: str, told: str):
    assert old in ARM
    arm.write_text(ARM.replace(old, new, 1))
    with pytest.raises(InputError) as refusal:
        fuse_fixed_joints(arm, tmp_path / "fused.urdf")
    assert str(refusal.value) == f"Robot model '{arm}' is no complete URDF: {told}."
    assert not (tmp_path / "fused.urdf").exists()


def test_the_fused_a1_moves_like_the_original(tmp_path: Path):
    source = model_file(A1.model.package, A1.model.path)
    fuse_fixed_joints(source, tmp_path / "a1.urdf", A1.model.keep_links)
    models = [
        pinocchio.buildModelFromUrdf(str(file), pinocchio.JointModelFreeFlyer())
        for file in (source, tmp_path / "a1.urdf")
    ]
    assert list(models[0].names) == list(models[1].names)
    rng = np.random.default_rng(0)
    for _ in range(5):
        q = np.concatenate([rng.normal(size=3), [0.0, 0.0, 0.0, 1.0], rng.uniform(-1.0, 1.0, models[0].nq - 7)])
        before, after = (pinocchio.crba(model, model.createData(), q) for model in models)
        assert np.allclose(before, after, atol=1e-9)  # the joint-space mass matrix holds every mass and inertia
