# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A checkpoint goes with what it was trained to control; told before a simulator starts."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nil_ext.cli import play, train
from nil_ext.cli.checkpoints import learns_from, load_checkpoint
from nil_ext.errors import InputError
from nil_ext.rl.runners import OffPolicyRunner
from nil_ext.rl.runners.checkpoint import write_checkpoint
from nil_ext.tasks.mdp.commands_cfg import ReferenceCommandCfg

TASK = "NIL-H1-Walk"
CPU = {"robot": "H1", "control_rate": 25.0, "action": "residual"}
"""What the cpu profile of the task controls (README.md): residual targets, physics at 250 Hz, 10 steps each."""
PAPER = {"robot": "H1", "control_rate": 100.0, "action": "torque"}


@pytest.fixture
def checkpoint(tmp_path: Path):
    """``checkpoint(**infos)``: a file of a policy that was trained for that."""

    def write(**infos) -> Path:
        path = tmp_path / "model_1.pt"
        write_checkpoint({"infos": infos}, path)
        return path

    return write


@pytest.mark.parametrize("body", [play.run, train.run])
@pytest.mark.parametrize(
    ("preset", "trained", "message"),
    [
        (
            "cpu",
            CPU | {"control_rate": 100.0},
            "other control_rate (100.0) than this environment (25.0): give",
        ),
        ("cpu", CPU | {"action": "torque"}, "other action (torque) than this environment (residual)"),
        ("cpu,position", CPU, "other action (residual) than this environment (position)"),
        ("paper", PAPER | {"action": "position"}, "other action (position) than this environment (torque)"),
        ("paper", PAPER | {"control_rate": 25.0}, "other control_rate (25.0) than this environment (100.0)"),
        ("cpu", CPU | {"robot": "G1"}, "other robot (G1) than this environment (H1)"),
    ],
)
def test_play_and_train_refuse_what_controls_something_else(refuse, checkpoint, body, preset, trained, message):
    path = checkpoint(**trained)
    line = refuse(body, "--task", TASK, "--device", "cpu", f"presets={preset}", "--checkpoint", path)
    assert line.startswith(f"Checkpoint '{path}' has ") and message in line


def test_an_override_of_the_rate_counts(refuse, checkpoint):
    path = checkpoint(**CPU)
    line = refuse(play.run, "--task", TASK, "--device", "cpu", "presets=cpu", "env.decimation=5", "--checkpoint", path)
    assert "other control_rate (25.0) than this environment (50.0)" in line


def test_a_file_that_is_no_checkpoint_is_refused(refuse, tmp_path: Path):
    (tmp_path / "model_1.pt").write_text("nothing of the kind")
    line = refuse(train.run, "--task", TASK, "--checkpoint", tmp_path / "model_1.pt")
    assert "is no checkpoint of this program" in line


def load(theirs: dict | None) -> None:
    """Load a checkpoint into an environment of the H1's cpu profile with one observation."""
    mine = {"task": TASK, **CPU, "joint_names": ["knee"], "observations": [["joint_pos", 1]]}

    def read(path: str, map_location: str) -> dict | None:
        assert map_location == "cpu"  # whichever device wrote it
        return theirs

    runner = SimpleNamespace(infos=mine, device="cpu", load=read)
    load_checkpoint(SimpleNamespace(runner=runner), Path("model_1.pt"))


FULL = {"task": "NIL-H1-Run", **CPU, "joint_names": ["knee"], "observations": [["joint_pos", 1]]}


def test_everything_that_a_policy_depends_on_is_compared_when_it_is_loaded():
    load(FULL)  # the task's name may differ: what counts is below
    load(None)  # rsl_rl's own runner says nothing
    load({key: value for key, value in FULL.items() if key != "action"})  # neither did we, at first, about actions
    for key, other in {**PAPER, "robot": "G1", "joint_names": ["hip"], "observations": [["joint_vel", 1]]}.items():
        with pytest.raises(InputError, match=f"has other {key} "):
            load({**FULL, key: other})
        if key != "action":
            with pytest.raises(InputError, match=rf"has other {key} \(None\)"):
                load({name: value for name, value in FULL.items() if name != key})


def imitation(encoder: str = "efficientnet", digest: str = "a" * 64, reward: str = "imitation", **settings) -> dict:
    """What a run with these settings learns from."""
    manifest = {"name": encoder, "runtime": "onnx", "reason": "a reason"}
    cfg = ReferenceCommandCfg(robot="H1", task=TASK, **settings)
    similarity = SimpleNamespace(encoder=SimpleNamespace(manifest=lambda: manifest))
    return learns_from(
        reward, SimpleNamespace(source_digest=digest, cfg=cfg, similarity=similarity, masks=torch.zeros(1, 64, 64))
    )


def test_how_fast_the_reference_goes_by_changes_what_tracking_earns_too():
    for reward, differs in (("imitation", True), ("tracking", True), ("task", False)):
        slow, fast = (imitation(reward=reward, frame_per_step=each) for each in (False, True))
        assert (slow != fast) == differs, reward


def going_on(then: dict, path: Path) -> OffPolicyRunner:
    """A runner whose training goes on from a checkpoint that says this of its run."""
    runner = OffPolicyRunner.__new__(OffPolicyRunner)
    runner.infos = {"task": TASK, "reward": "imitation", "learns_from": imitation(), "progress": {}}
    runner.device, runner.current_learning_iteration, runner.cfg = "cpu", 3, {"num_steps_per_env": 10}
    runner.load = lambda path, map_location: then
    runner._loaded_folder = path.parent
    env = SimpleNamespace(curriculum_manager=SimpleNamespace(compute=lambda: None))
    reference = SimpleNamespace(progress={})
    load_checkpoint(SimpleNamespace(runner=runner, env=SimpleNamespace(unwrapped=env), reference=reference), path, True)
    assert env.common_step_counter == 30
    return runner


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ({"learns_from": imitation()}, None),
        ({}, None),  # older checkpoints say no more than the reward
        ({"reward": "tracking"}, "another reward (tracking, now imitation)"),
        ({"learns_from": {"reward": "tracking", "reference": "a" * 12}}, "another reward (tracking, now imitation)"),
        ({"learns_from": imitation("timesformer")}, "another encoder name (timesformer, now efficientnet)"),
        ({"learns_from": imitation(digest="b" * 64)}, f"another reference ({'b' * 12}, now {'a' * 12})"),
        (
            {"learns_from": imitation(film_every=2, mask_score="soft")},
            "film_every (2, now 1), mask_score (soft, now iou)",
        ),
    ],
)
def test_a_replay_whose_rewards_were_others_is_left_behind(then: dict, told: str | None, capsys):
    runner = going_on(then, Path("model_1.pt"))
    assert (runner._loaded_folder is None) == (told is not None)
    said = capsys.readouterr().out
    assert said == "" if told is None else told in said and "its replay is left behind" in said


def test_older_checkpoints_are_told_by_the_manifest_of_their_run(tmp_path: Path, capsys):
    """They say nothing of the reference themselves: its best policy must not be taken for one of another's."""
    write_checkpoint({"infos": {"reward": "imitation"}}, tmp_path / "model_1.pt")
    for digest, kept in (("a" * 64, True), ("b" * 64, False)):
        (tmp_path / "run.json").write_text(json.dumps({"metadata": {"reference": digest}}))
        runner = going_on({"reward": "imitation"}, tmp_path / "model_1.pt")
        assert (runner._loaded_folder is not None) == kept
    assert f"another reference ({'b' * 12}, now {'a' * 12})" in capsys.readouterr().out
