# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A policy that comes with a task: the part of a checkpoint that acts, and what is said about it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tensordict import TensorDict

from isaaclab_tasks.utils import resolve_task_config

from nil_ext.cli import checkpoints, evaluate, ship, train
from nil_ext.cli.checkpoints import require_fitting, with_shipped_profile
from nil_ext.cli.common import run_main
from nil_ext.cli.recorded_run import RecordedRun
from nil_ext.evaluation import Evaluation
from nil_ext.evaluation.metrics import METRICS
from nil_ext.rl.algorithms import BRO
from nil_ext.rl.models import BroActor, BroCritic
from nil_ext.rl.runners.checkpoint import read_checkpoint, write_checkpoint
from nil_ext.rl.storage import ReplayRing
from nil_ext.tasks.embedded import embedded_reference

TASK = "NIL-A1-Walk"
OBS = TensorDict({"policy": torch.randn(5, 3)}, batch_size=[5])


def make_bro(policy_average: float) -> BRO:
    groups = {"actor": ["policy"], "critic": ["policy"]}
    distribution = {"class_name": "nil_ext.rl.modules:TanhGaussian"}
    actor = BroActor(OBS, groups, "actor", 2, [8, 8], obs_normalization=True, distribution_cfg=distribution)
    critic = BroCritic(OBS, groups, "critic", 2, [8, 8], num_quantiles=4)
    return BRO(actor, critic, ReplayRing({"policy": 3}, 2, 5, 8), warmup_transitions=0, policy_average=policy_average)


@pytest.fixture
def trained(tmp_path: Path) -> tuple[BRO, Path, Path]:
    """An agent whose average differs from its actor, its checkpoint, and an evaluation of that."""
    torch.manual_seed(0)
    alg = make_bro(0.5)
    alg.actor.obs_normalizer.train().update(torch.randn(100, 3) * 3.0 + 1.0)
    for weight in alg.learner.average.network.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    path = tmp_path / "run" / "model_3.pt"
    infos = {"task": TASK, "reward": "tracking"}
    write_checkpoint({"version": 1, "iter": 3, "seconds": 90.0, "infos": infos, **alg.save()}, path)
    return alg, path, write_evaluation(tmp_path / "evaluation", path)


def write_evaluation(folder: Path, checkpoint: Path, reference: str = "embedded") -> Path:
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    about = {
        "task": TASK,
        "seed": 0,
        "episodes": 2,
        "commit": "abc",
        "reference": {"path": reference, "source": "sketch", "digest": "d" * 64, "is the run's own": True},
        "checkpoints": [{"path": str(checkpoint), "sha256": digest, "trained by commit": None}],
    }
    values = {name: np.full(2, np.nan) for name in METRICS} | {"forward_speed": np.array([0.25, 0.75])}
    Evaluation("run", about, {"policy": [values], "standing": [values]}).write(folder)
    return folder


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["ship", *map(str, arguments)])
    return run_main(ship.run)


def test_what_is_shipped_acts_as_the_averaged_policy(monkeypatch, trained, tmp_path: Path):
    alg, checkpoint, evaluation = trained
    arguments = ("--checkpoint", checkpoint, "--evaluation", evaluation, "--command", "train it")
    assert not call(monkeypatch, *arguments, "--output", tmp_path / "policies")
    folder = tmp_path / "policies" / TASK
    alg.eval_mode()
    wanted = alg.get_policy()(OBS)
    for average in (0.0, 0.1):
        other = make_bro(average)
        assert not other.load(read_checkpoint(folder / "policy.pt", "cpu"))
        other.eval_mode()
        assert torch.equal(other.get_policy()(OBS), wanted)
    assert not torch.equal(alg.actor(OBS), wanted)
    assert (folder / "policy.pt").stat().st_size < checkpoint.stat().st_size / 2

    about = json.loads((folder / "manifest.json").read_text())
    assert about["trained"]["command"] == "train it"
    assert (about["trained"]["reward"], about["trained"]["minutes"]) == ("tracking", 1.5)
    assert about["evaluated"]["policy"] == {"forward_speed": {"mean": 0.5, "ci95": [0.25, 0.75]}}

    # it can be played, not trained
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train.py"])
    with pytest.raises(Exception, match="holds a policy to play, without its critics"):
        train.run(["--task", TASK, "--device", "cpu", "presets=cpu", "--checkpoint", str(folder / "policy.pt")])


def test_a_policy_of_somebody_s_clip_or_an_evaluation_of_another_is_refused(
    monkeypatch, trained, tmp_path: Path, capsys
):
    _, checkpoint, evaluation = trained
    arguments = ("--command", "train it", "--output", tmp_path / "policies")
    clip = write_evaluation(tmp_path / "clip", checkpoint, "/somewhere/clip.mp4")
    assert call(monkeypatch, "--checkpoint", checkpoint, "--evaluation", clip, *arguments) == 2
    assert "learned from '/somewhere/clip.mp4' and holds codes of it" in capsys.readouterr().err
    other = checkpoint.with_name("model_4.pt")
    write_checkpoint(read_checkpoint(checkpoint) | {"iter": 4}, other)
    assert call(monkeypatch, "--checkpoint", other, "--evaluation", evaluation, *arguments) == 2
    assert "is not of this checkpoint alone" in capsys.readouterr().err
    ppo = checkpoint.with_name("model_5.pt")
    write_checkpoint({"model_state_dict": {}}, ppo)
    assert call(monkeypatch, "--checkpoint", ppo, "--evaluation", evaluation, *arguments) == 2
    assert "holds no policy of BRO" in capsys.readouterr().err
    assert not (tmp_path / "policies").exists()


def test_a_machine_with_cuda_plays_what_has_come_with_a_task_in_its_own_profile(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert with_shipped_profile(["--task", "NIL-A1-Walk"]) == ["--task", "NIL-A1-Walk", "presets=cpu"]
    assert "was trained in the 'cpu' profile" in capsys.readouterr().out
    added = with_shipped_profile(["--task=NIL-H1-Walk", "presets=ovphysx", "--viz", "viser"])
    assert added == ["--task=NIL-H1-Walk", "--viz", "viser", "presets=cpu,ovphysx"]
    others = (
        ["--checkpoint", "latest"],
        ["--reward", "task"],
        ["--agent=amp"],
        ["--agent", "rsl_rl"],
    )  # runs of one's own
    for chosen in (*others, ["--compare", "bro"], ["presets=paper"]):
        assert with_shipped_profile(["--task", "NIL-A1-Walk", *chosen]) == ["--task", "NIL-A1-Walk", *chosen]
    with monkeypatch.context() as bare:
        bare.setattr(checkpoints, "ASSETS", tmp_path)  # nothing has come with it
        assert with_shipped_profile(["--task", "NIL-A1-Walk"]) == ["--task", "NIL-A1-Walk"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert with_shipped_profile(["--task", "NIL-A1-Walk"]) == ["--task", "NIL-A1-Walk"]


def test_a_policy_that_has_come_with_a_task_is_judged_by_the_reference_that_it_learned_from(refuse, tmp_path: Path):
    folder = tmp_path / "policies" / TASK
    shutil.copytree(ship.ASSETS / "policies" / TASK, folder)
    metadata = RecordedRun.of(folder / "policy.pt", TASK).metadata
    assert metadata == {"reference": embedded_reference(TASK).digest, "reward": "imitation"}
    arguments = ("--device", "cpu", "presets=cpu", "--checkpoint", folder / "policy.pt")
    assert f"was trained for {TASK}, not NIL-H1-Walk" in refuse(evaluate.run, "--task", "NIL-H1-Walk", *arguments)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace(metadata["reference"], "ab" * 32))
    line = refuse(evaluate.run, "--task", TASK, *arguments)
    assert "is no longer what run" in line and "not abababababab" in line
    assert f"Give '--reference {ship.ASSETS / 'references' / TASK}' to take it as it is now" in line


SHIPPED = sorted(path.name for path in (ship.ASSETS / "policies").iterdir())


@pytest.mark.parametrize("task", SHIPPED)
def test_what_has_come_with_a_task_fits_it_as_it_is_now(task: str):
    """Its robot, joints, control rate and kind of action, and the reference it learned from."""
    env_cfg, _ = resolve_task_config(task, "bro_cfg_entry_point", overrides=["presets=cpu"])
    policy = ship.ASSETS / "policies" / task / "policy.pt"
    require_fitting(policy, env_cfg)
    content = read_checkpoint(policy, "cpu")
    assert content["infos"]["task"] == task and content["policy_only"]
    assert policy.stat().st_size < 0.5e6
    about = json.loads(policy.with_name("manifest.json").read_text())
    assert (about["task"], about["reference"]) == (task, embedded_reference(task).digest)
    assert about["trained"]["environment_steps"] == content["transitions"]
    assert about["evaluated"]["policy"]["survival"]["mean"] > 0.85
