# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Engines and viewers that a machine cannot run are refused in one line, before anything starts."""

from __future__ import annotations

import argparse
import itertools
import sys

import pytest
import torch

from nil_ext.cli import machine, train
from nil_ext.cli.common import parse_args, resolve_cfgs
from nil_ext.errors import InputError

TASK = "NIL-H1-Walk"
PHYSICS = ("newton_mjwarp", "ovphysx", "isaacsim_physx")
RENDERERS = ("newton_renderer", "ovrtx", "isaacsim_rtx")
IN_KIT = {"isaacsim_physx", "isaacsim_rtx"}
OUTSIDE_KIT = {"ovphysx", "ovrtx"}
"""Isaac Sim has its own PhysX and RTX: these and IN_KIT exclude one another. Newton goes with either."""

COMBINATIONS = list(itertools.product(PHYSICS, RENDERERS))


@pytest.fixture
def settle(monkeypatch: pytest.MonkeyPatch):
    """``settle(*arguments)``: what a script does with its command line before it launches anything."""

    def run(*arguments: str):
        monkeypatch.setattr(sys, "argv", ["script", *arguments])
        args = parse_args(argparse.ArgumentParser(), ["--task", TASK, *arguments])
        return resolve_cfgs(args, args.agent)[0]

    return run


@pytest.fixture
def workstation(monkeypatch: pytest.MonkeyPatch):
    """The facts of a machine with an RTX GPU, Isaac Sim and OVRTX."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=0: (8, 9))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=0: "NVIDIA Test GPU")
    monkeypatch.setattr(machine, "installed", lambda package: True)


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("workstation")
@pytest.mark.parametrize("profile", ["paper", "cpu"])
@pytest.mark.parametrize(("physics", "renderer"), COMBINATIONS)
def test_every_combination_resolves_or_is_refused_with_the_reason(settle, profile: str, physics: str, renderer: str):
    arguments = (f"presets={profile}", f"physics={physics}", f"renderer={renderer}")
    inside, outside = {physics, renderer} & IN_KIT, {physics, renderer} & OUTSIDE_KIT
    if inside and outside:
        with pytest.raises(
            InputError, match=r"cannot share a process with Isaac Sim, which .* needs?: choose"
        ) as error:
            settle(*arguments)
        assert inside.pop() in str(error.value)
        assert outside.pop() in str(error.value)
    else:
        cfg = settle(*arguments)
        kinds = {"newton_mjwarp": "NewtonCfg", "ovphysx": "OvPhysxCfg", "isaacsim_physx": "PhysxCfg"}
        assert type(cfg.sim.physics).__name__ == kinds[physics]
        kinds = {"newton_renderer": "newton_warp", "ovrtx": "ovrtx", "isaacsim_rtx": "isaac_rtx"}
        assert cfg.scene.camera.renderer_cfg.renderer_type == kinds[renderer]


def test_two_of_the_nine_combinations_exclude_one_another():
    refused = [pair for pair in COMBINATIONS if set(pair) & IN_KIT and set(pair) & OUTSIDE_KIT]
    assert refused == [("ovphysx", "isaacsim_rtx"), ("isaacsim_physx", "ovrtx")]


@pytest.mark.usefixtures("no_cuda")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["physics=isaacsim_physx"],
            "physics=isaacsim_physx needs an NVIDIA RTX GPU, and PyTorch finds no CUDA device",
        ),
        (["physics=newton_mjwarp", "renderer=isaacsim_rtx"], "or choose renderer=newton_renderer."),
        (["renderer=ovrtx"], "renderer=ovrtx needs an NVIDIA RTX GPU"),
        (["physics=newton_mjwarp", "--viz", "kit"], "--viz kit needs an NVIDIA RTX GPU"),
        (["--viz", "kit"], "physics=ovphysx cannot share a process with Isaac Sim, which --viz kit needs: choose"),
        (["--viz", "newton_rtx"], "--viz newton_rtx needs an NVIDIA RTX GPU"),
        (["physics=newton_mjwarp", "--livestream", "2"], "--livestream needs an NVIDIA RTX GPU"),
        (
            ["physics=isaacsim_physx", "renderer=isaacsim_rtx", "--viz", "kit"],
            "physics=isaacsim_physx and renderer=isaacsim_rtx and --viz kit need an NVIDIA RTX GPU",
        ),
    ],
)
def test_a_machine_without_cuda_says_so_and_what_else_to_choose(refuse, arguments: list[str], message: str):
    assert message in refuse(train.run, "--task", TASK, *arguments)


@pytest.mark.usefixtures("workstation")
@pytest.mark.parametrize("argument", ["renderer=isaacsim_rtx", "renderer=ovrtx"])
@pytest.mark.parametrize("capability", [(7, 0), (8, 0), (9, 0), (10, 0)])
def test_a_gpu_without_rt_cores_is_named(settle, monkeypatch: pytest.MonkeyPatch, argument: str, capability: tuple):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=0: capability)
    with pytest.raises(InputError, match="needs a GPU with RT cores, and NVIDIA Test GPU has none"):
        settle("presets=paper", argument)
    settle("presets=paper", "physics=isaacsim_physx")  # PhysX alone traces no rays


@pytest.mark.usefixtures("workstation")
def test_the_gpu_that_is_asked_for_is_looked_at(settle, monkeypatch: pytest.MonkeyPatch):
    """A machine with a GPU to draw with, cuda:0, and one to compute with."""
    gpus = {"cuda:0": (8, 9), "cuda:1": (9, 0)}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=0: gpus[str(device)])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=0: f"the GPU {device}")
    for device in ("cuda:0", "cpu"):  # on the CPU only the physics runs
        settle("presets=paper", "renderer=ovrtx", "--device", device)
    with pytest.raises(InputError, match="a GPU with RT cores, and the GPU cuda:1 has none"):
        settle("presets=paper", "renderer=ovrtx", "--device", "cuda:1")


@pytest.mark.usefixtures("workstation")
@pytest.mark.parametrize(
    ("missing", "arguments", "message"),
    [
        ("isaacsim", ["physics=isaacsim_physx"], r"needs the package 'isaacsim', .* uv pip install -e '.\[isaacsim\]'"),
        ("ovrtx", ["renderer=ovrtx"], r"needs the package 'ovrtx', which is not installed: uv pip install 'isaaclab\["),
        ("viser", ["--viz", "viser"], r"--viz viser needs the package 'viser'.*uv pip install -e '.\[viewers\]'"),
        ("rerun", ["--viz", "viser,rerun"], r"--viz rerun needs the package 'rerun'"),
    ],
)
def test_a_missing_package_is_named_with_its_remedy(settle, monkeypatch, missing: str, arguments: list[str], message):
    settle("presets=paper", *arguments)
    monkeypatch.setattr(machine, "installed", lambda package: package != missing)
    with pytest.raises(InputError, match=message):
        settle("presets=paper", *arguments)


def test_a_window_without_a_screen_is_refused(settle, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DISPLAY", ":7")
    settle("--viz", "newton_gl")
    monkeypatch.delenv("DISPLAY")
    with pytest.raises(InputError, match=r"there is no screen \(DISPLAY is unset\): use --viz viser, add --video"):
        settle("--viz", "newton_gl")


def test_a_viewer_that_does_not_exist_is_refused(settle, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as status:
        settle("--viz", "teletext")
    assert status.value.code == 2
    assert "teletext" in capsys.readouterr().err
