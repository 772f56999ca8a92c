# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Robots of the user's own: what docs/robots.md says, done with the Go2, and files with mistakes in them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import mujoco_usd_converter  # noqa: F401  (its schemas are unknown where the process has opened a stage before)
import pinocchio
import pytest
from pxr import Usd, UsdPhysics

from nil_ext.errors import InputError
from nil_ext.reference import Reference
from nil_ext.robots.a1 import A1, A1_WALK
from nil_ext.robots.model import content_hash, model_file, usd_file
from nil_ext.robots.user import RobotFile, dump_toml, load_robot_file

ROOT = Path(__file__).resolve().parents[2]
GO2 = ROOT / "docs/examples/go2.toml"

HOPPER = """
<mujoco model="hopper">
  <compiler angle="radian"/>
  <worldbody>
    <body name="trunk" pos="0 0 1">
      <freejoint/>
      <geom type="box" size="0.1 0.1 0.1" mass="3"/>
      <body name="leg" pos="0 0 -0.1">
        <joint name="hip" axis="0 1 0" range="-1 1" limited="true"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.5" size="0.03" mass="1"/>
        <body name="shank" pos="0 0 -0.5">
          <joint name="knee" axis="0 1 0" range="0 2" limited="true"/>
          <geom type="capsule" fromto="0 0 0 0 0 -0.37" size="0.03" mass="0.5"/>
        </body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""

FACTS = """
name = "Hopper"
torso = "trunk"
feet = ["shank"]
sole_points = [[0.0, 0.0, -0.37]]
sole_radius = 0.03
start_height = 1.0
start_joint_pos = {}
effort_limits = {".*" = 50.0}
stiffness = {".*" = 100.0}
damping = {hip = 2.0, knee = 1.0}
action_scale = {".*" = 0.5}

[model]
path = "hopper.xml"

[fall]
height = [-0.3, inf]
tilt = [-0.5, 0.5]
list = [-0.5, 0.5]
heading = [-inf, inf]
"""

SKETCH = """
[sketch]
hip_offset = [0.0, -0.1]
sole = 0.03
hip_height = {height}
stance_centre = 0.0
speed = 0.3
stride_time = 0.4
duty = 0.5
clearance = 0.02

[[sketch.legs]]
hip = "{hip}"
knee = "knee"
thigh = 0.5
shank = 0.37
phase = 0.0
"""


def write_usd_robot(path: Path, joints: int = 2) -> None:
    """The hopper's bodies and joints as USD."""
    stage = Usd.Stage.CreateInMemory()
    for name in ("trunk", "leg", "shank"):
        UsdPhysics.RigidBodyAPI.Apply(stage.DefinePrim(f"/hopper/{name}", "Xform"))
    for name in ("hip", "knee")[:joints]:
        UsdPhysics.RevoluteJoint.Define(stage, f"/hopper/{name}")
    stage.GetRootLayer().Export(str(path))


@pytest.fixture
def write(tmp_path: Path):
    """``write(facts, model)``: a robot file beside its model."""

    def to_disk(facts: str = FACTS, model: str | None = HOPPER, name: str = "hopper.toml") -> Path:
        if model is not None:
            (tmp_path / "hopper.xml").write_text(model)
        (tmp_path / name).write_text(facts)
        return tmp_path / name

    return to_disk


@pytest.fixture
def refused(write):
    """``refused(facts, model)``: the lines about what is wrong with it."""

    def lines(*arguments: str | None) -> list[str]:
        with pytest.raises(InputError) as refusal:
            load_robot_file(write(*arguments))
        head, *rest = str(refusal.value).splitlines()
        assert head.startswith("Robot file '")
        assert "hopper.toml" in head
        return [line.strip() for line in rest]

    return lines


def test_example_is_the_go2_of_its_package():
    loaded = load_robot_file(GO2)
    robot, sketch = loaded.robot, loaded.sketch
    source = pinocchio.buildModelFromUrdf(
        str(model_file(robot.model.package, robot.model.path)), pinocchio.JointModelFreeFlyer()
    )
    assert robot.mass == pytest.approx(pinocchio.computeTotalMass(source), abs=1e-6)
    for name in list(source.names)[2:]:
        limit = 45.43 if "calf" in name else 23.7
        assert source.effortLimit[source.joints[source.getJointId(name)].idx_v] == limit
    # 0.29 m from hip to foot and the foot's radius
    assert robot.start_height == pytest.approx(0.312)
    assert robot.start_joint_pos.items() >= sketch.start_joint_pos.items()


def test_a_robot_may_be_given_without_a_sketch(write):
    loaded = load_robot_file(write())
    assert loaded.sketch is None
    assert loaded.robot.mass == pytest.approx(4.5)
    assert loaded.robot.noun == "Hopper robot"
    assert loaded.robot.model.path == str(write().parent / "hopper.xml")


def test_a_copy_elsewhere_says_the_same(write, tmp_path_factory: pytest.TempPathFactory):
    away = tmp_path_factory.mktemp("run") / "robot.toml"
    for file in (write(), GO2):
        loaded = load_robot_file(file)
        away.write_text(dump_toml(loaded))
        assert load_robot_file(away) == loaded


def test_a_python_file_defines_the_robot(write):
    source = "from nil_ext.robots.a1 import A1 as ROBOT, A1_WALK as SKETCH"
    assert load_robot_file(write(source, None, "dog.py")) == RobotFile(A1, A1_WALK)
    with pytest.raises(InputError, match="defines no ROBOT"):
        load_robot_file(write("robot = 1", None, "dog.py"))
    with pytest.raises(InputError, match="ends with ZeroDivisionError"):
        load_robot_file(write("1 / 0", None, "dog.py"))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("knee = 1.0", "kneee = 1.0", "damping: 'kneee' matches no joint; among its names are knee."),
        ("{hip = 2.0, knee = 1.0}", "{hip = 2.0}", "damping: no key matches knee."),
        ("{hip = 2.0, knee = 1.0}", '{".*" = 2.0, knee = 1.0}', "damping: more than one key matches 'knee' by '.*'"),
        ("hip = 2.0", '"(" = 2.0', "damping: '(' is no regular expression"),
        ('feet = ["shank"]', "feet = []", "feet: name at least one body, and its sole_points."),
        ('feet = ["shank"]', 'feet = ["shnk"]', "feet: the model has no body 'shnk'; among its names are shank"),
        ('torso = "trunk"', 'torso = "tors"', "torso: the model has no body 'tors'"),
        ("start_joint_pos = {}", "start_joint_pos = {knee = -0.1}", "knee is at -0.100, outside of its limits 0.000"),
        ("start_height = 1.0", "start_height = 0.95", "at e0 'shank' is 0.050 m under the ground; raise the robot."),
        ("start_height = 1.0", "start_height = 1.1", "the lowest foot is 0.100 m above the ground; lower the robot."),
        ("start_height = 1.0", "", "start_height: it is missing."),
        ("start_height = 1.0", 'start_height = "1"', "start_height: '1' is no number."),
        ("sole_radius", "sole_radus", "sole_radus: there is no such key; did you mean 'sole_radius'?"),
        ("tilt = [-0.5, 0.5]", "tilt = [-0.5]", "fall.tilt: give 2 values, not 1."),
        ('name = "Hopper"', 'name = "My hopper"', "name: 'My hopper' cannot be part of a task's name"),
        ('name = "Hopper"', 'name = "Hopper"\nmass = 5.0', "mass: 5 kg, but the model has 4.500 kg"),
        ('path = "hopper.xml"', 'path = "gone.xml"', "gone.xml' is missing"),
        ('path = "hopper.xml"', 'path = "hopper.toml"', "hopper.toml' is no MJCF (.xml), URDF (.urdf) or USD"),
        ('path = "hopper.xml"', 'path = "hopper.xml"\npackage = "no_such_thing"', "'no_such_thing' is not installed"),
        ("[model]", "[model", "it is no TOML"),
        ("[model]", '[env_reward]\nkind = "biped"\n[model]', "kind: 'biped' is none of humanoid, quadruped."),
        ("[model]", "[env_reward]\nsteps = 0\n[model]", "env_reward.steps: 0 makes no sense; give more than 0."),
        ("[model]", "[camera]\nextent = 0\n[model]", "camera.extent: 0 makes no sense; give more than 0."),
        ("[model]", "[camera]\ndistance = -1\n[model]", "camera.distance: -1 makes no sense; give more than 0."),
        ("[model]", "episode_length = 0\n[model]", "episode_length: 0 makes no sense; give more than 0."),
        ("start_height = 1.0", "start_height = nan", "start_height: nan is no number."),
        ("tilt = [-0.5, 0.5]", "tilt = [0.5, -0.5]", "fall.tilt: 0.5 to -0.5 is left at e0, where it is 0"),
        ("height = [-0.3, inf]", "height = [0.7, 1.1]", "fall.height: 0.7 to 1.1 is left at e0, where it is 0"),
        ('stiffness = {".*" = 100.0}', 'stiffness = {".*" = -1.0}', "stiffness..*: -1 makes no sense; give 0 or more."),
        ("[model]", '[model]\nkeep_links = ["leg"]', "model.keep_links: only a URDF's links and joints can be chosen"),
    ],
)
def test_each_mistake_is_named_in_a_line(refused, old: str, new: str, expected: str):
    assert old in FACTS
    [line] = [line for line in refused(FACTS.replace(old, new, 1)) if expected in line]
    assert len(line) < 300


def test_mistakes_are_named_together(refused):
    facts = FACTS.replace("sole_radius", "sole_radus").replace("tilt = [-0.5, 0.5]", "")
    assert len(refused(facts)) == 3  # unknown, and therefore missing; and the tilt


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("<freejoint/>", "", "has no free root"),
        ('<geom type="box" size="0.1 0.1 0.1" mass="3"/>', '<geom type="mesh" mesh="hull" mass="3"/>', "hull.stl"),
        ("</worldbody>", "", "cannot be read"),
        ('name="hip" axis="0 1 0" range="-1 1" limited="true"', 'name="hip" type="ball"', "'hip' is a ball"),
        ('<joint name="knee"', "<joint", "a joint of body 'shank' has no name"),
    ],
)
def test_a_model_that_cannot_be_used_is_named(refused, old: str, new: str, expected: str):
    model = HOPPER.replace(old, new, 1).replace(
        "<worldbody>", '<asset><mesh name="hull" file="hull.stl"/></asset><worldbody>'
    )
    if "hull" not in expected:
        model = HOPPER.replace(old, new, 1)
    [line] = refused(FACTS, model)
    assert line.startswith("model: ")
    assert expected in line


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        # a name that USD cannot have
        ('joint name="hip"', 'joint name="left-hip"', "left-hip", "damping: 'left-hip' fits 'left-hip', but USD knows"),
        # the shape gets the name, the joint is hip_1
        ('fromto="0 0 0 0 0 -0.5"', 'name="hip" fromto="0 0 0 0 0 -0.5"', "hip", "simulation calls it 'hip_1'"),
        # the joint gets the name, the body is shank_1
        ('joint name="hip"', 'joint name="shank"', "shank", "feet: 'shank' fits 'shank', but the simulation calls it"),
    ],
)
def test_what_the_simulation_calls_otherwise_is_named(refused, write, tmp_path: Path, old, new, key, expected):
    """Keys that fit the model alone would end the simulation's start with a traceback."""
    facts, model = FACTS.replace("{hip = 2.0", f"{{{key} = 2.0"), HOPPER.replace(old, new, 1)
    assert model != HOPPER
    assert any(expected in line for line in refused(facts, model))
    usd = Usd.Stage.Open(str(usd_file("", str(tmp_path / "hopper.xml"), (0.3, 0.3, 0.3))))
    names = {prim.GetName() for prim in usd.Traverse() if prim.HasAPI(UsdPhysics.RigidBodyAPI)}
    names |= {prim.GetName() for prim in usd.Traverse() if prim.IsA(UsdPhysics.Joint)}
    assert names != {"trunk", "leg", "shank", "knee", key}  # the converter does it
    general = FACTS.replace("{hip = 2.0, knee = 1.0}", '{".*" = 2.0}')
    if "feet" not in expected:
        assert load_robot_file(write(general, model)).robot.damping == {".*": 2.0}


def test_a_missing_mesh_of_a_urdf_is_named(refused, tmp_path: Path):
    (tmp_path / "rod.urdf").write_text(
        '<robot name="rod"><link name="rod"><visual><geometry><mesh filename="gone.stl"/></geometry></visual>'
        '<inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial></link>'
        "</robot>"
    )
    [line] = refused(FACTS.replace("hopper.xml", "rod.urdf"))
    assert line == f"model: mesh '{tmp_path / 'gone.stl'}' is missing, which 'rod.urdf' names."


def test_a_sketch_gives_the_start_pose_and_is_checked(write, refused):
    facts = FACTS.replace("start_height = 1.0", "")
    loaded = load_robot_file(write(facts + SKETCH.format(height=0.8, hip="hip")))
    assert loaded.robot.start_height == pytest.approx(0.93)
    assert refused(FACTS + SKETCH.format(height=0.8, hip="hip")) == [
        "start_height: leave it out, the [sketch] gives it."
    ]
    [line] = refused(facts + SKETCH.format(height=0.8, hip="hipp"))
    assert line == "sketch: 'hipp' is no joint of the model; among its names are hip."
    [line] = refused(facts + SKETCH.format(height=0.9, hip="hip"))
    assert "but the leg is 0.870 m" in line
    [line] = refused(facts + SKETCH.format(height=0.35, hip="hip"))
    assert line.startswith("sketch: ")
    assert "outside of its limits" in line


def test_the_sketch_begins_at_the_start_pose(refused):
    """Else episodes would begin elsewhere than the reference, and the run's copy of the file would differ."""
    facts = FACTS.replace("start_height = 1.0", "").replace("start_joint_pos = {}", "start_joint_pos = {knee = 0.2}")
    [line] = refused(facts + SKETCH.format(height=0.8, hip="hip"))
    assert line.startswith("start_joint_pos: knee is at 0.200, but the sketch begins at ")
    assert line.endswith("; leave it out.")


def test_a_python_sketch_is_checked_too(write):
    source = (
        "from dataclasses import replace\nfrom nil_ext.robots.a1 import A1, A1_WALK\n"
        "ROBOT, SKETCH = {robot}, replace(A1_WALK, {change})"
    )
    for robot, change, expected in (
        ("A1", "hip_height=0.5", "sketch: A stance foot is"),
        ("A1", "duty=1.0", "sketch.duty: 1 is no share"),
        ("A1", "stance_centre=0.02", "start_joint_pos: FR_thigh_joint is at"),
        ("replace(A1, start_height=0.32)", "speed=0.5", "start_height: 0.320, but the sketch begins at 0.310"),
    ):
        with pytest.raises(InputError, match=expected):
            load_robot_file(write(source.format(robot=robot, change=change), None, "dog.py"))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("duty = 0.5", "duty = 0", "sketch.duty: 0 is no share of a stride; give more than 0 and less than 1."),
        ("duty = 0.5", "duty = 1", "sketch.duty: 1 is no share of a stride; give more than 0 and less than 1."),
        ("stride_time = 0.4", "stride_time = 0", "sketch.stride_time: 0 makes no gait; give more than 0."),
    ],
)
def test_numbers_without_a_gait_are_refused(refused, old: str, new: str, expected: str):
    facts = FACTS.replace("start_height = 1.0", "") + SKETCH.format(height=0.8, hip="hip")
    assert old in facts
    assert refused(facts.replace(old, new)) == [expected]


def test_a_usd_keeps_its_colours_and_links(write, refused, tmp_path: Path):
    write_usd_robot(tmp_path / "hopper.usda")
    facts = FACTS.replace("hopper.xml", "hopper.usda").replace("start_height", "mass = 4.5\nstart_height")
    loaded = load_robot_file(write(facts))
    (tmp_path / "robot.toml").write_text(dump_toml(loaded))  # as a run folder keeps it
    assert load_robot_file(tmp_path / "robot.toml") == loaded
    assert refused("colour = [0.1, 0.2, 0.3]\n" + facts) == ["colour: a USD keeps its own colours; leave it out."]
    [line] = refused(facts.replace("[model]", '[model]\nlocked_joints = ["hip"]'))
    assert line == "model.locked_joints: only a URDF's links and joints can be chosen; leave it out."


def test_any_letter_may_be_in_the_noun(write, tmp_path: Path):
    loaded = load_robot_file(write('noun = "🤖 \\"Ü\\""\n' + FACTS))
    assert loaded.robot.noun == '🤖 "Ü"'
    (tmp_path / "robot.toml").write_text(dump_toml(loaded), encoding="utf-8")
    assert load_robot_file(tmp_path / "robot.toml") == loaded


def test_an_unknown_file_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"is no \.toml or \.py file"):
        load_robot_file(tmp_path / "robot.yaml")


# -- the command line


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``arguments(*argv)``: what a script makes of its command line."""
    import argparse

    from nil_ext.cli.common import parse_args

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", ["script.py"])

    def parse(*argv: object):
        parser = argparse.ArgumentParser()
        parser.add_argument("--checkpoint")
        return parse_args(parser, [str(token) for token in argv])

    return parse


def test_a_robot_file_makes_a_task_that_a_run_folder_remembers(arguments, tmp_path: Path):
    import gymnasium as gym

    from nil_ext.cli.own_robot import RECORD, record_robot
    from nil_ext.tasks.embedded import load_reference
    from nil_ext.tasks.mdp import ReferenceCommandCfg

    assert arguments("--robot", GO2).task == "NIL-Go2-Walk"
    with pytest.raises(InputError, match=f"generate.py --robot {GO2}"):
        load_reference(ReferenceCommandCfg(task="NIL-Go2-Walk", robot="Go2"))
    run = tmp_path / "logs/nil_ext/nil_go2_walk/2026-01-01_00-00-00"
    run.mkdir(parents=True)
    record_robot("NIL-Go2-Walk", run)
    assert load_robot_file(run / RECORD) == load_robot_file(GO2)
    for again in (("--task", "NIL-Go2-Walk"), ("--checkpoint", run), ("--checkpoint", run, "--task", "NIL-Go2-Walk")):
        del gym.registry["NIL-Go2-Walk"]
        assert arguments(*again).task == "NIL-Go2-Walk"
    with pytest.raises(InputError, match="makes NIL-Go2-Walk; leave --task out"):
        arguments("--robot", GO2, "--task", "NIL-H1-Walk")
    del gym.registry["NIL-Go2-Walk"]


def test_runs_of_another_reward_remember_the_robot_too(arguments, tmp_path: Path):
    import gymnasium as gym

    from nil_ext.cli.own_robot import record_robot

    arguments("--robot", GO2)
    run = tmp_path / "logs/nil_ext/nil_go2_walk_task/2026-01-01_00-00-00"
    run.mkdir(parents=True)
    record_robot("NIL-Go2-Walk", run)
    del gym.registry["NIL-Go2-Walk"]
    assert arguments("--task", "NIL-Go2-Walk", "--reward", "task").task == "NIL-Go2-Walk"
    del gym.registry["NIL-Go2-Walk"]


def test_commands_to_go_on_with_name_the_robot_s_file(arguments, tmp_path: Path, monkeypatch, capsys):
    """Nothing else knows the task until a run has remembered it; and folders may have spaces."""
    import gymnasium as gym

    from nil_ext.cli import generate_videos

    args = arguments("--robot", GO2)
    monkeypatch.setattr(sys, "argv", ["scripts/generate.py"])
    monkeypatch.setattr(generate_videos, "judge_clips", lambda *_: Path("my clips/best"))
    generate_videos._print_web_steps(args.task, Path("e 0"))
    generate_videos._judge(args, [], None, "Go2", tmp_path, None, None)
    said = [shlex.split(line) for line in capsys.readouterr().out.splitlines() if "scripts/" in line]
    assert said[0][:5] == ["scripts/generate.py", "--robot", str(GO2), "--generator", "file"]
    assert said[0][-1] == "e 0/first_frame_mask.png"
    assert said[1][2:] == ["scripts/train.py", "--robot", str(GO2), "--reference", "my clips/best"]
    del gym.registry["NIL-Go2-Walk"]


def test_a_sketch_is_of_the_meshes_too(arguments, write, tmp_path: Path):
    """A changed mesh would else be simulated against a sketch that shows the old one."""
    import gymnasium as gym
    import trimesh

    def sketch_of(file: Path) -> str:
        arguments("--robot", file)
        return gym.spec("NIL-Hopper-Walk").kwargs["reference_folder"]

    model = HOPPER.replace("<worldbody>", '<asset><mesh name="hull" file="hull.stl"/></asset><worldbody>')
    model = model.replace('mass="3"/>', 'mass="3"/><geom type="mesh" mesh="hull" mass="0"/>', 1)
    folders = []
    for size in (0.1, 0.1, 0.2):
        trimesh.creation.box([size] * 3).export(tmp_path / "hull.stl")
        folders.append(sketch_of(write(FACTS, model)))
    assert folders[0] == folders[1] != folders[2]
    usd = Usd.Stage.CreateNew(str(tmp_path / "hopper.usda"))
    usd.GetRootLayer().subLayerPaths.append("legs.usda")
    usd.GetRootLayer().Save()
    hashes = []
    for joints in (1, 2):
        write_usd_robot(tmp_path / "legs.usda", joints)
        hashes.append(content_hash(tmp_path / "hopper.usda", ""))
    assert hashes[0] != hashes[1]
    del gym.registry["NIL-Hopper-Walk"]


def test_the_name_of_a_robot_that_comes_with_the_package_is_refused(arguments, write):
    with pytest.raises(InputError, match="NIL-A1-Walk comes with nil_ext; give the robot another name"):
        arguments("--robot", write("from nil_ext.robots.a1 import A1 as ROBOT", None, "dog.py"))
    with pytest.raises(InputError, match="NIL-A1-Walk comes with nil_ext"):  # its runs would be among the A1's
        arguments("--robot", write(FACTS.replace("Hopper", "a1")))


@pytest.mark.slow
@pytest.mark.sim
def test_the_page_s_commands_draw_a_sketch_and_train(tmp_path: Path):
    environment = {**os.environ, "NIL_CACHE_DIR": str(tmp_path / "cache")}

    def script(name: str, *options: str) -> str:
        command = [sys.executable, str(ROOT / "scripts" / name), *options]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    assert "Sketch of NIL-Go2-Walk: 11 frames at 50 Hz" in script(
        "generate.py", "--robot", str(GO2), "--device", "cpu", "--duration", "0.2"
    )
    [folder] = (tmp_path / "cache/references").glob("NIL-Go2-Walk-*")
    drawn = Reference.load(folder)
    assert drawn.meta["robot"] == "Go2"
    assert 0.04 < drawn.masks.mean() < 0.4
    budget = ("--num_envs", "2", "--max_iterations", "1", "--no_evaluation", "--device", "cpu")
    assert "Reference: sketch, 0.20 s at 50 Hz" in script("train.py", "--robot", str(GO2), *budget)
    [run] = (tmp_path / "logs/nil_ext/nil_go2_walk").iterdir()
    assert load_robot_file(run / "robot.toml") == load_robot_file(GO2)
