# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What a run folder says of its training is what its policy is judged and played with; nothing is simulated."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from isaaclab.envs.mdp import JointPositionActionCfg
from isaaclab.utils.io import dump_yaml

from nil_ext.cli import train
from nil_ext.cli.common import parse_args, resolve_cfgs, run_main
from nil_ext.cli.recorded_run import RecordedRun, default_selector, require_seeds, same_settings
from nil_ext.errors import InputError
from nil_ext.rl.runners.checkpoint import write_checkpoint
from nil_ext.tasks.embedded import embedded_reference

TASK = "NIL-H1-Walk"
RAN = ("--task", TASK, "--device", "cpu", "presets=cpu,position")
CALL = ("--task", TASK, "--device", "cpu", "presets=cpu")


@pytest.fixture
def parse(monkeypatch) -> Callable[..., argparse.Namespace]:
    """``parse(*argv)``: a script's arguments."""

    def of(*argv: str) -> argparse.Namespace:
        monkeypatch.setattr(sys, "argv", ["play.py", *argv])
        parser = argparse.ArgumentParser()
        parser.add_argument("--reference")
        return parse_args(parser, list(argv))

    return of


@pytest.fixture
def make_run(parse, tmp_path: Path) -> Callable[..., RecordedRun]:
    """``make_run(name, change, *overrides)``: the run that training with these overrides would have left behind."""

    def make(name: str, change: Callable[[dict], None] = lambda env: None, *overrides: str) -> RecordedRun:
        args = parse(*RAN, *overrides)
        env_cfg, agent_cfg = resolve_cfgs(args, args.agent)
        env = env_cfg.to_dict()
        change(env)
        folder = tmp_path / name
        dump_yaml(str(folder / "params" / "env.yaml"), env)
        dump_yaml(str(folder / "params" / "agent.yaml"), agent_cfg.to_dict())
        metadata = {"agent": "bro_cfg_entry_point", "reward": "imitation", "reference": embedded_reference(TASK).digest}
        manifest = {"version": 1, "library": "nil_ext", "task": TASK, "metadata": metadata}
        (folder / "run.json").write_text(json.dumps(manifest))
        return RecordedRun.of(folder / "model_1.pt", TASK)

    return make


def test_a_run_brings_its_own_settings_and_play_mode_keeps_its_own(make_run, parse):
    run = make_run(
        "run",
        lambda env: None,
        *("env.actions.joints.scale=0.3", "env.commands.reference.code_size=4", "env.decimation=8"),
        *("env.commands.reference.path=/clips/walk.mp4", "agent.algorithm.policy_average=0.1"),
        *("env.commands.reference.start_along_reference=0.5", "env.commands.reference.lost_below=0.2"),
    )
    argv = [*CALL, "env.decimation=9"]
    env_cfg, agent_cfg = run.resolve(parse(*argv), argv, play_mode=True)
    reference = env_cfg.commands.reference
    assert (reference.path, reference.code_size) == ("/clips/walk.mp4", 4)
    assert agent_cfg.algorithm.policy_average == 0.1
    # the call names no kind of action, the profile's is another
    assert type(env_cfg.actions.joints) is JointPositionActionCfg
    assert env_cfg.actions.joints.scale == 0.3
    assert env_cfg.decimation == 9  # the command line wins
    assert (reference.start_along_reference, reference.lost_below, env_cfg.scene.num_envs) == (0.0, 0.0, 4)


def test_how_updates_ran_is_not_asked_of_a_machine_that_plays(make_run, parse):
    def on_a_gpu(**settings) -> RecordedRun:
        run = make_run("run")
        run.agent["algorithm"].update(settings)
        return run

    _, agent_cfg = on_a_gpu(cuda_graphs=True, compiled=True, batch_size=7).resolve(parse(*CALL), list(CALL))
    algorithm = agent_cfg.algorithm
    assert (algorithm.cuda_graphs, algorithm.compiled, algorithm.batch_size) == (False, False, 7)


def test_a_kind_of_action_that_the_call_names_is_not_swapped(make_run, parse):
    argv = [*CALL[:-1], "presets=cpu,residual"]
    with pytest.raises(InputError, match=r"trained with another env\.actions\.joints\.class_type"):
        make_run("run").resolve(parse(*argv), argv)


def test_the_torques_of_a_run_have_no_gains(make_run, parse):
    """With the class of the action alone, the profile's gains would stay."""
    run = make_run("run", lambda env: None, "env.actions.joints=torque", "env.scene.robot.actuators.motors=torque")
    env_cfg, _ = run.resolve(parse(*CALL), list(CALL))
    assert env_cfg.scene.robot.actuators["motors"].stiffness == 0.0


def test_clips_of_an_older_run_keep_their_spacing(make_run, parse):
    def age(env: dict) -> None:
        del env["commands"]["reference"]["film_every"]
        env["commands"]["reference"]["encode_every"] = 3

    env_cfg, _ = make_run("run", age).resolve(parse(*CALL), list(CALL))
    assert env_cfg.commands.reference.film_every == 3


def test_residual_targets_of_an_older_run_stay_as_they_were(make_run, parse):
    def age(env: dict) -> None:
        joints = env["actions"]["joints"]
        joints.update(joint_names=[".*"], scale={".*": 0.35})
        del joints["ramped"], joints["scale_around_e0"]

    env_cfg, _ = make_run("run", age, "env.actions.joints=residual").resolve(parse(*CALL), list(CALL))
    joints = env_cfg.actions.joints
    assert (joints.joint_names, joints.ramped) == ([".*"], False)
    assert joints.scale == joints.scale_around_e0 == {".*": 0.35}


def test_what_was_added_since_an_old_run_is_off(make_run, parse):
    def age(env: dict) -> None:
        for name in ("heading", "root_height"):
            del env["observations"]["policy"][name]
        env["observations"]["policy"]["phase"] = None  # the run had been told to go without
        del env["commands"]["reference"]["observe_motion"], env["commands"]["reference"]["task"]

    env_cfg, _ = make_run("run", age).resolve(parse(*CALL), list(CALL))
    policy = env_cfg.observations.policy
    assert policy.heading is policy.root_height is policy.phase is None
    assert policy.joint_pos is not None and policy.reference.scale == 0.5
    # the cpu profile shows the policy the reference's motion; without the profile nothing does
    assert env_cfg.commands.reference.observe_motion is False
    assert env_cfg.commands.reference.task == TASK


def test_what_the_call_asks_for_of_those_stays(make_run, parse):
    run = make_run("run", lambda env: env["commands"]["reference"].pop("observe_motion"))
    argv = [*CALL, "env.commands.reference.observe_motion=true"]
    assert run.resolve(parse(*argv), argv)[0].commands.reference.observe_motion is True


def test_runs_that_differ_in_how_training_episodes_begin_and_end_are_judged_together(make_run):
    training = [f"env.commands.reference.{name}=0" for name in ("lost_below", "start_along_reference")]
    one, other = make_run("one"), make_run("other", lambda env: None, *training)
    same_settings([one, other])
    with pytest.raises(InputError, match=r"differ in env\.commands\.reference: evaluate each"):
        same_settings([one, make_run("third", lambda env: None, "env.commands.reference.code_size=4")])


def test_two_checkpoints_of_one_run_are_no_two_seeds(make_run, capsys):
    one = make_run("one", lambda env: None, "agent.seed=3")
    later = RecordedRun.of(one.folder / "model_2.pt", TASK)
    for other in (one, later):
        with pytest.raises(InputError, match=r"are of one run, not of two seeds: give one checkpoint of each run\."):
            require_seeds([one, other])
    assert one.seed == 3
    require_seeds([one, make_run("other", lambda env: None, "agent.seed=4")])
    assert "[WARN]" not in capsys.readouterr().out
    require_seeds([one, make_run("third", lambda env: None, "agent.seed=3")])
    assert "third' were trained with the same seed, 3: intervals" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "selector"), [((), None), (("--reward", "task"), "latest"), (("--agent", "rsl_rl"), "latest")]
)
def test_without_a_checkpoint_only_nil_has_a_policy_that_comes_with_the_task(parse, options, selector):
    args = parse(*CALL, *options)
    resolve_cfgs(args, args.agent)
    assert default_selector(args) == selector


@pytest.mark.parametrize(("digest", "warned"), [("ab" * 32, True), (embedded_reference(TASK).digest, False)])
def test_going_on_with_another_reference_is_told(make_run, tmp_path, monkeypatch, capsys, digest, warned):
    folder = make_run("run").folder
    manifest = json.loads((folder / "run.json").read_text())
    manifest["metadata"]["reference"] = digest
    (folder / "run.json").write_text(json.dumps(manifest))
    write_checkpoint({"iter": 1, "infos": None}, folder / "model_1.pt")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").touch()  # so that it ends before a simulator starts
    monkeypatch.setattr(sys, "argv", ["train.py", *CALL, "--checkpoint", str(folder)])
    assert run_main(train.run) == 2
    said = capsys.readouterr()
    assert "Cannot write logs to" in said.err
    warning = f"[WARN] Run '{folder}' imitated another reference (digest abababababab, this one "
    assert (warning in said.out) == warned and said.out.count("[WARN]") == warned
