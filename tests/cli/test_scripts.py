# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The scripts on the real simulator, as a user runs them: one short run, gone on with, played, and judged."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx.reference
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nil_ext.reference import Reference
from nil_ext.reference.video import constant_rate, decode_video, write_video
from nil_ext.rl.runners.checkpoint import read_checkpoint, write_checkpoint
from nil_ext.tasks.embedded import embedded_reference

TASK = "NIL-H1-Walk"
SMALL = (
    *("--num_envs", 4),
    "agent.algorithm.warmup_transitions=64",
    "agent.algorithm.replay_size=4096",
    "agent.algorithm.reuse=8",
    "agent.algorithm.batch_size=64",
    "agent.log_interval=1",
    "env.tracking_steps=40",
)
ITERATIONS = 4
STEPS = 4 * 20
"""Environment steps of an iteration: 4 environments, 20 steps each."""

pytestmark = pytest.mark.sim


def run_folders(cwd: Path) -> list[Path]:
    """Run folders, oldest first."""
    return sorted((cwd / "logs" / "nil_ext" / "nil_h1_walk").iterdir())


@pytest.fixture(scope="module")
def trained(scripts, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A run of four iterations whose episodes all begin at e0, its folder and what it printed."""
    cwd = tmp_path_factory.mktemp("user")
    from_e0 = "env.commands.reference.start_along_reference=0"
    done = scripts.run("train.py", "--max_iterations", ITERATIONS, *SMALL, from_e0, cwd=cwd)
    [folder] = run_folders(cwd)
    return SimpleNamespace(cwd=cwd, folder=folder, out=done.stdout, err=done.stderr)


def test_train_says_what_it_does_and_where_everything_is(trained: SimpleNamespace):
    assert "[nil_ext] No CUDA device: running the 'cpu' profile" in trained.out or torch.cuda.is_available()
    assert "[nil_ext] Reference: sketch, 4.00 s at 50 Hz" in trained.out
    assert "joint angles first, without filming, until episodes last 80% of it or for 40 steps, then" in trained.out
    assert trained.out.count("Another reward counts from here on: the replay begins anew") == 1
    assert f"[nil_ext] Logs: {trained.folder}" in trained.out
    assert f"[nil_ext] Video: {trained.folder / 'evaluation' / 'final.mp4'}" in trained.out
    best = trained.folder / "model_best.pt"
    steps = read_checkpoint(best)["transitions"]
    assert f"Evaluating model_best.pt: the policy after {steps} of {STEPS * ITERATIONS} environment" in trained.out
    assert f"play.py --task {TASK} --checkpoint {best}" in trained.out
    progress = [line for line in trained.out.splitlines() if "env-steps" in line]
    assert len(progress) == ITERATIONS
    assert re.search(r"100% +320 env-steps +\d+/s +0:\d\d:\d\d \+ 0:00:00 left \| reward/step", progress[-1])
    for stream in ("video_similarity", "mask_iou", "joint_torque", "foot_slip", "forward_speed"):
        assert f"{stream} " in progress[-1], stream
    assert "Traceback" not in trained.err


def test_log_folder_is_isaac_lab_s(trained: SimpleNamespace):
    names = {path.relative_to(trained.folder).as_posix() for path in trained.folder.rglob("*") if path.is_file()}
    wanted = {"run.json", "params/env.yaml", "params/agent.yaml", f"model_{ITERATIONS}.pt", "replay.pt"}
    assert wanted | {"evaluation/final.mp4", "evaluation/final.json"} <= names
    assert not [name for name in names if name.endswith(".tmp") or Path(name).name.startswith(".")]
    manifest = json.loads((trained.folder / "run.json").read_text())
    assert (manifest["library"], manifest["task"]) == ("nil_ext", TASK)
    assert manifest["metadata"]["reference"] == embedded_reference(TASK).digest
    assert manifest["metadata"]["source"] == "sketch"
    assert json.loads(manifest["metadata"]["encoder"])["name"] == "efficientnet"
    assert "warmup_transitions: 64" in (trained.folder / "params" / "agent.yaml").read_text()
    assert "num_envs: 4" in (trained.folder / "params" / "env.yaml").read_text()


def test_scalars_are_logged_by_name(trained: SimpleNamespace):
    events = EventAccumulator(str(trained.folder)).Reload()
    tags = set(events.Tags()["scalars"])
    streams = ("video_similarity", "mask_iou", "joint_torque", "action_change", "joint_velocity", "foot_slip")
    assert {f"Episode_Reward/{name}" for name in (*streams, "torso_tilt", "heading")} <= tags
    metrics = ("mask_iou", "video_similarity", "forward_speed")
    assert {f"Metrics/reference/{name}" for name in metrics} <= tags
    assert {"Episode_Termination/fall", "Perf/total_fps", "Train/env_steps"} <= tags
    assert [event.value for event in events.Scalars("Train/env_steps")] == [STEPS * (i + 1) for i in range(ITERATIONS)]
    # half an update per step, but for the 16 steps of the warm-up, and as many after the replay began anew
    assert events.Scalars("Train/gradient_steps")[-1].value == pytest.approx(0.5 * (80 - 16 - 16), abs=1)
    following = [event.value for event in events.Scalars("Curriculum/tracking_first")]
    assert (following[0], following[-1]) == (1.0, 0.0)
    iou = [event.value for event in events.Scalars("Episode_Reward/mask_iou")]
    assert iou[0] == 0.0 and iou[-1] > 0.0
    assert any(tag.startswith("Loss/") for tag in tags)


def test_evaluation_holds_the_controls(trained: SimpleNamespace):
    numbers = json.loads((trained.folder / "evaluation" / "final.json").read_text())
    assert numbers["episodes"] == 4
    standing, rand = numbers["standing"], numbers["random"]
    assert standing["env_reward"]["mean"] == pytest.approx(84.0, abs=2.0)
    assert standing["survival"]["mean"] == 1.0
    assert standing["forward_speed"]["mean"] == pytest.approx(0.0, abs=0.02)
    assert 0.4 < standing["mask_iou"]["mean"] < 0.9
    assert rand["survival"]["mean"] == 0.0
    assert rand["env_reward"]["mean"] < 0.5 * standing["env_reward"]["mean"]
    assert 0.0 < numbers["policy"]["env_reward"]["mean"] < 400.0
    assert "| standing | 8" in trained.out
    frames, times = decode_video(trained.folder / "evaluation" / "final.mp4", max_side=768)
    assert constant_rate(times) == pytest.approx(25.0)
    assert 2 <= len(frames) <= 100
    assert frames.shape[1:] == (256, 768, 3)
    # the reference stands in the left third, the rollout in the middle, both masks on the right
    assert all((third[0, 30:] < 200).any() for third in np.split(frames, 3, axis=2))


@pytest.fixture(scope="module")
def interrupted(scripts, trained: SimpleNamespace) -> SimpleNamespace:
    """The same run gone on with, until Ctrl-C."""
    # the video has begun to count and goes on, though not that many steps were made
    settings = (*SMALL, "env.tracking_steps=100000")
    process = scripts.start(
        "train.py", "--checkpoint", "latest", "--max_iterations", 100_000, *settings, cwd=trained.cwd
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if sum("env-steps" in text for text in lines) == 2:
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=120)
    folder = run_folders(trained.cwd)[-1]
    return SimpleNamespace(folder=folder, out="".join(lines) + out, err=err, status=process.returncode)


def test_ctrl_c_saves_and_says_how_to_go_on(trained: SimpleNamespace, interrupted: SimpleNamespace):
    assert interrupted.status == 130, interrupted.err[-3000:]
    assert interrupted.folder != trained.folder
    remedy = f"Stopped and saved. To go on, add to the same command: --checkpoint {interrupted.folder}"
    assert remedy in interrupted.out
    assert len(list(interrupted.folder.glob("model_[0-9]*.pt"))) == 1
    assert "Traceback" not in interrupted.err
    assert "the replay begins anew" not in interrupted.out  # the video counts from its first step on


def test_resume_goes_on_where_the_run_stopped(trained: SimpleNamespace, interrupted: SimpleNamespace):
    before = read_checkpoint(trained.folder / f"model_{ITERATIONS}.pt")
    [path] = interrupted.folder.glob("model_[0-9]*.pt")
    after = read_checkpoint(path)
    assert (before["iter"], before["transitions"]) == (ITERATIONS, ITERATIONS * STEPS)
    added = after["iter"] - before["iter"]
    assert added >= 2
    # Ctrl-C may come in the middle of an iteration
    assert added * STEPS <= after["transitions"] - before["transitions"] <= (added + 1) * STEPS
    # the replay came back: updates went on at once, half a one per step
    assert after["gradient_steps"] - before["gradient_steps"] >= 0.5 * 20 * added - 1
    assert after["seconds"] > before["seconds"]
    first = next(line for line in interrupted.out.splitlines() if "env-steps" in line)
    assert f" {(ITERATIONS + 1) * STEPS} env-steps" in first
    assert before["infos"]["progress"] == after["infos"]["progress"]
    assert before["infos"]["progress"]["over"] == 1.0
    assert after["infos"]["robot"] == "H1"
    assert len(after["infos"]["joint_names"]) == 19


def test_play_films_and_exports(scripts, trained: SimpleNamespace, interrupted: SimpleNamespace):
    settings = ("--num_envs", 2, "env.episode_length_s=1.0")
    done = scripts.run("play.py", "--checkpoint", "latest", *settings, cwd=trained.cwd)
    [checkpoint] = interrupted.folder.glob("model_[0-9]*.pt")
    assert f"[nil_ext] Checkpoint: {checkpoint}" in done.stdout
    frames, _ = decode_video(interrupted.folder / "videos" / "play" / f"{checkpoint.stem}.mp4", max_side=768)
    assert frames.shape[1:] == (256, 768, 3)
    numbers = json.loads((interrupted.folder / "videos" / "play" / f"{checkpoint.stem}.json").read_text())
    assert numbers["episodes"] == 2
    script = torch.jit.load(interrupted.folder / "exported" / "policy.pt")
    graph = onnx.reference.ReferenceEvaluator(str(interrupted.folder / "exported" / "policy.onnx"))
    rng = np.random.default_rng(0)
    for _ in range(5):
        observation = rng.normal(size=(1, 112)).astype(np.float32)
        [action] = graph.run(None, {graph.input_names[0]: observation})
        assert action.shape == (1, 11)  # legs and torso; the arms follow the reference
        assert np.abs(action).max() <= 1.0
        assert action == pytest.approx(script(torch.from_numpy(observation)).detach().numpy(), abs=1e-5)
    assert len(run_folders(trained.cwd)) == 2  # playing makes no run of its own


def test_a_checkpoint_of_another_robot_is_refused(scripts, trained: SimpleNamespace, tmp_path: Path):
    content = read_checkpoint(trained.folder / f"model_{ITERATIONS}.pt")
    content["infos"]["robot"] = "G1"
    write_checkpoint(content, tmp_path / "g1.pt")
    done = scripts.run("train.py", "--num_envs", 2, "--checkpoint", tmp_path / "g1.pt", cwd=tmp_path, status=2)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: Checkpoint '{tmp_path / 'g1.pt'}' has other robot (G1) than this environment (H1)")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("logs/**/*.*"))


def test_generate_draws_the_embedded_sketch(scripts, tmp_path: Path):
    scripts.run("generate.py", "--output", tmp_path / "sketch", "--duration", 0.4, cwd=tmp_path)
    drawn, embedded = Reference.load(tmp_path / "sketch"), embedded_reference(TASK)
    assert len(drawn) == 21
    assert drawn.rate == embedded.rate == 50.0
    assert drawn.meta["source"] == embedded.meta["source"]
    assert sorted(drawn.motion["joint_names"]) == sorted(embedded.motion["joint_names"])
    assert (drawn.masks ^ embedded.masks[:21]).mean() < 1e-4
    assert (drawn.frames.astype(int) - embedded.frames[:21] != 0).any(axis=-1).mean() < 1e-2
    assert [path.name for path in tmp_path.iterdir()] == ["sketch"]


@pytest.mark.slow
def test_a_real_clip_trains(scripts, shared: Path, tmp_path: Path):
    # two of its five seconds: interpolating and lifting take most of this test
    frames, times = decode_video(shared / "references" / "h1_walk.mp4", max_side=720)
    clip = tmp_path / "h1_walk.mp4"
    write_video(clip, frames[: 2 * round(constant_rate(times))], constant_rate(times))
    done = scripts.run("train.py", "--reference", clip, "--max_iterations", 2, "--no_evaluation", *SMALL, cwd=tmp_path)
    assert "[nil_ext] Reference: h1_walk.mp4, 1.97 s at 120 Hz; reference quality: use" in done.stdout
    speed = re.search(r"its motion was lifted: ([\d.]+) m/s, mask IoU 0\.\d\d", done.stdout)
    assert 0.7 < float(speed[1]) < 1.4  # the whole clip: 0.98 to 1.29 (docs/lift.md)
    [folder] = run_folders(tmp_path)
    assert json.loads((folder / "run.json").read_text())["metadata"]["source"] == "file"
    assert (folder / "model_2.pt").is_file()
    assert not (folder / "evaluation").exists()
