# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What the Expert, the baselines and recordings refuse before a simulator starts, and which settings they choose."""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np
import pytest

from nil_ext.cli import evaluate, play, train
from nil_ext.cli.common import parse_args, resolve_cfgs
from nil_ext.rl.cfg import BroCpuRunnerCfg
from nil_ext.rl.runners.checkpoint import write_checkpoint

TASK = "NIL-A1-Walk"
CPU = ("--task", TASK, "--device", "cpu", "presets=cpu")


def settings(monkeypatch, *arguments: str):
    monkeypatch.setattr(sys, "argv", ["train.py"])
    args = parse_args(argparse.ArgumentParser(), [*CPU, *arguments])
    return resolve_cfgs(args, args.agent)


def test_the_expert_s_environment_pays_for_the_task_alone(monkeypatch):
    env_cfg, agent_cfg = settings(monkeypatch, "--reward", "task", "env.rewards.foot_slip.weight=-0.5")
    assert env_cfg.rewards.video_similarity is None and env_cfg.rewards.mask_iou is None
    weights = {name: term.weight for name, term in vars(env_cfg.rewards).items() if hasattr(term, "weight")}
    assert {name: weight for name, weight in weights.items() if weight} == {"env_reward": 1.0, "foot_slip": -0.5}
    assert env_cfg.rewards.env_reward.params == {"kind": "quadruped", "speed": 0.5}
    assert env_cfg.observations.policy.reference is None and env_cfg.observations.policy.phase is None
    reference = env_cfg.commands.reference
    assert (reference.filmed, reference.start_along_reference, reference.lost_below) == (False, 0.0, 0.0)
    assert agent_cfg.experiment_name == "nil_a1_walk_task"
    imitation, agent = settings(monkeypatch)
    assert imitation.rewards.env_reward is None and imitation.observations.state is None
    assert imitation.rewards.mask_iou.weight > 0.0 and imitation.commands.reference.filmed
    assert agent.experiment_name == "nil_a1_walk"


@pytest.mark.parametrize(
    ("agent", "kind", "groups"),
    [("amp", "AMP", ["policy"]), ("gaifo", "GAIfO", ["policy"]), ("bco", "BCO", ["state"])],
)
def test_a_baseline_is_bro_with_another_algorithm_in_the_expert_s_environment(monkeypatch, agent, kind, groups):
    env_cfg, agent_cfg = settings(monkeypatch, "--agent", agent, "agent.algorithm.hidden_dims=[8,8]")
    assert env_cfg.rewards.env_reward is not None and not env_cfg.commands.reference.filmed
    bro = BroCpuRunnerCfg()
    assert agent_cfg.algorithm.class_name == f"nil_ext.rl.imitation:{kind}"
    assert agent_cfg.algorithm.gamma == bro.algorithm.gamma
    assert agent_cfg.algorithm.batch_size == bro.algorithm.batch_size
    assert agent_cfg.algorithm.hidden_dims == [8, 8]
    # 25 steps a second: a reward of 1 a step is one of 25 a second
    assert agent_cfg.algorithm.reward_scale == pytest.approx(bro.algorithm.reward_scale / 25.0)
    assert agent_cfg.obs_groups["actor"] == groups
    assert agent_cfg.actor.hidden_dims == bro.actor.hidden_dims


def test_training_without_or_with_the_wrong_trajectories_is_refused(refuse, tmp_path, shared):
    amp = (*CPU, "--agent", "amp")
    assert "--agent amp learns from an expert: name its trajectories" in refuse(train.run, *amp)
    assert "--trajectories is for the baselines" in refuse(train.run, *CPU, "--trajectories", "a.npz")
    assert "a baseline learns from its trajectories" in refuse(train.run, *amp, "--reward", "task")
    assert "No trajectories at" in refuse(train.run, *amp, "--trajectories", tmp_path / "gone.npz")
    np.savez(tmp_path / "wings.npz", q_wing=np.zeros(9))
    line = refuse(train.run, *amp, "--trajectories", tmp_path / "wings.npz")
    assert "joints that A1 does not have (wing)" in line
    line = refuse(train.run, *amp, "--trajectories", shared / "mocap" / "h1_walk.npz")
    assert "joints that A1 does not have" in line
    line = refuse(
        train.run, *amp, "--trajectories", shared / "mocap" / "a1_walk.npz", "env.sim.dt=0.001", "env.decimation=1"
    )
    assert "has 500 samples a second, the environment 1000 steps" in line
    with pytest.raises(SystemExit):  # argparse names the choices itself
        train.run([*CPU, "--reward", "money"])


def test_a_run_is_played_and_judged_by_its_own_reward(refuse, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    manifest = {"version": 1, "library": "nil_ext", "task": TASK, "metadata": {"reward": "task"}}
    (folder / "run.json").write_text(json.dumps(manifest))
    write_checkpoint({"iter": 1, "infos": None}, folder / "model_1.pt")
    for body in (play.run, evaluate.run):
        line = refuse(body, *CPU, "--checkpoint", folder, "--reward", "imitation")
        assert "learned from the task reward: leave --reward imitation out" in line
    checkpoint = ("--checkpoint", folder)
    line = refuse(play.run, *CPU, *checkpoint, "--record", tmp_path / "a.npz", "--viz", "viser")
    assert "records rollouts: leave --viz and --video out" in line
    assert "Cannot write to '/proc/none'" in refuse(play.run, *CPU, *checkpoint, "--record", "/proc/none/a.npz")
    assert "no run of NIL-A1-Walk" in refuse(play.run, *CPU, "--reward", "task")  # not the policy that comes with it
