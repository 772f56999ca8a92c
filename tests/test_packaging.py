# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What is installed: entry point, pinned set, package contents, and who may import whom."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import nil_ext

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "source" / "nil_ext"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
light = sorted(sys.modules)
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if module.name != "nil_ext.rl.cfg":  # Isaac Lab's configclasses for the agents; only tasks import it
        importlib.import_module(module.name)
print(*sorted({name.partition(".")[0] for name in light}), sep=",")
print(*sorted({name.partition(".")[0] for name in sys.modules}), sep=",")
"""


def imported_by(name: str) -> tuple[set[str], set[str]]:
    """Top-level modules that a fresh interpreter holds after importing a package, and after all its modules."""
    command = [sys.executable, "-c", IMPORT_ALL, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    package, modules = (set(line.split(",")) for line in done.stdout.splitlines()[-2:])
    return package, modules


@pytest.mark.parametrize("name", ["rl", "reference", "perception", "evaluation"])
def test_parts_work_without_the_simulator(name: str):
    package, modules = imported_by(f"nil_ext.{name}")
    assert not {module for module in modules if module.startswith(("isaaclab", "isaacsim", "omni", "newton", "pxr"))}
    # Imported where they are used, not with the package.
    assert not package & {"diffusers", "sam2"}


def test_package_itself_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", "import nil_ext, nil_ext.errors, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"torch", "numpy", "isaaclab"} & set(done.stdout.split())


def test_isaac_lab_finds_the_tasks():
    points = importlib.metadata.entry_points(group="isaaclab.tasks", name="nil_ext")
    assert {point.value for point in points} == {"nil_ext.tasks"}
    assert importlib.util.find_spec("nil_ext.tasks") is not None


def test_version_is_the_same_everywhere():
    assert nil_ext.__version__ == PROJECT["version"]
    assert f"\nversion: {PROJECT['version']}\n" in (ROOT / "CITATION.cff").read_text()


def test_every_requirement_is_pinned_within_its_range():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert list(pins) == [canonicalize_name(name) for name in pins]
    for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"] + ["uv"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), text


def test_wheel_holds_every_file_of_the_package(tmp_path: Path):
    if not (uv := shutil.which("uv")):
        pytest.skip("needs uv, which builds without an installed build system")
    subprocess.run([uv, "build", "--quiet", "--offline", "--wheel", "--out-dir", tmp_path, ROOT], check=True)
    [wheel] = tmp_path.glob("*.whl")
    files = {path.relative_to(ROOT / "source").as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("nil_ext/") and name[-1] != "/"}
    assert packed == {name for name in files if "__pycache__" not in name}


def test_no_file_names_a_machine_or_a_package_index():
    # Indexes are the machine's own setting; the words are put together here so that this file may be checked too.
    words = ["py" + "pi.", "index" + "-url", "find" + "-links", "[tool.uv." + "index", "/ro" + "ot/", "/wo" + "rk/"]
    pattern = re.compile("|".join(map(re.escape, words)))
    tracked = [*ROOT.glob("*"), *ROOT.glob(".ci/*"), *ROOT.glob(".pre-commit-config.yaml")]
    for folder in ("source", "tests", "scripts", "docs"):
        tracked += (ROOT / folder).rglob("*")
    suffixes = {".py", ".pyi", ".sh", ".toml", ".txt", ".md", ".yaml", ".cff", ".json", ""}
    for path in tracked:
        if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
            found = pattern.search(path.read_text(errors="ignore"))
            assert not found, f"{path.relative_to(ROOT)}: {found}"
