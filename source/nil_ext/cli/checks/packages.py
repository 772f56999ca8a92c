# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Python and the installed packages, held against what this checkout was tested with."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from .line import Line

_SET_UP = "./isaaclab.sh -i"


def check_packages(constraints: Path) -> Iterator[Line]:
    """Lines about Python, the required and the optional packages, and how far versions are from the pinned ones.

    Args:
        constraints: the pinned set, lines of ``name==version``.
    """
    supported = sys.version_info[:2] == (3, 12)
    found = f"{platform.python_version()} in {sys.prefix}"
    yield Line("Python", "ok", found) if supported else Line("Python", "problem", found, f"use Python 3.12: {_SET_UP}")
    needed = [Requirement(text) for text in requires("nil_ext") or []]
    for subject, level, wanted in (
        ("packages", "problem", [item for item in needed if item.marker is None or item.marker.evaluate()]),
        ("viewer packages", "warning", _extra(needed, "viewers")),
        ("SAM2 package", "warning", _extra(needed, "sam2")),
    ):
        unfit = [text for item in wanted if (text := _unfit(item))]
        if unfit:
            yield Line(subject, level, "; ".join(unfit), _SET_UP)
        else:
            yield Line(subject, "ok", f"{len(wanted)} as required")
    yield _pinned(constraints)


def _extra(needed: list[Requirement], extra: str) -> list[Requirement]:
    """What an extra adds."""
    optional = [item for item in needed if item.marker is not None and not item.marker.evaluate()]
    return [item for item in optional if item.marker.evaluate({"extra": extra})]


def _unfit(item: Requirement) -> str | None:
    """Why an installed package does not do, or None."""
    try:
        found = version(item.name)
    except PackageNotFoundError:
        return f"{item.name} is missing"
    return None if item.specifier.contains(found, prereleases=True) else f"{item.name} {found} is not {item.specifier}"


def _pinned(constraints: Path) -> Line:
    """How many installed packages differ from the pinned set; those that are not installed are not counted."""
    if not constraints.is_file():
        return Line("pinned versions", "warning", f"no {constraints}", "work in a checkout to compare with it")
    others, same = [], 0
    for line in constraints.read_text(encoding="utf-8").splitlines():
        name, _, wanted = line.partition("==")
        if line.startswith("#") or not wanted:
            continue
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        same += found == wanted
        if found != wanted:
            others.append(f"{name} {found} (pinned {wanted})")
    if others:
        more = f" and {len(others) - 4} more" if len(others) > 4 else ""
        return Line("pinned versions", "warning", ", ".join(others[:4]) + more, f"for the tested set: {_SET_UP}")
    return Line("pinned versions", "ok", f"{same} packages as in {constraints.name}")
