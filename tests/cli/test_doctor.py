# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The doctor, as a user runs it on one task, and its judgement on what this machine does not have."""

from __future__ import annotations

import dataclasses
import json
import socket
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import gymnasium as gym
import pytest
import torch

from nil_ext.cli import doctor
from nil_ext.cli.checks import Line, hardware, models, simulation
from nil_ext.cli.checks.hardware import check_hardware
from nil_ext.cli.checks.models import check_hub, check_robot
from nil_ext.cli.checks.packages import check_packages
from nil_ext.cli.checks.simulation import Findings, check_task, frame_line, memory_line
from nil_ext.robots.robot import RobotModel

TASK = "NIL-H1-Walk"
GO2 = Path(__file__).parents[2] / "docs/examples/go2.toml"
GIB, MIB = 2**30, 2**20

GOOD = Findings(
    device="cpu", brightest=255, least_covered=0.06, moved_iou=0.5, reset_iou=1.0, used=GIB, free=10 * GIB, replay=GIB
)


# -- as a user runs it


@pytest.fixture(scope="module")
def report(scripts, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """Lines of a whole examination, by subject."""
    done = scripts.run("doctor.py", "--json", cwd=tmp_path_factory.mktemp("user"))
    answer = json.loads(done.stdout[done.stdout.index("{") :])
    assert answer["problems"] == 0
    return {line["subject"]: line for line in answer["lines"]}


@pytest.mark.sim
def test_everything_is_looked_at(report: dict[str, dict]):
    wanted = ("Python", "packages", "pinned versions", "computer", "engines", "viewers", "model hub", "TimeSformer")
    assert {*wanted, "SAM2", "video diffusion", "model H1", f"frame {TASK}", f"memory {TASK}"} <= set(report)
    assert all(line["level"] in ("ok", "warning") for line in report.values())
    assert all(line["remedy"] for line in report.values() if line["level"] == "warning")
    assert "h1.xml" in report["model H1"]["finding"]


@pytest.mark.sim
def test_the_frame_is_seen_moved_and_fresh(report: dict[str, dict]):
    line = report[f"frame {TASK}"]
    assert line["level"] == "ok", line
    assert "after a reset (cpu)" in line["finding"]


@pytest.mark.sim
def test_memory_is_estimated(report: dict[str, dict]):
    finding = report[f"memory {TASK}"]["finding"]
    each = float(finding.split(" MiB an environment")[0])
    assert 0.05 < each < 100.0
    assert "GiB free" in finding


@pytest.mark.sim
def test_what_cannot_run_is_a_problem_with_exit_code_1(scripts, tmp_path: Path):
    done = scripts.run("doctor.py", "--json", "renderer=isaacsim_rtx", cwd=tmp_path, status=1)
    answer = json.loads(done.stdout[done.stdout.index("{") :])
    [problem] = [line for line in answer["lines"] if line["level"] == "problem"]
    assert problem["subject"] == f"frame {TASK}"
    assert "renderer=isaacsim_rtx" in problem["finding"]
    assert "Traceback" not in done.stdout + done.stderr


def test_an_unknown_task_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "argv", ["doctor.py", "--task", "NIL-Foo-Walk"])
    assert doctor.main() == 2
    assert capsys.readouterr().err.startswith("error: Unknown task 'NIL-Foo-Walk': choose one of NIL-")


def test_every_registered_task_is_looked_at():
    assert doctor._tasks(None) == sorted(name for name in gym.registry if name.startswith("NIL-"))
    assert TASK in doctor._tasks(None)


def test_a_robot_of_the_user_s_own_is_looked_at_by_its_file(monkeypatch: pytest.MonkeyPatch, capsys):
    """In processes that know it by the file alone."""
    started = []

    def start(command: list[str], **_) -> SimpleNamespace:
        started.append(command)
        return SimpleNamespace(stdout="", stderr="error: no sketch", returncode=2)

    monkeypatch.setattr(simulation.subprocess, "run", start)
    assert doctor.run(["--robot", str(GO2)]) == 1
    del gym.registry["NIL-Go2-Walk"]
    said = capsys.readouterr().out
    assert "model Go2" in said
    assert "model H1" not in said
    assert f"see the whole output: scripts/play.py --robot {GO2}" in said
    assert [command[3:5] for command in started] == [["--robot", str(GO2)]]


# -- judgement


def test_a_good_frame_is_ok():
    line = frame_line(TASK, GOOD)
    assert (line.level, line.remedy) == ("ok", "")
    assert "robot fills 6.0%, mask IoU 0.50 with turned joints, 1.00 after a reset (cpu)" in line.finding


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"brightest": 8}, "the picture is black"),
        ({"least_covered": 0.0}, "the robot fills 0.0% of the picture"),
        ({"least_covered": 0.9}, "the robot fills 90.0% of the picture"),
        ({"moved_iou": 0.999}, "the picture stays the same when the joints turn"),
        ({"reset_iou": 0.5}, "the picture after a reset is not the start's (mask IoU 0.500)"),
    ],
)
def test_a_bad_frame_is_a_problem(change: dict, fault: str):
    line = frame_line(TASK, dataclasses.replace(GOOD, **change))
    assert line.level == "problem"
    assert line.finding.startswith(fault)
    assert line.remedy


def test_memory_of_one_environment_and_how_many_fit():
    """60 environments more take 600 MiB: 10 MiB each. 0.9 of 10 GiB less 1 + 1 GiB leave 716; with the 4, 720."""
    many = dataclasses.replace(GOOD, used=GIB + 600 * MIB)
    line = memory_line(TASK, GOOD, many)
    assert line.level == "ok"
    assert line.finding.startswith("10.00 MiB an environment, 1.00 GiB for the rest, 1.00 GiB for a full replay")
    assert line.finding.endswith("about --num_envs 512 fit")
    # 0.9 of 2.5 GiB less 1 + 1 GiB leave 25; with the 4, 29
    line = memory_line(TASK, GOOD, dataclasses.replace(many, free=5 * GIB // 2))
    assert line.level == "warning"
    assert "--num_envs 29" in line.remedy


def test_memory_that_does_not_grow_is_not_told():
    line = memory_line(TASK, GOOD, dataclasses.replace(GOOD, used=GIB - MIB))
    assert (line.level, line.finding[:9]) == ("warning", "not told:")
    assert "--num_envs" not in line.finding


def test_a_process_that_converted_the_model_is_not_compared_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """64 environments with 600 MiB more than 4 take 10 MiB each, whatever the conversion before took."""
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path))
    held = {4: GIB, 64: GIB + 600 * MIB}

    def look(task: str, num_envs: int, options: list[str]) -> Findings:
        folder = tmp_path / "robots" / "h1-0123"
        first = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        return dataclasses.replace(GOOD, used=held[num_envs] + (800 * MIB if first else 0))

    monkeypatch.setattr(simulation, "_look", look)
    _, line = check_task(TASK, [])
    assert line.finding.startswith("10.00 MiB an environment, 1.00 GiB for the rest")


# -- hardware


def test_a_driver_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As after an update of the driver without a restart; train.py sends whoever sees it here."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def line() -> Line:
        return {line.subject: line for line in check_hardware()}["GPU"]

    assert line().finding == "no NVIDIA GPU or driver: the 'cpu' profile runs"
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'Failed to initialize NVML: Driver/library version mismatch'\nexit 18\n")
    smi.chmod(0o755)
    assert line().level == "warning"
    assert line().finding.startswith("nvidia-smi fails (Failed to initialize NVML: Driver/library version mismatch)")


def test_engines_are_those_of_any_gpu(monkeypatch: pytest.MonkeyPatch):
    capabilities = [(9, 0), (8, 9)]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=0: capabilities[device])
    monkeypatch.setattr(hardware, "installed", lambda package: True)
    assert "not renderer=ovrtx" not in hardware._engines(cuda=True).finding
    capabilities[1] = (9, 0)
    assert "not renderer=ovrtx (no RT cores)" in hardware._engines(cuda=True).finding


# -- packages, hub, robots


def test_packages_are_held_against_the_pinned_ones(tmp_path: Path):
    pinned = tmp_path / "constraints.txt"
    pinned.write_text(f"# a comment\nnumpy=={version('numpy')}\nno-such-package==1.0\n")
    lines = {line.subject: line for line in check_packages(pinned)}
    assert lines["Python"].level == lines["packages"].level == "ok"
    assert lines["pinned versions"].finding == "1 packages as in constraints.txt"
    pinned.write_text("numpy==1.0\ntorch==0.1\n")
    line = {line.subject: line for line in check_packages(pinned)}["pinned versions"]
    assert line.level == "warning"
    assert f"numpy {version('numpy')} (pinned 1.0), torch" in line.finding
    assert line.remedy == "for the tested set: ./isaaclab.sh -i"


def test_a_missing_package_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from nil_ext.cli.checks import packages

    needs = ["no-such-package>=1", "numpy>=99", "no-such-viewer; extra == 'viewers'"]
    monkeypatch.setattr(packages, "requires", lambda name: needs)
    lines = {line.subject: line for line in check_packages(tmp_path / "none.txt")}
    assert lines["packages"].level == "problem"
    assert lines["packages"].finding == f"no-such-package is missing; numpy {version('numpy')} is not >=99"
    assert (lines["viewer packages"].level, lines["viewer packages"].finding) == (
        "warning",
        "no-such-viewer is missing",
    )


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A hub on this machine, and an empty cache."""
    from huggingface_hub import constants

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(models, "_cached_models", lambda: [])
        yield SimpleNamespace(close=server.close, constants=constants)


def test_a_hub_that_answers_and_one_that_does_not(hub: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    assert next(check_hub()).level == "ok"
    hub.close()
    assert (next(check_hub()).level, next(check_hub()).finding) == ("warning", "does not answer")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    assert next(check_hub()).finding == "switched off (HF_HUB_OFFLINE)"


def test_a_hub_that_never_answers_is_not_waited_for(hub: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(models, "_PATIENCE", 0.2)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: time.sleep(30))
    start = time.monotonic()
    assert next(check_hub()).level == "warning"
    assert time.monotonic() - start < 5.0


def test_models_in_the_cache_are_named(hub: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    found = {line.subject: line for line in check_hub()}
    assert {found[name].level for name in ("TimeSformer", "SAM2", "video diffusion")} == {"warning"}
    assert all(line.remedy for line in found.values() if line.level == "warning")
    cached = ["facebook/timesformer-base-finetuned-k400", "facebook/sam2.1-hiera-tiny", "Lightricks/LTX-Video"]
    monkeypatch.setattr(models, "_cached_models", lambda: cached)
    found = {line.subject: line for line in check_hub()}
    assert [found[name].finding for name in ("TimeSformer", "SAM2", "video diffusion")] == [
        f"cached: {name}" for name in cached
    ]


NOWHERE = SimpleNamespace(name="Nowhere", model=RobotModel("envpool_assets", "no/such/robot.xml", "BSD-3-Clause"))


def test_a_robot_model_that_is_missing_is_a_problem(monkeypatch: pytest.MonkeyPatch):
    assert check_robot(TASK).level == "ok"
    spec = SimpleNamespace(kwargs={"robot_entry_point": f"{__name__}:NOWHERE"})
    monkeypatch.setitem(gym.registry, "NIL-Nowhere-Walk", spec)
    monkeypatch.setattr(gym, "spec", lambda task: gym.registry[task])
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    line = check_robot("NIL-Nowhere-Walk")
    assert (line.subject, line.level) == ("model Nowhere", "problem")
    assert line.remedy


def test_a_task_that_cannot_start_is_a_problem_in_one_line():
    [line] = check_task(TASK, ["--device", "cpu", "presets=nonsense"])
    assert line.level == "problem"
    assert "Unknown preset(s): nonsense" in line.finding
