# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""scripts/evaluate.py: what it refuses before a simulator starts, and what it finds on the real one."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nil_ext.cli import checkpoints, evaluate, play
from nil_ext.cli.recorded_run import RecordedRun
from nil_ext.reference.video import decode_video
from nil_ext.rl.runners.checkpoint import write_checkpoint
from nil_ext.tasks.embedded import ASSETS, embedded_reference

TASK = "NIL-H1-Walk"
SMALL = ("agent.algorithm.replay_size=4096", "agent.algorithm.batch_size=64")
SEED = "5"
"""What the run is trained with, told from the evaluation's own."""

EPISODE = 1.0
"""Length of the episodes that are judged here [s]."""


# -- bad input


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """``make_run(name, task, version, digest, env)``: a run folder that was never trained; its checkpoint."""

    def make(name: str = "run", task: str = TASK, version: int = 1, digest: str = "", env: str = "") -> Path:
        folder = tmp_path / name
        (folder / "params").mkdir(parents=True)
        metadata = {"agent": "bro_cfg_entry_point", "reference": digest or embedded_reference(TASK).digest}
        manifest = {"version": version, "library": "nil_ext", "task": task, "metadata": metadata}
        (folder / "run.json").write_text(json.dumps(manifest))
        (folder / "params" / "env.yaml").write_text(env or "seed: 1\n")
        write_checkpoint({"iter": 1, "infos": None}, folder / "model_1.pt")
        return folder / "model_1.pt"

    return make


@pytest.mark.parametrize("body", [evaluate.run, play.run])
@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ({"task": "NIL-G1-Walk"}, "was trained for NIL-G1-Walk, not NIL-H1-Walk: give its own --task"),
        ({"version": 9}, "is of version 9, this program reads 1"),
        ({"digest": "ab" * 32}, "'NIL-H1-Walk (embedded)' is no longer what run"),
        (
            {"env": "commands:\n  reference:\n    path: /gone/clip.mp4\n"},
            "imitated '/gone/clip.mp4', which is not there",
        ),
        ({"env": "actions:\n  joints:\n    class_type: a.b:Other\n"}, "was trained with another env.actions.joints"),
        ({"env": "- 1\n"}, "cannot be read (env.yaml holds no settings)"),
        ({"env": "a: [\n"}, "cannot be read"),
    ],
)
def test_a_run_that_cannot_be_judged_is_refused(refuse, make_run, body, folder: dict, message: str):
    assert message in refuse(body, "--task", TASK, "--checkpoint", make_run(**folder))


@pytest.mark.parametrize("body", [evaluate.run, play.run])
def test_a_reference_that_is_gone_may_be_given(refuse, make_run, tmp_path: Path, body):
    run = make_run(env="commands:\n  reference:\n    path: /gone/clip.mp4\n")
    line = refuse(body, "--task", TASK, "--checkpoint", run, "--reference", tmp_path / "other.mp4")
    assert line.startswith(f"No such reference: {tmp_path / 'other.mp4'}")  # that one is looked for, not the run's


def test_arguments_that_leave_nothing_to_judge_are_refused(refuse, make_run, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(checkpoints, "ASSETS", tmp_path)  # no policy comes with a task
    run = make_run()
    arguments = ("--task", TASK, "--checkpoint", run)
    assert "--episodes 0 leaves nothing to judge" in refuse(evaluate.run, *arguments, "--episodes", 0)
    assert "no run of NIL-G1-Walk" in refuse(evaluate.run, "--task", "NIL-G1-Walk")
    assert "no run of NIL-H1-Walk" in refuse(evaluate.run, "--task", TASK, "--reward", "task")
    assert "No evaluation at" in refuse(evaluate.run, *arguments, "--compare", tmp_path / "nowhere")
    (tmp_path / "text.pt").write_text("not a checkpoint")
    assert "is no checkpoint of this program" in refuse(
        evaluate.run, "--task", TASK, "--checkpoint", tmp_path / "text.pt"
    )
    np.savez(tmp_path / "wings.npz", q_left_wing=np.zeros(500))
    line = refuse(evaluate.run, *arguments, "--mocap", tmp_path / "wings.npz")
    assert "joints that H1 does not have (left_wing)" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--name", "BRO"), "--name is for judging a policy: name one with --checkpoint"),
        (("--mocap", "walk.npz"), "--mocap is for judging a policy"),
        (("--reference", "clip.mp4"), "--reference is for judging a policy"),
        (("--episodes", 100), "--episodes is for judging a policy"),
        (("--regularisation_only", "latest"), "--regularisation_only is for judging a policy"),
        (("--num_envs", 4), "--num_envs is for judging a policy"),
        (("--output", "page"), "--output is where the page of a comparison goes: add --report"),
    ],
)
def test_what_a_comparison_alone_would_not_use_is_refused(refuse, options, message: str):
    assert message in refuse(evaluate.run, "--task", TASK, "--compare", "bro", "--compare", "ppo", *options)


def test_runs_that_do_not_belong_together_are_refused(refuse, make_run):
    one, other = make_run("one", env="decimation: 10\n"), make_run("other", env="decimation: 5\n")
    line = refuse(evaluate.run, "--task", TASK, "--checkpoint", one, "--checkpoint", other)
    assert "differ in env.decimation" in line and "--compare" in line
    third = make_run("third", env="decimation: 10\n", digest="ab" * 32)
    line = refuse(evaluate.run, "--task", TASK, "--checkpoint", one, "--checkpoint", third)
    assert "imitated different references" in line


def test_two_checkpoints_of_one_run_are_refused(refuse, make_run):
    run = make_run()
    line = refuse(evaluate.run, "--task", TASK, "--checkpoint", run, "--checkpoint", run.parent)
    assert line.startswith(f"Checkpoints '{run}' and '{run}' are of one run, not of two seeds")


def test_without_a_checkpoint_the_policy_that_comes_with_the_task_is_judged(refuse, tmp_path: Path, monkeypatch):
    assert refuse(evaluate.run, "--task", TASK, "--mocap", tmp_path / "gone.npz").startswith("No such mocap file")
    monkeypatch.chdir(tmp_path)
    run = RecordedRun.of(ASSETS / "policies" / TASK / "policy.pt", TASK)
    folder = evaluate._default_folder([run], TASK)
    assert folder == tmp_path / "logs" / "nil_ext" / "shipped" / TASK / "evaluation" / "policy"


def test_an_output_that_cannot_be_written_is_refused(refuse, make_run, tmp_path: Path):
    (tmp_path / "file").touch()
    for output in ("/proc/none", tmp_path / "file" / "below"):
        line = refuse(evaluate.run, "--task", TASK, "--checkpoint", make_run(output.__str__()[-4:]), "--output", output)
        assert line.startswith(f"Cannot write to '{output}'") and line.endswith("name another place.")


def test_a_control_of_other_settings_is_refused(refuse, make_run):
    weights = "rewards:\n  video_similarity:\n    weight: 0.0\n  mask_iou:\n    weight: 0.0\n"
    control = make_run("control", env=weights + "decimation: 5\n")
    arguments = ("--task", TASK, "--checkpoint", make_run(env="decimation: 10\n"), "--regularisation_only", control)
    assert "differ in env.decimation" in refuse(evaluate.run, *arguments)


@pytest.mark.parametrize(
    "rewards",
    [
        "  video_similarity:\n    weight: 0.0\n  mask_iou:\n    weight: 1.0\n",
        "  video_similarity: null\n  mask_iou: null\n",  # the Expert's, or of --reward tracking
    ],
)
def test_a_control_of_other_rewards_is_refused(refuse, make_run, rewards):
    control = make_run("control", env=f"rewards:\n{rewards}")
    arguments = ("--task", TASK, "--checkpoint", make_run(), "--regularisation_only", control)
    assert "is no control without imitation" in refuse(evaluate.run, *arguments)


# -- on the simulator


def hashes(folder: Path) -> dict[str, str]:
    """Every file of a run but those of evaluations."""
    files = [path for path in folder.rglob("*") if path.is_file() and "evaluation" not in path.parts]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def evaluated(scripts, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A run of a moment, judged twice: three episodes in batches of two, from wherever.

    Targets go around e0, so that a fresh policy stands: what PhysX remembers of robots that fell changes the last
    digits of later rollouts, and the second evaluation has one more of them.
    """
    cwd = tmp_path_factory.mktemp("user")
    # trained on the regularisation alone, so that it may be its own control
    weights = ("env.rewards.video_similarity.weight=0", "env.rewards.mask_iou.weight=0")
    arguments = ("presets=cpu,position", "--num_envs", 2, *SMALL, "env.commands.reference.code_size=4", *weights)
    scripts.run("train.py", "--max_iterations", 1, "--no_evaluation", "--seed", SEED, *arguments, cwd=cwd)
    [folder] = (cwd / "logs" / "nil_ext" / "nil_h1_walk").iterdir()
    before = hashes(folder)
    # the run's params know its kind of action
    options = ("presets=cpu", "--episodes", 3, "--num_envs", 2, f"env.episode_length_s={EPISODE}")
    first = scripts.run("evaluate.py", "--checkpoint", folder, *options, cwd=cwd)
    default = folder / "evaluation" / "model_1"
    others = ("--output", cwd / "again", "--compare", default, "--report", "--name", "again")
    others += ("--regularisation_only", folder)
    second = scripts.run("evaluate.py", "--checkpoint", folder, *options, *others, cwd=cwd)
    return SimpleNamespace(
        folder=folder, default=default, again=cwd / "again", out=first.stdout, second=second.stdout, before=before
    )


@pytest.mark.sim
def test_the_same_evaluation_twice_is_the_same_file(evaluated: SimpleNamespace):
    first, second = (
        json.loads((path / "evaluation.json").read_text()) for path in (evaluated.default, evaluated.again)
    )
    for content in (first, second):
        assert content["about"].pop("commit")  # somebody may commit in between
    assert (first.pop("name"), second.pop("name")) == (evaluated.folder.name, "again")
    # the policy is its own control, as it was trained on the regularisation; a later rollout of one process differs by
    # what the physics engine remembers
    control, policy = second["summary"].pop("regularisation only"), second["summary"]["policy"]
    assert control["forward_speed"]["mean"] == pytest.approx(policy["forward_speed"]["mean"], abs=0.01)
    assert len(second["episodes"].pop("regularisation only")) == len(second["episodes"]["policy"])
    assert first == second


@pytest.mark.sim
def test_exactly_the_episodes_that_were_asked_for_are_counted(evaluated: SimpleNamespace):
    content = json.loads((evaluated.default / "evaluation.json").read_text())
    assert list(content["episodes"]) == ["policy", "standing", "zero action", "random"]
    with open(evaluated.default / "episodes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["episode"] for row in rows] == ["0", "1", "2"] * 4
    checkpoint = str(evaluated.folder / "model_1.pt")
    assert [(row["seed"], row["path"]) for row in rows] == 3 * [(SEED, checkpoint)] + 9 * [("", "")]
    assert content["about"]["environments"] == 2


@pytest.mark.sim
def test_controls_are_worth_what_arithmetic_says(evaluated: SimpleNamespace):
    summary = json.loads((evaluated.default / "evaluation.json").read_text())["summary"]
    standing = summary["standing"]
    # 1 s of the 4 s whose 400 steps are worth 83.8
    assert standing["env_reward"]["mean"] == pytest.approx(83.845 / 4, abs=0.5)
    assert standing["survival"]["mean"] == 1.0
    assert standing["time_alive"]["mean"] == pytest.approx(EPISODE)
    assert standing["forward_speed"]["mean"] == pytest.approx(0.0, abs=0.02)
    assert standing["speed_error"]["mean"] == pytest.approx(1.25, abs=0.02)
    assert standing["lateral_drift"]["mean"] < 0.01
    assert standing["foot_slip"]["mean"] < 0.05
    assert standing["torso_tilt"]["mean"] < 10.0
    assert standing["action_rate"]["mean"] == 0.0
    # e0 throughout, held against each frame that a step sees; the motors give way by a degree or so
    sketch = embedded_reference(TASK).resample(25.0).motion["joint_pos"]
    off = np.degrees(np.abs(sketch[1 : 1 + round(25 * EPISODE)] - sketch[0]).mean())
    assert standing["reference_joint_error"]["mean"] == pytest.approx(off, abs=1.5) and off > 5.0
    assert standing["gait_period"]["mean"] is None and standing["symmetry"]["mean"] is None
    assert 0.0 < standing["chamfer"]["mean"] < 0.1
    # with position targets, action 0 is the start pose
    assert summary["zero action"] == standing
    rand = summary["random"]
    assert rand["survival"]["mean"] == 0.0
    assert rand["action_rate"]["mean"] > 5.0
    assert rand["env_reward"]["mean"] < standing["env_reward"]["mean"]
    assert rand["torque"]["mean"] > standing["torque"]["mean"]


@pytest.mark.sim
def test_it_says_from_what_it_was_made(evaluated: SimpleNamespace):
    about = json.loads((evaluated.default / "evaluation.json").read_text())["about"]
    [checkpoint] = about["checkpoints"]
    path = evaluated.folder / "model_1.pt"
    assert checkpoint["path"] == str(path)
    assert checkpoint["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (checkpoint["iteration"], checkpoint["seed"]) == (1, int(SEED))
    assert about["reference"]["digest"] == embedded_reference(TASK).digest
    assert about["reference"]["is the run's own"] is True
    assert about["env reward"]["largest value in an episode of this length"] == 100
    assert about["settings"]["episode [s]"] == EPISODE
    assert evaluated.default.joinpath("evaluation.md").read_text() in evaluated.out


@pytest.mark.sim
def test_the_run_is_left_as_it_was(evaluated: SimpleNamespace):
    """Its smaller code came from its params: with the task's own size the checkpoint would not have fitted."""
    assert hashes(evaluated.folder) == evaluated.before
    assert list(evaluated.folder.parent.iterdir()) == [evaluated.folder]  # no run of its own


@pytest.mark.sim
def test_film_and_report_are_written_and_methods_compared(evaluated: SimpleNamespace):
    frames, _ = decode_video(evaluated.default / "rollout.mp4", max_side=768)
    assert frames.shape[1:] == (256, 768, 3)
    assert not (evaluated.default / "report.html").exists()  # only where it was asked for
    page = (evaluated.again / "report.html").read_text()
    assert page.count("data:video/mp4;base64,") == 2
    assert "Train/mean_step_reward" in page
    assert f"P(again better than {evaluated.folder.name})" in evaluated.second
    # the same policy twice: a draw
    assert "| 0.50" in evaluated.second
