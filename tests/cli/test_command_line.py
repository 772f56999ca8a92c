# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The machine's profile, run folders and checkpoints, as far as they need no simulator."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nil_ext.cli.checkpoints import find_checkpoint
from nil_ext.cli.common import with_machine_settings
from nil_ext.cli.run_folders import log_root, run_folder
from nil_ext.errors import InputError


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_cuda")
@pytest.mark.parametrize(
    ("given", "run"),
    [
        (["--task", "T"], ["--task", "T", "--device", "cpu", "presets=cpu"]),
        (["--device", "cpu"], ["--device", "cpu", "presets=cpu"]),
        (["--device=cpu", "presets=torque"], ["--device=cpu", "presets=cpu,torque"]),
        (["presets=paper"], ["presets=paper", "--device", "cpu"]),
        (["presets=paper,position"], ["presets=paper,position", "--device", "cpu"]),
        (["env.seed=1"], ["env.seed=1", "--device", "cpu", "presets=cpu"]),
        (["--help"], ["--help"]),
    ],
)
def test_without_cuda_the_cpu_profile_runs_unless_told_otherwise(given: list[str], run: list[str]):
    assert with_machine_settings(given) == run


@pytest.mark.usefixtures("no_cuda")
def test_the_choice_is_printed(capsys: pytest.CaptureFixture[str]):
    with_machine_settings(["presets=paper"])
    assert capsys.readouterr().out == ""
    with_machine_settings([])
    assert "No CUDA device: running the 'cpu' profile" in capsys.readouterr().out


@pytest.mark.usefixtures("no_cuda")
@pytest.mark.parametrize("given", [["--device", "cuda"], ["--device=cuda:1"]])
def test_no_other_device_is_swapped_in(given: list[str]):
    with pytest.raises(InputError, match="PyTorch finds no CUDA device here"):
        with_machine_settings(given)


@pytest.mark.usefixtures("no_cuda")
def test_a_driver_that_pytorch_cannot_use_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    with_machine_settings([])
    assert "driver" not in capsys.readouterr().out
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    with_machine_settings([])
    assert "NVIDIA's driver is installed, but PyTorch cannot use it: scripts/doctor.py" in capsys.readouterr().out
    with_machine_settings(["--device", "cpu"])  # chosen: nothing is missing
    assert "driver" not in capsys.readouterr().out


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda:2", "--device cuda:2: PyTorch finds 2 here, the last is cuda:1."),
        ("gpu", "--device gpu: give cpu, cuda or cuda:N."),
        ("cuda0", "--device cuda0: give cpu"),
    ],
)
def test_a_device_that_is_not_there_is_refused(device: str, message: str):
    with pytest.raises(InputError, match=message):
        with_machine_settings(["--task", "T", "--device", device])


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("given", [["--task", "T"], ["--device", "cuda:1"], ["--device=cuda", "presets=cpu"]])
def test_with_cuda_nothing_is_added(given: list[str]):
    assert with_machine_settings(given) == given


@pytest.mark.usefixtures("cuda")
def test_the_cpu_of_a_machine_with_cuda_runs_the_cpu_profile_too(capsys: pytest.CaptureFixture[str]):
    given = ["--task", "T", "--device", "cpu"]
    assert with_machine_settings(given) == [*given, "presets=cpu"]
    assert "[nil_ext] --device cpu: running the 'cpu' profile" in capsys.readouterr().out
    assert with_machine_settings([*given, "presets=paper"]) == [*given, "presets=paper"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs go."""
    monkeypatch.chdir(tmp_path)
    return log_root("walk")


def test_runs_that_start_in_the_same_second_do_not_share_a_folder(root: Path):
    with run_folder("walk", "a") as first, run_folder("walk", "a") as second, run_folder("walk", "a") as third:
        assert first.parent == second.parent == root
        assert len({first, second, third}) == 3
        assert all(folder.is_dir() for folder in (first, second, third))


def test_a_run_that_fails_before_it_saved_anything_leaves_nothing(root: Path):
    with pytest.raises(InputError), run_folder("walk", "") as folder:
        (folder / "params").mkdir()
        raise InputError("no.")
    assert not list(root.iterdir())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_run_that_fails_later_keeps_what_it_saved(root: Path, error: type[BaseException]):
    with pytest.raises(error), run_folder("walk", "") as folder:
        (folder / "model_20.pt").touch()
        raise error
    assert (folder / "model_20.pt").is_file()


def test_a_run_folder_means_its_newest_checkpoint(tmp_path: Path):
    for iteration in (9, 100, 20):
        (tmp_path / f"model_{iteration}.pt").touch()
    assert find_checkpoint(str(tmp_path), "walk", "T", "bro").name == "model_100.pt"
    assert find_checkpoint(str(tmp_path / "model_9.pt"), "walk", "T", "bro") == tmp_path / "model_9.pt"
