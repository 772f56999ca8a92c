# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Holds what a robot file says against the model that it names, before any simulator starts."""

from __future__ import annotations

import difflib
import math
import operator
import re
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .model import USD_SUFFIXES, model_file, ros_package
from .urdf import fuse_fixed_joints

if TYPE_CHECKING:
    import mujoco

    from ..reference.generators.sketch import WalkSketch
    from .robot import Robot, RobotModel

_GROUND = 0.01
"""How far the lowest foot may be from the ground at e0 [m]."""

_STRIDE_RATE = 50.0
"""Frames of a sketch that are checked per second [Hz]."""


@dataclass(frozen=True)
class ModelFacts:
    """What a model file says of itself."""

    limits: dict[str, tuple[float, float]]
    """Range of every joint [rad], infinite where there is none."""

    bodies: tuple[str, ...]
    """Names of its rigid bodies."""

    mass: float
    """Total mass [kg]; NaN where the model leaves it to the simulator."""

    kinematics: mujoco.MjModel | None
    """The model for forward kinematics; None for a USD, which MuJoCo does not read."""

    renamed: dict[str, str] = field(default_factory=dict)
    """Joints and bodies that are called otherwise in USD, so in the simulation; as what."""


_POSITIVE = ("episode_length", "camera.distance", "camera.extent", "env_reward.steps")
"""Facts that are above 0."""

_NOT_NEGATIVE = ("effort_limits", "stiffness", "damping", "action_scale", "residual_scale", "armature")
"""Facts of every joint that are 0 or more."""

_REWARDS = ("humanoid", "quadruped")
"""Kinds of the Env. Reward."""

_TRANSCODED = "tn__"
"""How names begin in USD that hold more than letters, digits and _."""

_OF_A_URDF = ("keep_links", "locked_joints", "colliding_links")
"""What a model's description says of a URDF alone."""


def mistakes_in(robot: Robot, sketch: WalkSketch | None, facts: ModelFacts) -> list[str]:
    """What is wrong with a robot, one line a mistake; empty where nothing is."""
    found = [
        f"sketch: '{name}' is no joint of the model{_hint(name, facts.limits)}"
        for name in (sketch.start_joint_pos if sketch is not None else ())
        if name not in facts.limits
    ]
    found = found or _names(robot, facts)  # the sketch's joints are among the start pose's
    found += _numbers(robot)
    if not re.fullmatch("[A-Za-z][A-Za-z0-9]*", robot.name):
        found.append(f"name: '{robot.name}' cannot be part of a task's name; use letters and digits.")
    if math.isnan(robot.mass):
        found.append("mass: it is missing, and a USD does not say it for certain.")
    elif abs(robot.mass - facts.mass) > 1e-3:
        found.append(f"mass: {robot.mass:g} kg, but the model has {facts.mass:.3f} kg; leave it out.")
    if found:
        return found
    pose = _angles(robot, facts.limits)
    if sketch is not None:
        found = _another_start(robot, sketch, pose) or _sketch(robot, sketch, facts)
    if not found:  # e0 is the sketch's first frame
        found = [f"start_joint_pos: {line}" for line in _outside(pose, facts.limits)]
    return found or _feet_on_ground(robot, facts, pose)


def mistakes_in_sketch(sketch: WalkSketch) -> list[str]:
    """Numbers with which there is no gait, one line each."""
    found = [
        f"sketch.{name}: {value:g} makes no gait; give more than 0."
        for name in ("stride_time", "hip_height")
        if not (value := getattr(sketch, name)) > 0.0
    ]
    if not 0.0 < sketch.duty < 1.0:
        found.append(f"sketch.duty: {sketch.duty:g} is no share of a stride; give more than 0 and less than 1.")
    if not found:
        try:
            _ = sketch.start_joint_pos
        except ValueError as error:  # its legs are too short, or it has none
            found.append(f"sketch: {error}")
    return found


def is_usd(model: RobotModel) -> bool:
    """Whether a model is USD, which is used as it is."""
    return Path(model.path).suffix in USD_SUFFIXES


def read_model(robot: Robot) -> ModelFacts:
    """Read a robot's MJCF, URDF or USD.

    Raises:
        InputError: When it cannot be read, names a file that is missing, or has no free root.
    """
    source = model_file(robot.model.package, robot.model.path)
    if source.suffix in USD_SUFFIXES:
        return _read_usd(source)
    if source.suffix == ".urdf":
        return _read_mujoco(_urdf_without_shapes(source, robot), source)
    if source.suffix == ".xml":
        return _read_mujoco(None, source)
    raise InputError(f"'{source}' is no MJCF (.xml), URDF (.urdf) or USD (.usd, .usda, .usdc).")


def _read_mujoco(urdf: str | None, source: Path) -> ModelFacts:
    import mujoco

    try:
        spec = mujoco.MjSpec.from_string(urdf) if urdf else mujoco.MjSpec.from_file(str(source))
        if urdf:
            spec.worldbody.first_body().add_freejoint()
        model = spec.compile()
    except (ValueError, RuntimeError) as error:
        raise InputError(f"'{source}' cannot be read: {' '.join(str(error).split())}.") from error
    free = [i for i in range(model.njnt) if model.jnt_type[i] == mujoco.mjtJoint.mjJNT_FREE]
    if free != [0]:
        raise InputError(f"'{source}' has no free root: give its root body a <freejoint/>.")
    limits: dict[str, tuple[float, float]] = {}
    for i in range(1, model.njnt):
        name = model.joint(i).name
        if model.jnt_type[i] == mujoco.mjtJoint.mjJNT_BALL:
            raise InputError(f"'{source}': joint '{name}' is a ball; make it three hinges.")
        if not name:
            body = model.body(model.jnt_bodyid[i]).name
            raise InputError(f"'{source}': a joint of body '{body}' has no name; give it one.")
        low, high = model.jnt_range[i] if model.jnt_limited[i] else (-np.inf, np.inf)
        limits[name] = (float(low), float(high))
    bodies = tuple(model.body(i).name for i in range(1, model.nbody))
    renamed = {name: _TRANSCODED for name in (*limits, *bodies) if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name)}
    if urdf is None:
        renamed |= _numbered(model)
    return ModelFacts(limits, bodies, float(model.body_mass.sum()), model, renamed)


def _numbered(model: mujoco.MjModel) -> dict[str, str]:
    """Joints and bodies to whose names the converter adds a number: shapes, joints and bodies of a body share a folder.

    Shapes come first, so a joint gives way to a shape of its body, and a body to a shape or a joint of its parent.
    """
    import mujoco

    found = {}
    for i in range(1, model.nbody):
        taken = {model.site(k).name for k in np.flatnonzero(model.site_bodyid == i)}
        for k in np.flatnonzero(model.geom_bodyid == i):
            of_mesh = model.geom_type[k] == mujoco.mjtGeom.mjGEOM_MESH
            taken.add(model.geom(k).name or (model.mesh(model.geom_dataid[k]).name if of_mesh else ""))
        joints = [model.joint(k).name for k in np.flatnonzero(model.jnt_bodyid == i)]
        bodies = [model.body(k).name for k in np.flatnonzero(model.body_parentid == i)]
        found |= {name: f"{name}_1" for name in joints if name in taken}
        found |= {name: f"{name}_1" for name in bodies if name in taken or name in joints}
    return found


def _urdf_without_shapes(source: Path, robot: Robot) -> str:
    """The fused URDF as text without meshes, which only the converter needs; those that are missing are refused."""
    with tempfile.TemporaryDirectory() as folder:
        fused = Path(folder) / source.name
        fuse_fixed_joints(source, fused, robot.model.keep_links, robot.model.locked_joints, robot.model.colliding_links)
        root = ET.parse(fused).getroot()
    for mesh in root.iter("mesh"):
        name = mesh.get("filename")
        file = Path(name)
        if name.startswith("package://"):
            package, _, rest = name.removeprefix("package://").partition("/")
            file = ros_package(source, package) / rest
        if not file.is_file():
            raise InputError(f"mesh '{file}' is missing, which '{source.name}' names.")
    for link in root.findall("link"):
        for shape in [*link.findall("visual"), *link.findall("collision")]:
            link.remove(shape)
    extension = ET.SubElement(root, "mujoco")
    ET.SubElement(extension, "compiler", fusestatic="false", balanceinertia="true")
    return ET.tostring(root, encoding="unicode")


def _read_usd(source: Path) -> ModelFacts:
    from pxr import Tf, Usd, UsdPhysics

    try:
        stage = Usd.Stage.Open(str(source))
    except Tf.ErrorException as error:
        raise InputError(f"'{source}' cannot be read: {' '.join(str(error).split())}.") from error
    limits, bodies = {}, []
    for prim in stage.TraverseAll():
        if prim.HasAPI(UsdPhysics.RigidBodyAPI):
            bodies.append(prim.GetName())
        if joint := UsdPhysics.RevoluteJoint(prim):
            ends = (joint.GetLowerLimitAttr().Get(), joint.GetUpperLimitAttr().Get())
            limits[prim.GetName()] = tuple(float(np.radians(end)) for end in ends)  # USD has degrees
        elif joint := UsdPhysics.PrismaticJoint(prim):
            limits[prim.GetName()] = (joint.GetLowerLimitAttr().Get(), joint.GetUpperLimitAttr().Get())
    if not limits:
        raise InputError(f"'{source}' has no joints: name the USD of an articulated robot.")
    return ModelFacts(limits, tuple(bodies), float("nan"), None)


# -- the checks


def _numbers(robot: Robot) -> list[str]:
    """Values that mean nothing, and what is said in vain."""
    found = [
        f"{name}: {value:g} makes no sense; give more than 0."
        for name in _POSITIVE
        if not (value := operator.attrgetter(name)(robot)) > 0.0
    ]
    found += [
        f"{table}.{key}: {value:g} makes no sense; give 0 or more."
        for table in _NOT_NEGATIVE
        for key, value in getattr(robot, table).items()
        if not value >= 0.0
    ]
    for limit in fields(robot.fall):
        low, high = getattr(robot.fall, limit.name)
        if not low < 0.0 < high:  # all are counted from the start pose
            found.append(f"fall.{limit.name}: {low:g} to {high:g} is left at e0, where it is 0; give limits around 0.")
    if robot.env_reward.kind not in _REWARDS:
        found.append(f"env_reward.kind: '{robot.env_reward.kind}' is none of {', '.join(_REWARDS)}.")
    if not robot.model.path.endswith(".urdf"):
        given = [name for name in _OF_A_URDF if getattr(robot.model, name)]
        found += [f"model.{name}: only a URDF's links and joints can be chosen; leave it out." for name in given]
    return found


def _names(robot: Robot, facts: ModelFacts) -> list[str]:
    """Joints and bodies that do not exist, and joints that are given twice or not at all."""
    found = []
    tables = ("effort_limits", "stiffness", "damping", "action_scale", "residual_scale", "start_joint_pos", "armature")
    for table in tables:
        keys = list(getattr(robot, table))
        hits: dict[str, list[str]] = {joint: [] for joint in facts.limits}
        for key in keys:
            try:
                matched = [joint for joint in facts.limits if re.fullmatch(key, joint)]
            except re.error as error:
                found.append(f"{table}: '{key}' is no regular expression ({error}).")
                continue
            if not matched:
                found.append(f"{table}: '{key}' matches no joint{_hint(key, facts.limits)}")
            for joint in matched:
                hits[joint].append(key)
                if not re.fullmatch(key, facts.renamed.get(joint, joint)):
                    found.append(f"{table}: '{key}' {_otherwise(joint, facts)}")
        twice = [f"'{joint}' by {' and '.join(map(repr, by))}" for joint, by in hits.items() if len(by) > 1]
        if twice:
            found.append(f"{table}: more than one key matches {', '.join(twice)}.")
        missing = [joint for joint, by in hits.items() if not by]
        if missing and keys and table in tables[:4]:
            found.append(f"{table}: no key matches {', '.join(missing)}.")
    if not robot.feet or not robot.sole_points:
        found.append("feet: name at least one body, and its sole_points.")
    for key, names in (("feet", robot.feet), ("torso", (robot.torso,))):
        for name in names:
            if name not in facts.bodies:
                found.append(f"{key}: the model has no body '{name}'{_hint(name, facts.bodies)}")
            elif name in facts.renamed:
                found.append(f"{key}: '{name}' {_otherwise(name, facts)}")
    return found


def _otherwise(name: str, facts: ModelFacts) -> str:
    """Why a key that fits the model does not fit the simulation."""
    new = facts.renamed[name]
    if new == _TRANSCODED:
        return f"fits '{name}', but USD knows letters, digits and _ only: rename that in the model."
    return f"fits '{name}', but the simulation calls it '{new}', for something beside it has that name: rename one."


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 3, 0.4) or sorted(known)[:8]
    return f"; among its names are {', '.join(close)}."


def _angles(robot: Robot, joints: Iterable[str]) -> dict[str, float]:
    """Joint angles of e0 [rad]; 0 where the file gives none."""
    given = robot.start_joint_pos
    return {joint: next((v for key, v in given.items() if re.fullmatch(key, joint)), 0.0) for joint in joints}


def _outside(pose: dict[str, float], limits: dict[str, tuple[float, float]]) -> list[str]:
    return [
        f"{joint} is at {angle:.3f}, outside of its limits {limits[joint][0]:.3f} to {limits[joint][1]:.3f}."
        for joint, angle in pose.items()
        if not limits[joint][0] - 1e-6 <= angle <= limits[joint][1] + 1e-6
    ]


def _another_start(robot: Robot, sketch: WalkSketch, pose: dict[str, float]) -> list[str]:
    """Where e0 is not the sketch's first frame, with which episodes begin."""
    lines = [
        f"start_joint_pos: {name} is at {pose[name]:.3f}, but the sketch begins at {angle:.3f}; leave it out."
        for name, angle in sketch.start_joint_pos.items()
        if abs(pose[name] - angle) > 1e-6
    ]
    if abs(robot.start_height - sketch.root_height) > 1e-6:
        lines.append(f"start_height: {robot.start_height:.3f}, but the sketch begins at {sketch.root_height:.3f}.")
    return lines


def _sketch(robot: Robot, sketch: WalkSketch, facts: ModelFacts) -> list[str]:
    """Where the sketch leaves the joints' limits, or its legs are too short."""
    moved = set(sketch.start_joint_pos)
    try:
        motion = sketch.motion(_angles(robot, facts.limits), sketch.stride_time, _STRIDE_RATE)
    except ValueError as error:
        return [f"sketch: {error}"]
    names = [str(name) for name in motion["joint_names"]]
    lines = []
    for column, name in enumerate(names):
        if name in moved:
            angles = motion["joint_pos"][:, column]
            lines += _outside({name: angles.min()}, facts.limits) or _outside({name: angles.max()}, facts.limits)
    return [f"sketch: {line}" for line in lines]


def _feet_on_ground(robot: Robot, facts: ModelFacts, pose: dict[str, float]) -> list[str]:
    """Soles that are above or under the ground at e0."""
    if facts.kinematics is None:
        return []
    import mujoco

    data = mujoco.MjData(facts.kinematics)
    data.qpos[:7] = (0.0, 0.0, robot.start_height, 1.0, 0.0, 0.0, 0.0)
    data.qpos[7:] = list(pose.values())
    mujoco.mj_kinematics(facts.kinematics, data)
    points = np.array(robot.sole_points)
    heights = {}
    for foot in robot.feet:
        body = data.body(foot)
        heights[foot] = float((points @ body.xmat.reshape(3, 3).T + body.xpos)[:, 2].min()) - robot.sole_radius
    lowest = min(heights, key=heights.get)
    if heights[lowest] < -_GROUND:
        return [f"start_height: at e0 '{lowest}' is {-heights[lowest]:.3f} m under the ground; raise the robot."]
    if heights[lowest] > _GROUND:
        return [f"start_height: at e0 the lowest foot is {heights[lowest]:.3f} m above the ground; lower the robot."]
    return []
