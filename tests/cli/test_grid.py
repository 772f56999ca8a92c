# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Tables of runs: what they start, that they go on where they were stopped, and what they refuse.

The scripts they start are stand-ins here that write what the real ones write; test_tables.py starts the real ones.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nil_ext.cli import ablation, benchmark, grid, table1
from nil_ext.cli.common import parse_args, resolve_cfgs, run_main
from nil_ext.evaluation import METRICS, Evaluation
from nil_ext.evaluation.results import JSON_FILE
from nil_ext.reference import Reference
from nil_ext.reference.verdict import REFUSE
from nil_ext.rl.runners.checkpoint import write_checkpoint

TASK = "NIL-A1-Walk"

VIDEO_ALONE = (
    "env.tracking_steps=0",
    "env.speed_weight=0",
    "env.commands.reference.observe_motion=false",
    "env.commands.reference.start_along_reference=0",
    "env.actions.joints=position",
    "env.scene.robot.actuators.motors=position",
)
"""What takes the reference's joint angles from NIL in the cpu profile."""

STOP = "agent.log_interval=77"
"""Tells the stand-in to stop in its third iteration."""

TRAIN = """
import pathlib, shutil, sys
pathlib.Path("calls.txt").open("a").write(" ".join(sys.argv[1:]) + chr(10))
run = pathlib.Path("logs/nil_ext/walk") / str(len(open("calls.txt").readlines()))
run.mkdir(parents=True)
checkpoint = pathlib.Path(__file__).parent / "model_3.pt"
if "env.rewards.video_similarity.weight=0" in sys.argv and "env.rewards.mask_iou.weight=0" in sys.argv:
    sys.exit("error: this one fails")
print("1% 1k env-steps")
print("[INFO] The run ended within its warm-up (1 of 2 transitions): ", "long" * 40)
stopped = "agent.log_interval=77" in sys.argv and "--checkpoint" not in sys.argv
shutil.copy(checkpoint, run / ("model_3.pt" if stopped else "model_5.pt"))
sys.exit(130 if stopped else 0)
"""

EVALUATE = """
import json, pathlib, sys
pathlib.Path("judged.txt").write_text(" ".join(sys.argv[1:]))
arguments = dict(zip(sys.argv[1:], sys.argv[2:]))
content = json.loads((pathlib.Path(__file__).parent / f"{sys.argv.count('--checkpoint')}_seeds.json").read_text())
output = pathlib.Path(arguments["--output"])
output.mkdir()
(output / "evaluation.json").write_text(json.dumps(content | {"name": arguments["--name"]}))
"""

GENERATE = """
import pathlib, shutil, sys
arguments = dict(zip(sys.argv[1:], sys.argv[2:]))
pathlib.Path("drawn.txt").open("a").write(" ".join(sys.argv[1:]) + chr(10))
bad = "linear" in sys.argv
made = pathlib.Path(__file__).parent / ("refused" if bad else "usable")
shutil.copytree(made, arguments["--output"], dirs_exist_ok=True)
sys.exit(3 if bad else 0)
"""

PLAY = """
import pathlib, sys
arguments = dict(zip(sys.argv[1:], sys.argv[2:]))
pathlib.Path("played.txt").write_text(" ".join(sys.argv[1:]))
pathlib.Path(arguments["--record"]).write_text("rollouts")
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch):
    """``table(*arguments)``: ``benchmark.py`` with stand-ins for the scripts it starts; its exit code."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    stand_ins = {"train.py": TRAIN, "evaluate.py": EVALUATE, "play.py": PLAY, "generate.py": GENERATE}
    for name, text in stand_ins.items():
        (scripts / name).write_text(text)
    write_checkpoint({"iter": 3, "seconds": 1.0}, scripts / "model_3.pt")
    white, empty = np.full((2, 4, 4, 3), 255, np.uint8), np.zeros((2, 4, 4), bool)
    for name, quality in (("usable", {}), ("refused", {"quality": {"verdict": REFUSE, "findings": []}})):
        Reference(white, empty, 25.0, quality).save(scripts / name)
    for seeds in (1, 2):
        values = {
            who: [{m: np.full(4, number) for m in METRICS}]
            for who, number in (("policy", 50.0 + seeds), ("standing", 24.5))
        }
        Evaluation("", {}, {who: found * seeds for who, found in values.items()}).write(tmp_path / "template")
        (tmp_path / "template" / JSON_FILE).rename(scripts / f"{seeds}_seeds.json")
    monkeypatch.setattr(grid, "SCRIPTS", scripts)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["benchmark.py", *map(str, arguments)])
        return run_main(benchmark.run)

    return run


def calls(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "calls.txt").read_text().splitlines()]


def test_the_ablation_trains_judges_and_never_repeats(table, tmp_path, capsys):
    out = tmp_path / "out"
    command = ("ablation", "--task", TASK, "--seeds", "1,2", "--max_iterations", 5, "--rows", "all,no IoU")
    assert table(*command, "--output", out, "--num_envs", 4, "presets=cpu") == 0
    [call] = calls(out / "no_IoU" / "seed_2")
    for option in (("--task", TASK), ("--seed", "2"), ("--agent", "bro"), ("--max_iterations", "5")):
        assert call[call.index(option[0]) + 1] == option[1]
    assert "env.rewards.mask_iou.weight=0" in call and "presets=cpu" in call and "--no_evaluation" in call
    assert {*VIDEO_ALONE, "env.commands.reference.lost_below=0"} < set(call)
    [call] = calls(out / "all" / "seed_1")
    assert set(VIDEO_ALONE) < set(call)
    # judged with the same kind of action, also where the call's presets name another
    assert set(VIDEO_ALONE) < set((out / "all" / "judged.txt").read_text().split())
    assert not {"env.rewards.mask_iou.weight=0", "env.commands.reference.lost_below=0"}.intersection(call)
    said = capsys.readouterr().out
    assert "all: [INFO] The run ended within its warm-up" in said and 40 * "long" in said
    assert "| configuration | Env. Reward | survival | forward speed [m/s] | mask IoU | paper's" in said
    assert f"| all |{4 * ' 52 [52, 52] |'}" in said and "| (standing) | 24.5" in said
    assert f"Every row learns from the video alone (`{' '.join(VIDEO_ALONE)}" in said
    content = json.loads((out / "ablation.json").read_text())
    assert content["rows"]["no IoU"]["env_reward"]["mean"] == 52.0
    assert (out / "ablation.md").read_text() in said
    assert table(*command, "--output", out, "--num_envs", 4, "presets=cpu") == 0
    assert len(calls(out / "all" / "seed_1")) == 1


def test_a_stopped_table_goes_on_with_what_is_left(table, tmp_path, capsys):
    command = ("ablation", "--task", TASK, "--max_iterations", 5, "--rows", "all", "--output", tmp_path / "out")
    assert table(*command, STOP) == 130
    assert "The same command goes on" in capsys.readouterr().out
    assert table(*command, STOP) == 0
    first, second = calls(tmp_path / "out" / "all" / "seed_1")
    assert "--checkpoint" not in first
    assert second[second.index("--checkpoint") + 1].endswith("logs/nil_ext/walk/1/model_3.pt")
    assert second[second.index("--max_iterations") + 1] == "2"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises, also where the tests themselves run as a shell's background job."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_what_was_started_although_it_ignores_ctrl_c(table, tmp_path, capsys):
    (tmp_path / "scripts" / "train.py").write_text(
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"  # as a shell's background job
        "signal.signal(signal.SIGTERM, lambda *_: (open('ended.txt', 'w').close(), sys.exit(130)))\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"
        "time.sleep(60)\n"
    )
    out = tmp_path / "out"
    assert table("ablation", "--task", TASK, "--max_iterations", 5, "--rows", "all", "--output", out) == 130
    assert (out / "all" / "seed_1" / "ended.txt").is_file()
    assert "The same command goes on" in capsys.readouterr().out


def test_a_row_seen_from_elsewhere_draws_its_own_sketch_once(table, tmp_path):
    out = tmp_path / "out"
    command = ("ablation", "--task", TASK, "--max_iterations", 5, "--rows", "all", "--also", "camera_angle")
    for _ in range(2):
        assert table(*command, "--output", out, "--num_envs", 4) == 0
    for angle, setting in (
        ("30_deg_ahead", "camera_azimuth=30"),
        ("30_deg_behind", "camera_azimuth=-30"),
        ("20_deg_above", "camera_elevation=20"),
    ):
        folder = out / f"camera_{angle}"
        [drawn] = (folder / "drawn.txt").read_text().splitlines()
        assert f"env.commands.reference.{setting}" in drawn.split() and "--num_envs" not in drawn
        [call] = calls(folder / "seed_1")
        assert f"env.commands.reference.{setting}" in call
        assert call[call.index("--reference") + 1] == str(folder / "reference")
    assert "--reference" not in calls(out / "all" / "seed_1")[0]


def test_a_clip_is_prepared_by_each_interpolator_and_other_generators_get_rows(table, tmp_path, capsys):
    for name in ("clip.mp4", "kling.mp4"):
        (tmp_path / name).touch()
    out = tmp_path / "out"
    command = ("ablation", "--task", TASK, "--max_iterations", 5, "--rows", "all", "--also", "interpolation")
    clips = ("--reference", "clip.mp4", "--references", "kling.mp4")
    assert table(*command, *clips, "--output", out) == 1
    for name in ("rife", "linear"):
        drawn = (out / f"frames_by_{name}" / "drawn.txt").read_text()
        assert f"--video {tmp_path / 'clip.mp4'} --interpolator {name}" in drawn
    [call] = calls(out / "frames_by_rife" / "seed_1")
    assert call[call.index("--reference") + 1] == str(out / "frames_by_rife" / "reference")
    [call] = calls(out / "one_frame_a_step" / "seed_1")
    assert call[call.index("--reference") + 1] == str(tmp_path / "clip.mp4")
    [call] = calls(out / "reference_kling" / "seed_1")
    assert [call[i + 1] for i, word in enumerate(call) if word == "--reference"] == [str(tmp_path / "kling.mp4")]
    assert "| reference kling | 51 [51, 51] |" in capsys.readouterr().out
    # a preparation whose verdict is "do not use" is tried again, never trained on
    assert table(*command, *clips, "--output", out) == 1
    assert len((out / "frames_by_rife" / "drawn.txt").read_text().splitlines()) == 1
    assert len((out / "frames_by_linear" / "drawn.txt").read_text().splitlines()) == 2
    assert not (out / "frames_by_linear" / "seed_1").exists()
    assert "generate.py failed (3)" in capsys.readouterr().err


def test_a_failure_leaves_a_gap_and_the_rest_goes_on(table, tmp_path, capsys):
    command = ("--max_iterations", 5, "--rows", "only regularisation,all", "--output", tmp_path / "out")
    assert table("ablation", "--task", TASK, *command) == 1
    said = capsys.readouterr()
    assert "train.py failed (1): error: this one fails" in said.err
    assert "| only regularisation | – |" in said.out and "| all | 51" in said.out


def test_settings_that_differ_from_the_folders_are_refused(table, tmp_path, capsys):
    command = ("ablation", "--task", TASK, "--rows", "all", "--output", tmp_path / "out")
    assert table(*command, "--max_iterations", 5) == 0
    assert table(*command, "--max_iterations", 6, "--seeds", 3) == 2
    assert "holds runs with other budget, seeds: give the same, or another --output" in capsys.readouterr().err
    # nothing is left to do, and still the old numbers are no answer to another question
    for other in (("--max_iterations", 6), ("--max_iterations", 5, "--episodes", 7)):
        assert table(*command, *other) == 2
        assert "holds runs with other budget: give" in capsys.readouterr().err
    assert table(*command, "--max_iterations", 5, "env.speed_weight=2") == 2
    assert "holds runs with other overrides: give" in capsys.readouterr().err
    assert table(*command, "--max_iterations", 5) == 0


def test_table1_records_the_expert_for_the_baselines(table, tmp_path, capsys):
    out = tmp_path / "out"
    command = ("table1", "--task", TASK, "--max_iterations", 5, "--output", out)
    assert table(*command, "--methods", "NIL,AMP") == 0
    folder = out / TASK
    assert "--reward task" in " ".join(calls(folder / "Expert" / "seed_1")[0])
    assert "--num_envs 25" in (folder / "Expert" / "played.txt").read_text()
    assert not set(VIDEO_ALONE).intersection(calls(folder / "Expert" / "seed_1")[0])
    [call] = calls(folder / "NIL" / "seed_1")
    assert set(VIDEO_ALONE) < set(call)
    [call] = calls(folder / "AMP" / "seed_1")
    assert not set(VIDEO_ALONE).intersection(call)
    assert call[call.index("--agent") + 1] == "amp"
    assert call[call.index("--trajectories") + 1] == str(folder / "Expert" / "rollouts.npz")
    said = capsys.readouterr().out
    for title in (f"{TASK}, Env. Reward", "survival", "forward speed [m/s]", "mask IoU"):
        assert f"| {title} | 51 [51, 51] | 51 [51, 51] | 24.5 [24.5, 24.5] |" in said
    assert "| the paper's | 290.3 | 286.9 | – |" in said
    assert f"NIL learns from the video alone (`{' '.join(VIDEO_ALONE)}" in said
    content = json.loads((out / "table1.json").read_text())
    assert content["paper"][TASK][2] == 260.8
    assert content["rows"][TASK]["AMP"]["mask_iou"] == {"mean": 51.0, "ci": [51.0, 51.0]}


def test_table1_takes_trajectories_by_path(table, tmp_path, shared):
    command = ("table1", "--task", TASK, "--max_iterations", 5, "--output", tmp_path / "out", "--methods", "BCO")
    assert table(*command, "--trajectories", shared / "mocap") == 0
    [call] = calls(tmp_path / "out" / TASK / "BCO" / "seed_1")
    assert call[call.index("--trajectories") + 1] == str(shared / "mocap" / "a1_walk.npz")
    assert not (tmp_path / "out" / TASK / "Expert").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ablation", "--seeds", "1;2"), "--seeds 1;2: give whole numbers separated by commas"),
        (("ablation", "--seeds", "1,2,1"), "--seeds 1,2,1: a seed is named twice"),
        (("table1", "--seed", 3), "--seed 3: a table has a run a seed, name them with --seeds."),
        (("ablation", "--episodes", 0), "--episodes 0 leaves nothing to do"),
        (("ablation", "--max_minutes", 0), "--max_minutes 0 leaves nothing to do"),
        (("ablation", "--rows", "everything"), "--rows: no row 'everything' among all, no regularisation"),
        (("ablation", "--also", "weather"), "--also: no rows 'weather' among encoder, clip_stride, interpolation, "),
        (("ablation", "--also", "camera_angle", "--reference", __file__), "leave --reference out"),
        (("ablation", "--reference", "gone.mp4"), "gone.mp4' is not there: name a video file or a prepared folder"),
        (("ablation", "--references", "gone.mp4"), "--references gone.mp4: name videos or prepared folders that exist"),
        (("ablation", "--reward", "task"), "The ablation is NIL's, by the agent bro"),
        (("ablation", "--output", "/proc/none"), "Cannot write to '/proc/none'"),
        (("table1", "--methods", "NIL,PPO"), "--methods: no method 'PPO' among NIL, AMP"),
        (("table1", "--trajectories", "gone"), "--trajectories 'gone' is no folder"),
        (("table1", "--agent", "amp"), "The table trains every method itself"),
    ],
)
def test_what_makes_no_table_is_refused(refuse, arguments, message):
    assert message in refuse(benchmark.run, *arguments, "--task", TASK)


def test_the_papers_own_settings_are_the_video_alone(monkeypatch):
    """With torques nothing is chosen by preset, and every override is what the profile has."""
    monkeypatch.setattr(sys, "argv", ["benchmark.py"])
    argv = ["--task", TASK, "--device", "cpu", "presets=paper"]
    env_cfg, _ = resolve_cfgs(parse_args(argparse.ArgumentParser(), argv), "bro_cfg_entry_point")
    assert grid.video_alone(env_cfg) == VIDEO_ALONE[:4]
    reference = env_cfg.commands.reference
    assert (env_cfg.tracking_steps, env_cfg.beside_video) == (0, {})
    assert (reference.observe_motion, reference.start_along_reference) == (False, 0.0)


def test_rows_without_the_mask_do_not_lose_it_either():
    for name, overrides in ablation.REWARD_ROWS.items():
        without = "env.rewards.mask_iou.weight=0" in overrides
        assert ("env.commands.reference.lost_below=0" in overrides) == without, name


def test_the_papers_rows_are_seven():
    assert list(ablation.REWARD_ROWS) == list(ablation.PAPER["NIL-H1-Walk"])
    assert len(ablation.REWARD_ROWS) == 7 and len(table1.PAPER) == 4
