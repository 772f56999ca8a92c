# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Agents by their short names, and rsl-rl's PPO on the simulator: trained, stopped, exported, replayed in MuJoCo."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import onnxruntime as ort
import pytest
import torch

from nil_ext.cli.checkpoints import find_checkpoint
from nil_ext.cli.common import parse_args, resolve_cfgs
from nil_ext.cli.train import _launch_processes, run
from nil_ext.errors import InputError

TASK = "NIL-H1-Walk"


@pytest.mark.parametrize("suffix", ["", "_cfg_entry_point"])
@pytest.mark.parametrize(
    ("name", "algorithm"),
    [("bro", "nil_ext.rl.algorithms:BRO"), ("bro_reference", "nil_ext.rl.algorithms:BRO"), ("rsl_rl", "PPO")],
)
def test_an_agent_has_a_short_and_a_long_key(monkeypatch, name, suffix, algorithm):
    monkeypatch.setattr(sys, "argv", ["train.py"])
    argv = ["--task", TASK, "--device", "cpu", "presets=cpu", "--agent", name + suffix]
    args = parse_args(argparse.ArgumentParser(), argv)
    assert args.agent == f"{name}_cfg_entry_point"
    _, agent_cfg = resolve_cfgs(args, args.agent)
    assert agent_cfg.algorithm.class_name == algorithm


def test_what_the_agent_or_machine_lacks_is_refused(refuse):
    said = refuse(run, "--task", TASK, "--device", "cpu", "presets=cpu", "--agent", "rsl_rl", "--max_minutes", "1")
    assert "has no such budget; use --max_iterations" in said
    assert "use that instead" in refuse(run, "--task", TASK, "--device", "cpu", "presets=cpu", "--distributed")


def test_several_gpus_go_through_isaac_labs_launcher(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["scripts/train.py"])
    assert _launch_processes(["--task", TASK, "--num_gpus", "gpu", "--seed", "3", "--dry_run"]) == 0
    command = capsys.readouterr().out.split()
    assert command[1:5] == ["-m", "torch.distributed.run", "--nproc_per_node", "gpu"]
    script = command.index(str(Path("scripts/train.py").absolute()))
    assert command[script + 1 : script + 5] == ["--task", TASK, "--seed", "3"]
    assert re.fullmatch(r"--run_timestamp=\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", command[script + 5])
    assert command[-1] == "--distributed"


def test_latest_is_the_last_checkpoint_and_best_the_best_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("logs/nil_ext/walk/2026-01-01_00-00-00")
    folder.mkdir(parents=True)
    about = {"version": 1, "library": "nil_ext", "task": TASK, "created_at": "2026-01-01T00:00:00+00:00"}
    (folder / "run.json").write_text(json.dumps(about | {"metadata": {"agent": "bro_cfg_entry_point"}}))
    for name in ("model_9.pt", "model_100.pt"):
        (folder / name).touch()
    assert find_checkpoint("best", "walk", TASK, "bro_cfg_entry_point").name == "model_100.pt"
    (folder / "model_best.pt").touch()
    assert find_checkpoint("best", "walk", TASK, "bro_cfg_entry_point").name == "model_best.pt"
    assert find_checkpoint("latest", "walk", TASK, "bro_cfg_entry_point").name == "model_100.pt"
    assert find_checkpoint(str(folder), "walk", TASK, "bro_cfg_entry_point").name == "model_100.pt"
    with pytest.raises(InputError, match="no run of"):
        find_checkpoint("best", "walk", TASK, "rsl_rl_cfg_entry_point")


@pytest.mark.slow
@pytest.mark.sim
def test_ppo_trains_and_its_export_runs_in_mujoco(scripts, tmp_path):
    small = ("--agent", "rsl_rl", "--num_envs", 4)
    done = scripts.run("train.py", *small, "--max_iterations", 2, "--no_evaluation", cwd=tmp_path)
    [folder] = (tmp_path / "logs" / "nil_ext" / "nil_h1_walk").iterdir()
    assert f"{Path(done.args[1]).parent / 'play.py'} --task" in done.stdout
    infos = torch.load(folder / "model_1.pt", weights_only=True)["infos"]
    assert infos["robot"] == "H1" and infos["progress"].keys() >= {"over", "lasted"}
    scripts.run("play.py", *small, "--checkpoint", "latest", "env.episode_length_s=0.4", cwd=tmp_path)
    exported = folder / "exported" / "policy.onnx"
    session = ort.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    stored = session.get_modelmeta().custom_metadata_map
    contract = {key: json.loads(value) for key, value in stored.items() if key.startswith("nil_ext.")}
    assert contract["nil_ext.robot"] == "H1"
    assert len(contract["nil_ext.joint_names"]) == 19
    assert contract["nil_ext.control_rate"] == pytest.approx(25.0)
    assert contract["nil_ext.action"]["kind"] == "residual"
    knee = contract["nil_ext.joint_names"].index("left_knee")
    # the H1's facts: an action of 1 moves the knee's target by .4 rad; its motor's gains and limit
    moved = contract["nil_ext.action"]["joints"]
    assert len(moved) == 11  # legs and torso
    assert contract["nil_ext.action"]["scale"][moved.index("left_knee")] == pytest.approx(0.4)
    assert contract["nil_ext.action"]["ramped"]
    # a row for each of the 10 steps of 0.4 s: the sketch's joint positions, near the start pose
    assert [len(row) for row in contract["nil_ext.action"]["offset"]] == 10 * [19]
    first = torch.tensor(contract["nil_ext.action"]["offset"][0]) - torch.tensor(contract["nil_ext.start"]["joint_pos"])
    assert 0.0 < first.abs().max() < 0.2
    assert contract["nil_ext.motors"]["effort_limit"][knee] == pytest.approx(300.0)
    assert [term["name"] for term in contract["nil_ext.observations"]][-2:] == ["reference", "phase"]
    script = Path(done.args[1]).parent / "replay_mujoco.py"
    command = [sys.executable, str(script), "--policy", str(exported), "--no_video"]
    replayed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert replayed.returncode == 0, replayed.stderr
    assert re.search(r"MuJoCo: (fell|stands) after [\d.]+ of 0\.40 s, forward speed", replayed.stdout)
