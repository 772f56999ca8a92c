# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Checkpoints through kills, signals and resumption: readable, complete, and bit by bit where the run stopped."""

from __future__ import annotations

import copy
import io
import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from nil_ext.errors import InputError
from nil_ext.rl.runners import OffPolicyRunner
from nil_ext.rl.runners.checkpoint import last_checkpoint, read_checkpoint, write_checkpoint
from nil_ext.rl.runners.random_state import get_random_state, set_random_state
from nil_ext.rl.runners.stop_request import StopRequest

KILLED_WHILE_SAVING = """
import itertools, os, random, signal, sys, time
from pathlib import Path
import torch
from nil_ext.rl.runners.checkpoint import read_checkpoint, write_checkpoint

torch.set_num_threads(1)
file = Path(sys.argv[1])
write_checkpoint({"round": 0, "weights": torch.zeros(50_000)}, file)
last, inside = 0, 0
for _ in range(100):
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        for number in itertools.count(last + 1):
            write_checkpoint({"round": number, "weights": torch.full((50_000,), float(number))}, file)
            os.write(sender, b".")
    os.read(receiver, 1)  # it has saved once and goes on saving
    time.sleep(random.uniform(0.0, 0.01))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(receiver)
    os.close(sender)
    content = read_checkpoint(file)
    assert content["round"] > last
    assert (content["weights"] == content["round"]).all()
    last = content["round"]
    for leftover in file.parent.glob(".*.tmp"):
        inside += 1
        leftover.unlink()
print(last, inside)
"""


def test_a_checkpoint_is_readable_after_each_of_a_hundred_kills(tmp_path):
    command = [sys.executable, "-c", KILLED_WHILE_SAVING, str(tmp_path / "model_1.pt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    saved, killed_inside = map(int, done.stdout.split())
    assert saved >= 100
    assert killed_inside > 10  # many kills came in the middle of a write


def state_of(runner: OffPolicyRunner) -> dict:
    """Return everything that decides how training goes on, the environment aside."""
    replay = runner.alg.replay.state_dict()
    # the row in progress has an observation but no action yet
    replay["steps"] = {name: values[: replay["count"]] for name, values in replay["steps"].items()}
    return {"alg": runner.alg.save(), "replay": replay, "rng": get_random_state("cpu")}


def assert_same(mine, theirs, path: str = "") -> int:
    """Compare nested states bit by bit; return the number of tensors."""
    if isinstance(mine, torch.Tensor):
        assert torch.equal(mine, theirs), path
        return 1
    if isinstance(mine, dict):
        assert mine.keys() == theirs.keys(), path
        return sum(assert_same(mine[key], theirs[key], f"{path}/{key}") for key in mine)
    if isinstance(mine, (list, tuple)):
        assert len(mine) == len(theirs), path
        return sum(assert_same(a, b, f"{path}/{i}") for i, (a, b) in enumerate(zip(mine, theirs, strict=True)))
    assert mine == theirs, path
    return 0


def with_streams(env):
    """Let the environment tell two reward streams, whose sum by their weights is its reward."""
    env.reward_streams, env.reward_weights = ("near", "twice"), {"near": 5.0, "twice": -2.0}
    step, weights = type(env).step, torch.tensor([5.0, -2.0])

    def step_and_tell(actions):
        obs, rewards, dones, extras = step(env, actions)
        extras |= {"reward_streams": torch.stack([rewards, 2.0 * rewards], dim=1), "reward_weights": weights}
        return obs, rewards, dones, extras

    env.step = step_and_tell
    return env


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize(("stop_at", "precision"), [(60, "float32"), (63, "float16")])
def test_an_interrupted_and_resumed_run_equals_the_uninterrupted_one(
    point_mass, train_cfg, tmp_path, capsys, stop_at, precision, beside
):
    """Bit by bit, resets of the networks, updates of the normaliser and all; at and within an iteration of 5 steps."""
    if beside and torch.get_num_threads() < 2:
        torch.set_num_threads(2)
    train_cfg["learn_beside"] = beside
    train_cfg["algorithm"] |= {"reset_updates": (50,), "reset_catch_up": 7, "n_step": 3, "reuse": 6.0}
    train_cfg["algorithm"]["replay_precision"] = precision
    interrupted_env = with_streams(copy.deepcopy(point_mass))
    with_streams(point_mass)
    whole = OffPolicyRunner(point_mass, copy.deepcopy(train_cfg))
    torch.manual_seed(7)
    first = OffPolicyRunner(interrupted_env, copy.deepcopy(train_cfg), log_dir=str(tmp_path))
    first.alg.load(whole.alg.save())
    random_state = get_random_state("cpu")
    whole.learn(20)
    expected = state_of(whole)

    step = interrupted_env.step

    def step_and_be_stopped(actions):
        if interrupted_env.num_steps + 1 == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(actions)

    interrupted_env.step = step_and_be_stopped
    set_random_state(random_state, "cpu")
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        first.learn(20)
    del interrupted_env.step
    torch.manual_seed(99)
    np.random.seed(99)
    random.seed(99)
    resumed = OffPolicyRunner(with_streams(copy.deepcopy(interrupted_env)), copy.deepcopy(train_cfg))
    resumed.load(str(last_checkpoint(tmp_path)))
    assert resumed.alg.transitions == stop_at * 16
    resumed.cfg["num_steps_per_env"] = 1
    resumed.learn(100 - stop_at)
    assert "replay.pt" not in capsys.readouterr().out  # checkpoint and replay are of the same moment
    assert assert_same(state_of(resumed), expected) > 150
    assert resumed.env.num_steps == whole.env.num_steps == 100


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_after_the_step_and_a_second_one_interrupts_it(point_mass, train_cfg, tmp_path, capfd, number):
    handlers = [signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)]
    step, finished = point_mass.step, []

    def signalled(actions):
        for _ in range(1 if point_mass.num_steps < 100 else 2):
            if point_mass.num_steps in (31, 101):
                os.kill(os.getpid(), number)
        result = step(actions)
        finished.append(point_mass.num_steps)
        return result

    point_mass.step = signalled
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    with pytest.raises(KeyboardInterrupt, match=number.name):
        runner.learn(1000)
    assert finished[-1] == 32
    saved = read_checkpoint(tmp_path / "model_6.pt")
    assert (saved["version"], saved["iter"], saved["transitions"]) == (1, 6, 32 * 16)
    assert (tmp_path / "replay.pt").is_file()
    assert f"{number.name}: saving after this step" in capfd.readouterr().out
    with pytest.raises(KeyboardInterrupt):
        runner.learn(1000)
    assert finished[-1] == 101  # the step in which both signals came did not finish
    assert [signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)] == handlers


def test_a_signal_does_not_interrupt_the_saving(point_mass, train_cfg, tmp_path):
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    save = runner.save

    def save_and_be_signalled(*args):
        os.kill(os.getpid(), signal.SIGINT)
        save(*args)

    runner.save = save_and_be_signalled
    runner.learn(2)
    assert read_checkpoint(tmp_path / "model_2.pt")["iter"] == 2
    assert (tmp_path / "replay.pt").is_file()


def test_the_best_policy_is_kept_and_taken_along(point_mass, train_cfg, tmp_path):
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path / "first"))
    # Sums and numbers of returns of six reports; ten would be averaged. 16 environments: the first has too few.
    windows = iter([(90.0, 10.0), (10.0, 10.0), (20.0, 20.0), (200.0, 10.0), (0.0, 50.0), (10.0, 10.0)])
    report, scores = runner.logger.report, []

    def report_windows(*args):
        report(*args)
        runner.logger._returns.pop()
        runner.logger._returns.append(next(windows))
        scores.append(runner.logger.mean_return)

    runner.logger.report = report_windows
    runner.learn(20)  # reports after 1, 4, 8, 12, 16 and 20 iterations
    # 90/10 of too few; then 100/20, 120/40, 320/50, 320/100, 330/110
    assert scores == [None, 5.0, 3.0, 6.4, 3.2, 3.0]
    best = read_checkpoint(tmp_path / "first" / "model_best.pt")
    assert (best["iter"], best["best_return"]) == (12, 6.4)
    assert read_checkpoint(tmp_path / "first" / "model_20.pt")["best_return"] == 6.4
    assert last_checkpoint(tmp_path / "first").name == "model_20.pt"

    resumed = OffPolicyRunner(point_mass, copy.deepcopy(train_cfg), log_dir=str(tmp_path / "second"))
    resumed.load(str(tmp_path / "first" / "model_20.pt"))
    resumed.best_return = float("-inf")
    resumed.learn(1)
    assert read_checkpoint(tmp_path / "second" / "model_best.pt")["iter"] == 12
    assert resumed.best_return == 6.4


def test_old_checkpoints_are_read_and_newer_ones_refused(point_mass, train_cfg, tmp_path):
    runner = OffPolicyRunner(point_mass, train_cfg)
    runner.save(str(tmp_path / "now.pt"))
    content = read_checkpoint(tmp_path / "now.pt")
    write_checkpoint(content | {"version": 2}, tmp_path / "newer.pt")
    with pytest.raises(InputError, match="version 2, this nil_ext reads up to 1; update nil_ext"):
        runner.load(str(tmp_path / "newer.pt"))
    old = {key: value for key, value in content.items() if key not in ("version", "best_return")}
    write_checkpoint(old | {"rng": {"cpu": content["rng"]["cpu"]}, "iter": 3}, tmp_path / "old.pt")
    runner.load(str(tmp_path / "old.pt"))
    assert runner.current_learning_iteration == 3


def test_every_generator_goes_on_where_it_was(tmp_path):
    def draw() -> tuple:
        # an odd number of normal draws leaves numpy and Python with a half-used pair
        return torch.rand(3).tolist(), np.random.randn(3).tolist(), [random.gauss(0.0, 1.0) for _ in range(3)]

    draw()
    write_checkpoint(get_random_state("cpu"), tmp_path / "rng.pt")
    expected = draw()
    assert draw() != expected
    set_random_state(read_checkpoint(tmp_path / "rng.pt"), "cpu")
    assert draw() == expected


def test_a_signal_that_comes_while_a_line_is_printed_is_taken(monkeypatch, capfd):
    class Busy(io.StringIO):
        def write(self, text: str) -> int:
            raise RuntimeError("reentrant call")  # as a buffered writer does that is in the middle of a write

    monkeypatch.setattr("sys.stdout", Busy())
    request = StopRequest()
    request.receive(signal.SIGTERM, None)
    assert request.signal == signal.SIGTERM
    assert "SIGTERM: saving after this step" in capfd.readouterr().out
