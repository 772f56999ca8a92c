# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""From a model file in a Python package to a USD that Isaac Lab spawns: converted once, cached by content."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..reference.cache import build_folder, cache_root
from .urdf import fuse_fixed_joints

if TYPE_CHECKING:
    from pxr import Usd

_RECIPE = "7"
"""Changes when what we do to a converted model changes, so that old caches are left alone."""

USD_SUFFIXES = (".usd", ".usda", ".usdc")
"""Models that are used as they are."""


def model_file(package: str, path: str) -> Path:
    """Path of a model file inside an installed package, or on disk.

    Args:
        package: import name or distribution name of the package; empty for a file of the user's own.
        path: path within the package's folder (import name) or its installation folder (distribution name), or on disk.

    Raises:
        InputError: When the package is not installed or lacks the file.
    """
    file = _package_folder(package) / path if package else Path(path).expanduser().absolute()
    if not file.is_file():
        remedy = f"reinstall the package '{package}'" if package else "correct the path in the robot's description"
        raise InputError(f"Robot model '{file}' is missing: {remedy}.")
    return file


def usd_file(
    package: str,
    path: str,
    colour: tuple[float, float, float],
    keep: tuple[str, ...] = (),
    locked: tuple[str, ...] = (),
    colliding: tuple[str, ...] = (),
) -> Path:
    """Path of the model as USD, converted on first use into ``<cache>/robots``.

    The folder's name is a hash of the model and every file it names, the converter's version and our recipe, so a
    changed model is converted anew and two processes never spoil each other's copy. A model that is USD already is
    used as it is.

    Args:
        package: see :func:`model_file`.
        path: see :func:`model_file`.
        colour: linear RGB for every part.
        keep: links of a URDF that stay bodies; see :func:`~nil_ext.robots.urdf.fuse_fixed_joints`.
        locked: joints of a URDF that are fixed at 0.
        colliding: links of a URDF that keep their collision shapes; empty for all.
    """
    source = model_file(package, path)
    if source.suffix in USD_SUFFIXES:
        return source
    folder = cache_root() / "robots" / f"{source.stem}-{content_hash(source, f'{colour} {keep} {locked} {colliding}')}"
    target = folder / f"{source.stem}.usda"
    if target.is_file():
        return target
    with build_folder(folder) as scratch, _quiet():
        if source.suffix == ".urdf":
            converted, edits = _convert_urdf(source, scratch, keep, locked, colliding), (_free_root, _bake_mirrors)
        else:
            converted, edits = _convert_mjcf(source, scratch), (_drop_actuators,)
        _edit(converted, edits, colour)
        converted.rename(scratch / target.name)  # a converter names the file after the model
    return target


def spawn_robot(prim_path: str, cfg, translation=None, orientation=None, **kwargs) -> Usd.Prim:
    """Spawner of :class:`RobotUsdCfg`: converts the model if need be and spawns the USD."""
    from isaaclab.sim.spawners.from_files import spawn_from_usd

    links = tuple(cfg.keep_links), tuple(cfg.locked_joints), tuple(cfg.colliding_links)
    cfg.usd_path = str(usd_file(cfg.model_package, cfg.model_path, cfg.colour, *links))
    return spawn_from_usd(prim_path, cfg, translation, orientation, **kwargs)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Warnings and errors of the converters only, not a line for every file they read or write."""
    import usdex.core

    level, active = usdex.core.getDiagnosticsLevel(), usdex.core.isDiagnosticsDelegateActive()
    usdex.core.activateDiagnosticsDelegate()  # without it the level counts for nothing
    usdex.core.setDiagnosticsLevel(usdex.core.DiagnosticsLevel.eWarning)
    try:
        yield
    finally:
        usdex.core.setDiagnosticsLevel(level)
        if not active:
            usdex.core.deactivateDiagnosticsDelegate()


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    try:
        return Path(distribution(package).locate_file(""))
    except PackageNotFoundError:
        raise InputError(
            f"Robot model package '{package}' is not installed: run './isaaclab.sh -i', or install the "
            "packages of constraints.txt."
        ) from None


def content_hash(source: Path, settings: str) -> str:
    """Hash (hex) of a model with every file it names, of what is made of it, and of the tools that make it.

    Args:
        source: the model file.
        settings: what is to be made of it.
    """
    tools = " ".join(f"{name} {version(name)}" for name in ("mujoco-usd-converter", "urdf-usd-converter"))
    digest = hashlib.sha256(f"{_RECIPE} {tools} {settings}".encode())
    for path in sorted(_named_files(source)):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _named_files(source: Path) -> set[Path]:
    """The model file and every existing file that it names: meshes, textures, included models and theirs."""
    found = {source}
    if source.suffix in USD_SUFFIXES:
        from pxr import UsdUtils

        layers, assets, _ = UsdUtils.ComputeAllDependencies(str(source))
        named = (Path(name) for name in (*(layer.realPath for layer in layers), *assets))
        return found | {file for file in named if file.is_file()}
    try:
        root = ET.parse(source).getroot()
    except ET.ParseError:
        return found  # the converter says what is wrong with it
    folders = {source.parent}
    folders |= {source.parent / value for item in root.iter("compiler") for key, value in item.items() if "dir" in key}
    for element in root.iter():
        name = element.get("file") or element.get("filename")
        if not name:
            continue
        if name.startswith("package://"):
            package, _, name = name.removeprefix("package://").partition("/")
            folders_here = {ros_package(source, package)}
        else:
            folders_here = folders
        for file in (folder / name for folder in folders_here):
            if file.is_file() and file not in found:
                found |= _named_files(file) if element.tag == "include" else {file}
    return found


def ros_package(source: Path, name: str) -> Path:
    """Folder that ``package://<name>`` means: the one of that name above the model."""
    for folder in source.parents:
        if folder.name == name:
            return folder
    raise InputError(
        f"Robot model '{source}' names files of a package '{name}', but lies in no folder of that name: keep the model "
        "inside its package, or make its file names relative."
    )


def _convert_urdf(
    source: Path, target: Path, keep: tuple[str, ...], locked: tuple[str, ...], colliding: tuple[str, ...]
) -> Path:
    from urdf_usd_converter import Converter

    text = source.read_text(encoding="utf-8")
    names = set(re.findall(r"package://([^/\"]+)/", text))
    packages = [{"name": name, "path": str(ros_package(source, name))} for name in sorted(names)]
    fused = target / source.name
    fuse_fixed_joints(source, fused, keep, locked, colliding)
    converted = Path(Converter(scene=False, ros_packages=packages).convert(str(fused), str(target)).path)
    fused.unlink()
    return converted


def _convert_mjcf(source: Path, target: Path) -> Path:
    from mujoco_usd_converter import Converter

    return Path(Converter(scene=False).convert(str(source), str(target)).path)


def _edit(usd: Path, edits: tuple[Callable[[Usd.Stage], None], ...], colour: tuple[float, float, float]) -> None:
    """Set right what a converter leaves, and colour the robot."""
    from pxr import Usd

    stage = Usd.Stage.Open(str(usd))
    for edit in edits:
        edit(stage)
    _recolour(stage, colour)
    stage.GetRootLayer().Save()


def _free_root(stage: Usd.Stage) -> None:
    """Take out the joint by which the converter welds every robot to the world: URDF knows no free root."""
    from pxr import UsdPhysics

    for prim in stage.TraverseAll():
        if joint := UsdPhysics.FixedJoint(prim):
            ends = [*joint.GetBody0Rel().GetTargets(), *joint.GetBody1Rel().GetTargets()]
            bodies = [stage.GetPrimAtPath(end).HasAPI(UsdPhysics.RigidBodyAPI) for end in ends]
            prim.SetActive(sum(bodies) == 2)


def _drop_actuators(stage: Usd.Stage) -> None:
    """Take out the model's own actuators: MuJoCo Warp would run them beside our motors and pull every joint to 0."""
    for prim in stage.TraverseAll():
        if prim.GetTypeName() == "MjcActuator":
            prim.SetActive(False)


def _bake_mirrors(stage: Usd.Stage) -> None:
    """Mirror the points of meshes whose scale is negative, which Newton does not take: left legs used as right ones."""
    from pxr import Gf, UsdGeom

    for prim in stage.TraverseAll():
        scale = prim.GetAttribute("xformOp:scale").Get() if prim.IsA(UsdGeom.Mesh) else None
        if scale is None or min(scale) > 0.0:
            continue
        mesh = UsdGeom.Mesh(prim)
        mesh.GetPointsAttr().Set([Gf.CompMult(point, Gf.Vec3f(scale)) for point in mesh.GetPointsAttr().Get()])
        prim.GetAttribute("xformOp:scale").Set(type(scale)(1.0))
        if scale[0] * scale[1] * scale[2] < 0.0:  # the corners of a face now run the other way round
            left = mesh.GetOrientationAttr().Get() == UsdGeom.Tokens.leftHanded
            mesh.CreateOrientationAttr().Set(UsdGeom.Tokens.rightHanded if left else UsdGeom.Tokens.leftHanded)
        mesh.GetNormalsAttr().Block()  # they would point inwards; renderers compute their own


def _recolour(stage: Usd.Stage, colour: tuple[float, float, float]) -> None:
    """One visible colour: simulation models are often black, in which no encoder sees more than an outline."""
    from pxr import Gf, UsdShade

    for prim in stage.TraverseAll():
        diffuse = UsdShade.Material(prim).GetInput("diffuseColor") if prim.IsA(UsdShade.Material) else None
        if diffuse:
            diffuse.Set(Gf.Vec3f(*colour))
