# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""isaaclab.sh, run for real in a copied checkout: nothing is installed, an installation is played by a fake uv."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHON = Path(sys.base_prefix, "bin", "python3.12")
TOOLS = ["bash", "cat", "cut", "dirname", "env", "find", "flock", "mkdir", "mv", "readlink", "sed", "sha256sum"]
TOOLS += ["shasum", "sleep"]

INSTALLATION = ["pip install", "pip install"]
"""Two passes: sam2's build needs the torch that the first one installs."""

FAKE_UV = """#!/usr/bin/env bash
[ "$1" = --version ] && exit
echo "$*" >>"$UV_LOG"
case "$1 $2" in
    "venv --quiet") "$REAL_PYTHON" -m venv --without-pip "${!#}" ;;
    "pip install")
        sleep "${UV_SECONDS:-0}"
        [ -z "${UV_MAKES:-}" ] || mkdir -p "$UV_MAKES"
        [[ "$*" != *"${UV_FAILS:-}"* ]] || exit "${UV_EXIT:-0}" ;;
    *) exit 1 ;;
esac
"""

pytestmark = pytest.mark.skipif(os.name != "posix" or not PYTHON.exists(), reason="needs bash and a Python 3.12")


@dataclass
class Checkout:
    """A copy of what isaaclab.sh needs, and the only environment variables that it sees."""

    folder: Path
    environment: dict[str, str]

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    @property
    def packages(self) -> Path:
        return self.venv / "lib" / "python3.12" / "site-packages"

    @property
    def stamp(self) -> str:
        return (self.venv / "nil_ext.stamp").read_text()

    def take_uv_calls(self) -> list[str]:
        """First two words of each call of the fake uv since the last look."""
        log = Path(self.environment["UV_LOG"])
        calls = [" ".join(line.split()[:2]) for line in log.read_text().splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        return calls

    def start(
        self, *arguments: str, launcher: Path | None = None, cwd: Path | None = None, wrapper=(), **variables: str
    ):
        return subprocess.Popen(
            [*wrapper, launcher or self.folder / "isaaclab.sh", *arguments],
            cwd=cwd or self.folder,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def kill_while_it_installs(self) -> None:
        """Start an installation and end it, with all that it has started, in its midst."""
        process = self.start("-i", UV_SECONDS="30")
        while "pip install" not in self.take_uv_calls():
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def run(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=180)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def write_executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A machine with the shell's tools, a home and nothing else; the folder's name has a space in it."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in ("isaaclab.sh", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in TOOLS:
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    home = tmp_path / "home"
    home.mkdir()
    log = str(tmp_path / "uv.log")
    return Checkout(folder, {"PATH": str(tools), "HOME": str(home), "UV_LOG": log, "REAL_PYTHON": str(PYTHON)})


@pytest.fixture
def installer(checkout: Checkout) -> Checkout:
    """The same machine with Python 3.12 and a uv that installs nothing."""
    tools = Path(checkout.environment["PATH"])
    (tools / "python3.12").symlink_to(PYTHON)
    write_executable(tools / "uv", FAKE_UV)
    return checkout


@pytest.fixture
def active(checkout: Checkout) -> Checkout:
    """The same machine with the environment of these tests active, which holds isaaclab and nil_ext."""
    packages = Path(sys.prefix, "lib", "python3.12", "site-packages")
    if not (any(packages.glob("nil_ext-*.dist-info")) and any(packages.glob("isaaclab-*.dist-info"))):
        pytest.skip("needs isaaclab and nil_ext installed in the environment that runs the tests")
    checkout.environment["VIRTUAL_ENV"] = sys.prefix
    return checkout


# -- handing over --


def test_script_gets_its_arguments_and_folder_and_gives_the_exit_code(active: Checkout, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    report = "import json, os, sys\nprint(json.dumps([sys.argv[1:], os.getcwd(), sys.prefix]))\nsys.exit(7)\n"
    (elsewhere / "report.py").write_text(report)
    link = tmp_path / "links" / "launch"
    link.parent.mkdir()
    link.symlink_to(Path("..") / "a checkout" / "isaaclab.sh")
    arguments = ["--task", "a b", "-p", "", "env.x=[1,2]"]
    for launcher in (None, link):
        done = active.run("-p", "report.py", *arguments, launcher=launcher, cwd=elsewhere)
        assert done.returncode == 7, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == [arguments, str(elsewhere), sys.prefix]
    assert not active.venv.exists()


BLOCKED = (
    "import os, signal, sys\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})\n"
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)
"""Becomes the command that follows, which inherits two blocked signals, as from a careless supervisor."""


@pytest.mark.parametrize("wrapper", [(), (PYTHON, "-c", BLOCKED)], ids=["as_usual", "blocked"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_leave_the_script_time_to_save(active: Checkout, tmp_path: Path, number: signal.Signals, wrapper):
    # A plain `isaaclab -p` kills its script 0.25 s after Ctrl-C and leaves it running after a SIGTERM.
    script = tmp_path / "train.py"
    script.write_text(
        "import os, signal, sys, time\n"
        "def save(*_):\n    time.sleep(1)\n    os.write(1, b'saved\\n')\n    sys.exit(3)\n"
        f"signal.signal({int(number)}, save)\n"
        # Python looks at a signal that comes between two steps of it only after the step: short ones.
        "print('training', flush=True)\nfor _ in range(300):\n    time.sleep(0.1)\n"
    )
    process = active.start("-p", str(script), wrapper=wrapper)
    assert any(line == "training\n" for line in iter(process.stdout.readline, ""))
    # The terminal tells the whole group, a batch system perhaps only the process it started.
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("saved\n", 3)


def test_tests_run_from_the_root_whatever_the_folder(active: Checkout, tmp_path: Path):
    tests = active.folder / "tests"
    tests.mkdir()
    (tests / "test_small.py").write_text("def test_right():\n    pass\n\n\ndef test_wrong():\n    raise ValueError\n")
    assert active.run("-t", "-q", "-k", "right", cwd=tmp_path).returncode == 0
    failed = active.run("-t", "-q", cwd=tmp_path)
    assert failed.returncode == 1
    assert "1 failed, 1 passed" in failed.stdout.splitlines()[-1]


def test_an_active_environment_is_left_to_its_owner(active: Checkout):
    done = active.run("-i")
    assert done.returncode == 0
    assert f"the active {sys.prefix} is yours to keep up to date" in done.stderr


def test_other_commands_reach_isaac_lab(active: Checkout):
    done = active.run("list_envs", "--help")
    assert done.returncode == 0
    assert "Isaac Lab environments" in done.stdout


def test_help_needs_no_installation(checkout: Checkout):
    for arguments in ((), ("--help",)):
        done = checkout.run(*arguments)
        assert done.returncode == 0
        assert "-p SCRIPT" in done.stdout
    assert not checkout.venv.exists()


# -- setting up --


def test_installs_once_and_says_so(installer: Checkout):
    first = installer.run("-i")
    assert first.returncode == 0, first.stderr
    assert installer.take_uv_calls() == ["venv --quiet", *INSTALLATION]
    assert "installing the pinned packages" in first.stderr
    start = time.perf_counter()
    second = installer.run("-t")
    assert time.perf_counter() - start < 1.0
    assert "has no pytest" in second.stderr  # it went on to the tests
    assert installer.take_uv_calls() == []


def test_asked_for_it_installs_again_into_the_same_environment(installer: Checkout):
    """What the doctor advises where a package is missing; without a network the environment stays as it was."""
    installer.run("-i")
    kept = installer.venv / "added-by-the-user"
    kept.touch()
    stamp = installer.stamp
    installer.take_uv_calls()
    assert installer.run("-i").returncode == 0
    assert installer.take_uv_calls() == INSTALLATION
    assert installer.run("-i", UV_EXIT="2").returncode == 1
    assert kept.exists()
    assert installer.stamp == stamp


@pytest.mark.parametrize("at", ["[dev,viewers]", "[sam2]"])
def test_an_installation_that_ends_half_way_does_not_count_as_whole(installer: Checkout, at: str):
    """As on a full disk: half a package looks whole. A pass that has ended, before one that gives up, is none."""
    installer.run("-i")
    kept = installer.venv / "added-by-the-user"
    kept.touch()
    stamp = installer.stamp
    added = installer.packages / "added-1.0.dist-info"
    assert installer.run("-i", UV_MAKES=str(added), UV_FAILS=at, UV_EXIT="2").returncode == 1
    half = at == "[dev,viewers]"
    assert (installer.stamp == stamp) != half
    installer.take_uv_calls()
    assert installer.run("-i").returncode == 0
    assert installer.take_uv_calls() == [*(["venv --quiet"] if half else []), *INSTALLATION]
    assert kept.exists() != half


def test_changed_pins_are_installed_into_the_same_environment(installer: Checkout):
    installer.run("-i")
    kept = installer.venv / "added-by-the-user"
    kept.touch()
    installer.take_uv_calls()
    with open(installer.folder / "constraints.txt", "a") as file:
        file.write("another==1.0\n")
    assert installer.run("-i").returncode == 0
    assert installer.take_uv_calls() == INSTALLATION
    assert kept.exists()


@pytest.mark.parametrize("how", ["failed", "killed"])
def test_interrupted_installation_is_made_anew(installer: Checkout, how: str):
    if how == "failed":
        done = installer.run("-i", UV_EXIT="2")
        assert done.returncode == 1
        assert "run this again" in done.stderr.splitlines()[-1]
    else:
        installer.kill_while_it_installs()
    assert installer.stamp.startswith("unfinished")
    half = installer.venv / "half-a-package"
    half.touch()
    installer.take_uv_calls()
    assert installer.run("-i").returncode == 0
    assert installer.take_uv_calls() == ["venv --quiet", *INSTALLATION]
    assert not half.exists()
    assert not installer.stamp.startswith("unfinished")


def test_moved_checkout_is_made_anew(installer: Checkout):
    installer.run("-i")
    installer.take_uv_calls()
    installer.folder = installer.folder.rename(installer.folder.with_name("moved"))
    assert installer.run("-i").returncode == 0
    assert installer.take_uv_calls() == ["venv --quiet", *INSTALLATION]


@pytest.mark.skipif(not shutil.which("flock"), reason="needs flock")
def test_two_at_once_install_once(installer: Checkout):
    processes = [installer.start("-i", UV_SECONDS="1") for _ in range(2)]
    output = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], output
    assert installer.take_uv_calls() == ["venv --quiet", *INSTALLATION]
    assert sum("waiting for another" in text for text in output) == 1


def test_environment_made_by_hand_is_kept(installer: Checkout):
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", installer.venv], check=True)
    packages = installer.packages
    for name in ("isaaclab-3.0.0", "nil_ext-0.1.0"):
        (packages / f"{name}.dist-info").mkdir()
    installer.run("-t")
    assert installer.take_uv_calls() == []
    (packages / "nil_ext-0.1.0.dist-info").rmdir()
    installer.run("-t", UV_EXIT="2")
    installer.run("-t")
    assert installer.take_uv_calls() == [INSTALLATION[0], *INSTALLATION]


def test_environment_made_by_hand_is_never_emptied(installer: Checkout):
    """Neither after an installation that was killed nor after one that ended half-way."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", installer.venv], check=True)
    kept = installer.venv / "added-by-the-user"
    kept.touch()
    installer.kill_while_it_installs()
    added = installer.packages / "added-1.0.dist-info"
    assert installer.run("-i", UV_MAKES=str(added), UV_EXIT="2").returncode == 1
    installer.take_uv_calls()
    assert installer.run("-t").returncode == 1  # nobody has installed pytest
    assert installer.take_uv_calls() == INSTALLATION
    assert kept.exists()
    installer.run("-t")
    assert installer.take_uv_calls() == []


def test_environment_of_another_python_is_refused_and_kept(installer: Checkout):
    write_executable(installer.venv / "bin" / "python", "#!/bin/sh\nexit 1\n")
    done = installer.run("-i")
    assert done.returncode == 1
    assert "move it away" in done.stderr
    assert (installer.venv / "bin" / "python").exists()


def test_only_an_environment_is_replaced(installer: Checkout, tmp_path: Path):
    disk = tmp_path / "a bigger disk"
    theirs = disk / "thesis.tex"
    disk.mkdir()
    theirs.write_text("years of work")
    installer.venv.symlink_to(disk)
    refused = installer.run("-i")
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"isaaclab.sh: error: {installer.venv} holds files but no environment: empty it or let it lead to an empty "
        "folder, then run this again."
    ]
    assert list(disk.iterdir()) == [theirs]
    assert installer.take_uv_calls() == []
    theirs.rename(tmp_path / "thesis.tex")
    assert installer.run("-i").returncode == 0
    (disk / "bin" / "python").unlink()  # broken, but an environment: made anew behind the link
    assert installer.run("-i").returncode == 0
    assert installer.venv.is_symlink()
    assert (disk / "bin" / "python").exists()


def test_active_environment_without_the_package_is_named(installer: Checkout, tmp_path: Path):
    (tmp_path / "other" / "lib" / "python3.12" / "site-packages" / "isaaclab-3.0.0.dist-info").mkdir(parents=True)
    done = installer.run("-i", VIRTUAL_ENV=str(tmp_path / "other"))
    assert done.returncode == 0
    assert "no nil_ext ('uv pip install -e .'" in done.stderr
    assert installer.take_uv_calls() == ["venv --quiet", *INSTALLATION]


# -- finding Python 3.12 --


def test_no_python_is_one_line_with_the_remedy(checkout: Checkout):
    done = checkout.run("-p", "script.py")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "no Python 3.12 found" in done.stderr
    assert "install python3.12" in done.stderr
    assert not checkout.venv.exists()


def test_uv_is_asked_for_a_python_last(checkout: Checkout):
    write_executable(Path(checkout.environment["PATH"]) / "uv", FAKE_UV)
    assert checkout.run("-i").returncode == 1
    assert checkout.take_uv_calls() == ["python find", "python install"]


@pytest.mark.parametrize("root", ["PYENV_ROOT", "HOME", "shims"])
def test_pyenv_version_is_found_behind_a_shim_that_does_not_run(checkout: Checkout, tmp_path: Path, root: str):
    tools = Path(checkout.environment["PATH"])
    pyenv = Path(checkout.environment["HOME"], ".pyenv") if root == "HOME" else tmp_path / "pyenv"
    write_executable(pyenv / "shims" / "python3.12", "#!/bin/sh\nexit 127\n")
    version = pyenv / "versions" / "3.12.9" / "bin"
    version.mkdir(parents=True)
    (version / "python3.12").symlink_to(PYTHON)
    write_executable(tools / "uv", FAKE_UV)
    path = f"{pyenv / 'shims'}:{tools}" if root != "HOME" else str(tools)
    variables = {"PYENV_ROOT": str(pyenv)} if root == "PYENV_ROOT" else {}
    done = checkout.run("-i", PATH=path, **variables)
    assert done.returncode == 0, done.stderr
    assert checkout.take_uv_calls() == ["venv --quiet", *INSTALLATION]
