# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Scripts as a user runs them, and their bodies where nothing is simulated."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
TASK = "NIL-H1-Walk"


class Scripts:
    """Runs scripts in processes of their own, with a cache of their own."""

    def __init__(self, cache: Path):
        self.environment = {**os.environ, "NIL_CACHE_DIR": str(cache)}

    def start(self, name: str, *arguments: object, cwd: Path) -> subprocess.Popen[str]:
        command = [sys.executable, str(SCRIPTS / name), "--task", TASK, "--device", "cpu", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=cwd, env=self.environment, text=True, **pipes)

    def run(self, name: str, *arguments: object, cwd: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
        process = self.start(name, *arguments, cwd=cwd)
        out, err = process.communicate(timeout=300)
        assert process.returncode == status, f"{out[-2000:]}\n{err[-3000:]}"
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Scripts:
    base = tmp_path_factory.getbasetemp()
    # one cache for all of xdist's processes: each robot is converted once
    return Scripts((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache")


@pytest.fixture
def refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """``refuse(body, *arguments)``: run a script's body, which must refuse before a simulator starts; what it says.

    The working folder is ``tmp_path``; nothing may be left there.
    """
    from nil_ext.cli.common import run_main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path / "cache"))

    def unreachable(*_, **__):
        raise AssertionError("the simulator was started")

    def run(body: Callable[[list[str]], int | None], *arguments: object, left: tuple[str, ...] = ("cache",)) -> str:
        module = sys.modules[body.__module__]
        monkeypatch.setattr(module, "open_session", unreachable, raising=False)
        monkeypatch.setattr(module, "simulation", unreachable, raising=False)
        monkeypatch.setattr(sys, "argv", [body.__module__, *map(str, arguments)])
        before = {path for path in Path.cwd().rglob("*") if path.relative_to(Path.cwd()).parts[0] not in left}
        assert run_main(body) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        after = {path for path in Path.cwd().rglob("*") if path.relative_to(Path.cwd()).parts[0] not in left}
        assert after == before
        return line.removeprefix("error: ")

    return run
