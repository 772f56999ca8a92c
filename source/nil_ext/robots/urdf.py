# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Makes a URDF fit for simulation: links that cannot move against each other become one body.

URDF has no free root and no weld, so models carry a massless root link, sensor frames and stubs behind fixed joints. A
converter turns each into a rigid body, to which PhysX gives a default mass, and welds a root without mass to the world.
Fusing them first keeps the model's mass and leaves its bodies and joints only.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import InputError


def fuse_fixed_joints(
    source: Path,
    target: Path,
    keep: tuple[str, ...] = (),
    locked: tuple[str, ...] = (),
    colliding: tuple[str, ...] = (),
) -> None:
    """Write a URDF in which fixed joints are gone and their links' shapes and masses belong to the parent.

    A massless root is replaced by its only child, which then is the free root.

    Args:
        source: the URDF.
        target: the file to write.
        keep: links that stay bodies of their own though their joint is fixed: feet, whose places are asked for.
        locked: movable joints to treat as fixed at 0, for example those of a gripper.
        colliding: links that keep their collision shapes; empty for all.

    Raises:
        InputError: When the file is no URDF, lacks something, or one of the names does not exist.
    """
    try:
        robot = ET.parse(source).getroot()
    except (OSError, ET.ParseError) as error:
        raise InputError(f"Robot model '{source}' cannot be read as URDF: {error}.") from error
    if faults := _faults(robot):
        raise InputError(f"Robot model '{source}' is no complete URDF: {'; '.join(faults)}.")
    links = {link.get("name"): link for link in robot.findall("link")}
    joints = {joint.get("name"): joint for joint in robot.findall("joint")}
    if unknown := sorted(((set(keep) | set(colliding)) - set(links)) | (set(locked) - set(joints))):
        raise InputError(f"Robot model '{source}' has no {', '.join(unknown)}: correct the robot's description.")
    for name, link in links.items():
        for shape in link.findall("collision") if colliding and name not in colliding else ():
            link.remove(shape)
    for joint in joints.values():
        if joint.get("type") != "fixed" and joint.get("name") not in locked:
            continue
        parent, child = joint.find("parent").get("link"), joint.find("child").get("link")
        if child in keep:
            continue
        if _is_massless_root(links[parent], joints.values()):
            # nothing but a frame: its child is the real root
            robot.remove(links.pop(parent))
            robot.remove(joint)
            continue
        _fuse(links[parent], links.pop(child), _transform(joint.find("origin")), robot)
        robot.remove(joint)
        offset = _transform(joint.find("origin"))
        for other in robot.findall("joint"):
            if other.find("parent").get("link") == child:
                other.find("parent").set("link", parent)
                _place(other, offset @ _transform(other.find("origin")))
    for mesh in robot.iter("mesh"):
        if "://" not in mesh.get("filename"):  # relative to the source, which the target does not lie beside
            mesh.set("filename", str((source.parent / mesh.get("filename")).resolve()))
    ET.ElementTree(robot).write(target, encoding="utf-8", xml_declaration=True)


def _faults(robot: ET.Element) -> list[str]:
    """What the elements that are read below lack; part of a sentence each."""
    faults = []
    names = {link.get("name") for link in robot.findall("link")}
    for joint in robot.findall("joint"):
        for end in ("parent", "child"):
            element = joint.find(end)
            name = None if element is None else element.get("link")
            if name not in names:
                told = "no link" if name is None else f"'{name}', which is no link,"
                faults.append(f"joint '{joint.get('name')}' has {told} as its {end}")
    for link in robot.findall("link"):
        if (inertial := link.find("inertial")) is None:
            continue
        for tag, keys in (("mass", ("value",)), ("inertia", ("ixx", "ixy", "ixz", "iyy", "iyz", "izz"))):
            element = inertial.find(tag)
            values = {} if element is None else element.attrib
            if wrong := [key for key in keys if not _is_number(values.get(key))]:
                faults.append(f"link '{link.get('name')}' has an inertial without a number as {tag} {', '.join(wrong)}")
    for origin in robot.iter("origin"):
        for key in ("xyz", "rpy"):
            text = origin.get(key) or "0 0 0"
            if len(text.split()) != 3 or not all(map(_is_number, text.split())):
                faults.append(f"an origin has {key}='{text}', not three numbers")
    if any(mesh.get("filename") is None for mesh in robot.iter("mesh")):
        faults.append("a mesh has no filename")
    return faults


def _is_number(text: str | None) -> bool:
    try:
        return text is not None and math.isfinite(float(text))
    except ValueError:
        return False


def mass(link: ET.Element) -> float:
    """Mass of a link [kg]; 0 where it has none."""
    element = link.find("inertial/mass")
    return 0.0 if element is None else float(element.get("value"))


def _is_massless_root(link: ET.Element, joints) -> bool:
    name = link.get("name")
    children = sum(joint.find("parent").get("link") == name for joint in joints)
    return mass(link) == 0.0 and children == 1 and all(joint.find("child").get("link") != name for joint in joints)


def _fuse(parent: ET.Element, child: ET.Element, offset: np.ndarray, robot: ET.Element) -> None:
    """Move shapes and mass of a link to its parent, at the joint's (4, 4) transform."""
    parts = [_inertia(parent, np.eye(4)), _inertia(child, offset)]
    total = sum(part[0] for part in parts)
    if total > 0.0 and parts[1][0] > 0.0:
        centre = sum(part[0] * part[1] for part in parts) / total
        # parallel axes: I about the common centre
        tensor = sum(
            part[2] + part[0] * (np.eye(3) * (d := part[1] - centre).dot(d) - np.outer(d, d)) for part in parts
        )
        if (old := parent.find("inertial")) is not None:
            parent.remove(old)
        inertial = ET.SubElement(parent, "inertial")
        ET.SubElement(inertial, "origin", xyz=_text(centre), rpy="0 0 0")
        ET.SubElement(inertial, "mass", value=repr(float(total)))
        ET.SubElement(
            inertial,
            "inertia",
            **{
                f"i{a}{b}": repr(float(tensor[i, j]))
                for i, a in enumerate("xyz")
                for j, b in enumerate("xyz")
                if i <= j
            },
        )
    for shape in [*child.findall("visual"), *child.findall("collision")]:
        _place(shape, offset @ _transform(shape.find("origin")))
        parent.append(shape)
    robot.remove(child)


def _inertia(link: ET.Element, offset: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Mass [kg], centre of mass (3,) [m] and inertia (3, 3) about it [kg·m²], in the frame that ``offset`` leads to."""
    if mass(link) == 0.0:
        return 0.0, np.zeros(3), np.zeros((3, 3))
    pose = offset @ _transform(link.find("inertial/origin"))
    values = {key: float(value) for key, value in link.find("inertial/inertia").attrib.items()}
    tensor = np.array([[values["i" + "".join(sorted((a, b)))] for b in "xyz"] for a in "xyz"])
    return mass(link), pose[:3, 3], pose[:3, :3] @ tensor @ pose[:3, :3].T


def _transform(origin: ET.Element | None) -> np.ndarray:
    """The (4, 4) transform of an ``origin`` element; identity where there is none."""
    transform = np.eye(4)
    if origin is not None:
        transform[:3, 3] = _numbers(origin.get("xyz"))
        # fixed-axis roll, pitch, yaw
        transform[:3, :3] = Rotation.from_euler("xyz", _numbers(origin.get("rpy"))).as_matrix()
    return transform


def _place(element: ET.Element, transform: np.ndarray) -> None:
    if (old := element.find("origin")) is not None:
        element.remove(old)
    rpy = Rotation.from_matrix(transform[:3, :3]).as_euler("xyz")
    ET.SubElement(element, "origin", xyz=_text(transform[:3, 3]), rpy=_text(rpy))


def _numbers(text: str | None) -> np.ndarray:
    return np.array([float(value) for value in text.split()]) if text else np.zeros(3)


def _text(values: np.ndarray) -> str:
    return " ".join(repr(float(value)) for value in values)
