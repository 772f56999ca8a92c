# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Learning beside the environment's steps: what it gives, that timing changes nothing, and what happens on errors."""

from __future__ import annotations

import copy
import threading
import time
from functools import partial
from itertools import pairwise

import pytest
import torch

from nil_ext.rl.algorithms import bro
from nil_ext.rl.runners import OffPolicyRunner, learning_thread
from nil_ext.rl.runners.checkpoint import read_checkpoint


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def beside_cfg(train_cfg):
    return train_cfg | {"learn_beside": True}


def make(env, cfg, **settings) -> OffPolicyRunner:
    torch.manual_seed(1)
    return OffPolicyRunner(env, copy.deepcopy(cfg), **settings)


def test_it_learns_the_point_mass(point_mass, beside_cfg, mean_reward):
    runner = make(point_mass, beside_cfg)
    runner.learn(220)
    assert mean_reward(point_mass, runner.get_inference_policy()) > 0.7
    assert torch.get_num_threads() == 2  # as before


def test_updates_run_in_another_thread_with_half_of_the_threads_each(point_mass, beside_cfg, monkeypatch):
    seen = set()
    runner = make(point_mass, beside_cfg)
    update, step = runner.alg.learner.step, point_mass.step
    note = lambda who: seen.add((who, threading.current_thread().name, torch.get_num_threads()))  # noqa: E731
    monkeypatch.setattr(runner.alg.learner, "step", lambda *args: note("update") or update(*args))
    monkeypatch.setattr(point_mass, "step", lambda *args: note("step") or step(*args))
    runner.learn(10)
    assert seen == {("update", "learning_0", 1), ("step", "MainThread", 1)}


@pytest.mark.parametrize("slow", ["environment", "update"])
def test_timing_changes_nothing(point_mass, beside_cfg, monkeypatch, tensors, slow):
    """Bit for bit the same as a loop in one thread that does one after the other: draw, learn, step, store."""
    runner = make(point_mass, beside_cfg)
    owner = point_mass if slow == "environment" else runner.alg.learner
    method = owner.step
    monkeypatch.setattr(owner, "step", lambda *args: time.sleep(0.002) or method(*args))
    runner.learn(12)

    env = type(point_mass)()
    alone = make(env, beside_cfg)
    torch.set_num_threads(1)  # as many as either side had
    alone.alg.train_mode()
    obs = env.get_observations()
    with torch.no_grad():
        for _ in range(12 * 5):
            actions = alone.alg.act(obs)
            learn = alone.alg.begin_update()
            with torch.enable_grad():
                learn()
            obs, rewards, dones, extras = env.step(actions)
            alone.alg.process_env_step(obs, rewards, dones, extras)
    mine, theirs = tensors(runner.alg.save()), tensors(alone.alg.save())
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in mine.items())
    assert (runner.alg.gradient_steps, runner.alg._credit) == (alone.alg.gradient_steps, alone.alg._credit)
    assert runner.alg.gradient_steps == 12 * 5 - 20  # the last step's is still due


def test_what_the_last_step_has_earned_is_run_by_the_first_of_a_resumed_run(point_mass, beside_cfg, tmp_path):
    """The updates that the last step has earned are still due, and are run by the first step after."""
    runner = make(point_mass, beside_cfg, log_dir=str(tmp_path))
    runner.learn(10)
    assert read_checkpoint(tmp_path / "model_10.pt")["update_credit"] == 1.0
    updates = runner.alg.gradient_steps
    resumed = make(type(point_mass)(), beside_cfg)
    resumed.load(str(tmp_path / "model_10.pt"))
    resumed.learn(2)
    assert resumed.alg.gradient_steps == updates + 10
    assert resumed.alg._credit == 1.0


def test_credit_waits_where_the_replay_did_not_come_along(point_mass, beside_cfg, tmp_path):
    runner = make(point_mass, beside_cfg | {"replay_save_limit": 0.0}, log_dir=str(tmp_path))
    runner.learn(10)
    resumed = make(type(point_mass)(), beside_cfg)
    resumed.load(str(tmp_path / "model_10.pt"))
    resumed.learn(3)  # 240 transitions of the 320 it waits for
    assert resumed.alg.gradient_steps == runner.alg.gradient_steps
    resumed.learn(2)
    assert resumed.alg.gradient_steps > runner.alg.gradient_steps


def test_after_a_reset_everything_is_caught_up_before_the_next_step(point_mass, beside_cfg, monkeypatch):
    cfg = copy.deepcopy(beside_cfg)
    cfg["algorithm"] |= {"reset_updates": [20], "reset_catch_up": 200}
    runner = make(point_mass, cfg)
    at_step, step = [], point_mass.step
    monkeypatch.setattr(point_mass, "step", lambda *args: at_step.append(runner.alg.gradient_steps) or step(*args))
    runner.learn(16)
    jumps = [b - a for a, b in pairwise(at_step)]
    assert [jump for jump in jumps if jump > 1] == [201]  # one beside the step, the others after it


def test_whoever_steps_by_hand_is_told_of_the_updates_that_did_not_fit(point_mass, beside_cfg, monkeypatch):
    """As the throughput benchmark does: with many environments a step earns more updates than are drawn at once."""
    cfg = copy.deepcopy(beside_cfg)
    cfg["algorithm"]["reuse"] *= 3
    alg = make(point_mass, cfg).alg
    monkeypatch.setattr(bro, "_MOST_AT_ONCE", 1)
    alg.train_mode()
    obs, updates = point_mass.get_observations(), []
    with learning_thread.LearningThread() as thread, torch.no_grad():
        for _ in range(30):
            actions = alg.act(obs)
            (obs, rewards, dones, extras), rest = thread.beside(partial(point_mass.step, actions), alg)
            for learn in rest:
                learn()
            alg.process_env_step(obs, rewards, dones, extras)
            updates.append(alg.gradient_steps)
    assert updates[-1] - updates[-2] == 3


def test_an_environment_that_fails_saves_the_weights(point_mass, beside_cfg, tmp_path, monkeypatch, tensors):
    runner = make(point_mass, beside_cfg, log_dir=str(tmp_path))
    learn = runner.alg.learner.step
    monkeypatch.setattr(runner.alg.learner, "step", lambda *args: time.sleep(0.01) or learn(*args))
    point_mass.interrupt_at = 63
    with pytest.raises(KeyboardInterrupt):
        runner.learn(1000)
    saved = read_checkpoint(tmp_path / "model_12.pt")
    assert (saved["transitions"], saved["gradient_steps"]) == (62 * 16, runner.alg.gradient_steps)
    assert torch.equal(tensors(saved)["/actor_state_dict/mlp.0.weight"], runner.alg.actor.mlp[0].weight)
    assert torch.get_num_threads() == 2


def test_a_second_signal_saves_what_the_running_updates_leave(point_mass, beside_cfg, tmp_path, monkeypatch, tensors):
    """It may come while the runner waits for updates that have begun."""
    runner = make(point_mass, beside_cfg, log_dir=str(tmp_path))
    update, wait = runner.alg.learner.step, runner._learn
    monkeypatch.setattr(runner.alg.learner, "step", lambda *args: time.sleep(0.2) or update(*args))

    def interrupted(waited_for):
        if runner.alg.transitions > 400:
            raise KeyboardInterrupt
        return wait(waited_for)

    monkeypatch.setattr(runner, "_learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.learn(1000)
    [file] = tmp_path.glob("model_*.pt")
    saved = read_checkpoint(file)
    assert runner.alg.gradient_steps > 0
    assert saved["gradient_steps"] == runner.alg.gradient_steps
    assert torch.equal(tensors(saved)["/actor_state_dict/mlp.0.weight"], runner.alg.actor.mlp[0].weight)


def test_an_update_that_fails_ends_the_run(point_mass, beside_cfg, monkeypatch):
    def fail(*_):
        raise RuntimeError("no gradient")

    runner = make(point_mass, beside_cfg)
    monkeypatch.setattr(runner.alg.learner, "step", fail)
    with pytest.raises(RuntimeError, match="no gradient"):
        runner.learn(100)


def test_with_one_thread_it_learns_between_the_steps(point_mass, beside_cfg, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr(learning_thread.LearningThread, "__enter__", None)
    runner = make(point_mass, beside_cfg)
    runner.learn(10)
    assert runner.alg.gradient_steps > 0
