# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""From a model file in a Python package to a USD that Isaac Lab spawns: converted once, cached by content."""

from __future__ import annotations

import hashlib
import importlib.util
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..reference.cache import build_folder, cache_root

if TYPE_CHECKING:
    from pxr import Usd

_RECIPE = "2"
"""Changes when what :func:`_convert` does to a converted model changes, so that old caches are left alone."""


def model_file(package: str, path: str) -> Path:
    """Path of the model file inside its package.

    Raises:
        InputError: When the package is not installed or lacks the file.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"Robot model package '{package}' is not installed: run './isaaclab.sh' again, or install the "
            "packages of constraints.txt."
        )
    file = Path(next(iter(spec.submodule_search_locations))) / path
    if not file.is_file():
        raise InputError(f"Robot model '{file}' is missing: reinstall the package '{package}'.")
    return file


def usd_file(package: str, path: str, colour: tuple[float, float, float]) -> Path:
    """Path of the model as USD, converted on first use into ``<cache>/robots``.

    The folder's name is a hash of every file beside the model, the converter's version and our recipe, so a changed
    model is converted anew and two processes never spoil each other's copy.
    """
    source = model_file(package, path)
    folder = cache_root() / "robots" / f"{source.stem}-{_content_hash(source.parent, colour)}"
    target = folder / f"{source.stem}.usda"
    if target.is_file():
        return target
    with build_folder(folder) as scratch:
        _convert(source, scratch, colour)
    return target


def spawn_robot(prim_path: str, cfg, translation=None, orientation=None, **kwargs) -> Usd.Prim:
    """Spawner of :class:`RobotUsdCfg`: converts the model if need be and spawns the USD."""
    from isaaclab.sim.spawners.from_files import spawn_from_usd

    cfg.usd_path = str(usd_file(cfg.model_package, cfg.model_path, cfg.colour))
    return spawn_from_usd(prim_path, cfg, translation, orientation, **kwargs)


def _content_hash(folder: Path, colour: tuple[float, float, float]) -> str:
    digest = hashlib.sha256(f"{_RECIPE} {version('mujoco-usd-converter')} {colour}".encode())
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _convert(source: Path, target: Path, colour: tuple[float, float, float]) -> None:
    import mujoco_usd_converter
    from pxr import Gf, Usd, UsdShade

    asset = mujoco_usd_converter.Converter(scene=False).convert(str(source), str(target))
    stage = Usd.Stage.Open(asset.path)
    # one visible colour: simulation models are often black, in which no encoder sees more than an outline
    for prim in stage.TraverseAll():
        diffuse = UsdShade.Material(prim).GetInput("diffuseColor") if prim.IsA(UsdShade.Material) else None
        if diffuse:
            diffuse.Set(Gf.Vec3f(*colour))
    stage.GetRootLayer().Save()
