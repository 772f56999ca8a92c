# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Models found in packages and converted to USD once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pxr import Usd, UsdPhysics, UsdShade

from nil_ext.errors import InputError
from nil_ext.robots.h1 import H1
from nil_ext.robots.model import model_file, usd_file

GREY = (0.3, 0.3, 0.3)

PENDULUM = """
<mujoco model="pendulum">
  <asset><material name="black" rgba="0 0 0 1"/></asset>
  <worldbody>
    <body name="rod" pos="0 0 1">
      <joint name="hinge" type="hinge" axis="0 1 0"/>
      <geom type="box" size="0.05 0.05 0.5" mass="{mass}" material="black"/>
    </body>
  </worldbody>
</mujoco>
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "robots"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a model of one joint; its folder."""
    folder = tmp_path / "packages" / "pendulum_models"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "pendulum.xml").write_text(PENDULUM.format(mass=2.0))
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def convert(colour: tuple[float, float, float] = GREY) -> Path:
    return usd_file("pendulum_models", "pendulum.xml", colour)


def colours(usd: Path) -> set[tuple[float, ...]]:
    """Diffuse colours of every material."""
    stage = Usd.Stage.Open(str(usd))
    inputs = [
        UsdShade.Material(prim).GetInput("diffuseColor") for prim in stage.TraverseAll() if prim.IsA(UsdShade.Material)
    ]
    return {tuple(round(v, 4) for v in found.Get()) for found in inputs if found}


def mass(stage: Usd.Stage) -> float:
    """Mass of all bodies [kg]."""
    bodies = [prim for prim in stage.TraverseAll() if prim.HasAPI(UsdPhysics.MassAPI)]
    return sum(UsdPhysics.MassAPI(prim).GetMassAttr().Get() for prim in bodies)


def test_second_call_converts_nothing(package: Path, cache: Path):
    first = convert()
    assert first.parent.parent == cache
    stamps = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in cache.rglob("*")}
    assert convert() == first
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in cache.rglob("*")} == stamps


def test_another_colour_is_another_folder(package: Path, cache: Path):
    grey, red = convert(), convert((0.8, 0.1, 0.1))
    assert grey.parent != red.parent
    assert colours(grey) == {GREY}
    assert colours(red) == {(0.8, 0.1, 0.1)}
    assert len(list(cache.iterdir())) == 2  # and no scratch folder beside them


def test_a_changed_model_is_converted_anew_and_a_touched_one_is_not(package: Path):
    first = convert()
    os.utime(package / "pendulum.xml", (1, 1))
    assert convert() == first
    (package / "pendulum.xml").write_text(PENDULUM.format(mass=3.0))
    second = convert()
    assert second != first
    assert mass(Usd.Stage.Open(str(second))) == pytest.approx(3.0)


def test_a_broken_model_leaves_nothing_behind(package: Path, cache: Path):
    (package / "pendulum.xml").write_text("<mujoco><worldbody><body></mujoco>")
    with pytest.raises(Exception, match=r"(?i)xml"):
        convert()
    assert not cache.exists() or not list(cache.iterdir())


def test_missing_package_and_missing_file_are_named(package: Path):
    with pytest.raises(InputError, match="'no_such_models' is not installed"):
        model_file("no_such_models", "robot.xml")
    with pytest.raises(InputError, match=r"robot\.xml' is missing: reinstall the package 'pendulum_models'"):
        model_file("pendulum_models", "robot.xml")


def test_h1_keeps_its_joints_and_mass_in_usd():
    stage = Usd.Stage.Open(str(usd_file(H1.model.package, H1.model.path, H1.colour)))
    joints = [prim.GetName() for prim in stage.TraverseAll() if prim.IsA(UsdPhysics.RevoluteJoint)]
    assert len(joints) == 19
    assert mass(stage) == pytest.approx(H1.mass, abs=1e-3)
