# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The training loop on a point mass: learning, budgets, interruption, resuming, export."""

from __future__ import annotations

import copy
import doctest
import re
import shutil

import pytest
import torch
from rsl_rl.runners import OnPolicyRunner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nil_ext.errors import InputError
from nil_ext.rl.runners import OffPolicyRunner, training_logger
from nil_ext.rl.runners.checkpoint import read_checkpoint, write_checkpoint


def read_scalars(folder) -> dict[str, list]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}


def test_it_learns_the_point_mass(point_mass, train_cfg, mean_reward):
    runner = OffPolicyRunner(point_mass, train_cfg)
    # A random policy holds about .17 a step, a good one about .9.
    random_reward = mean_reward(point_mass, lambda obs: torch.rand(16, 1) * 2.0 - 1.0)
    runner.learn(220)
    learned = mean_reward(point_mass, runner.get_inference_policy())
    assert random_reward < 0.3
    assert learned > 0.7


def test_a_run_that_ends_within_its_warm_up_says_so(point_mass, train_cfg, capsys):
    runner = OffPolicyRunner(point_mass, train_cfg)  # 16 x 5 = 80 transitions an iteration, 320 of warm-up
    runner.learn(4)
    assert "ended within its warm-up (320 of 320 transitions)" in capsys.readouterr().out
    runner.learn(1)
    assert "warm-up" not in capsys.readouterr().out


def test_the_stock_runner_trains_the_same_settings(point_mass, train_cfg, tmp_path, capsys):
    point_mass.cfg = {}
    runner = OnPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    runner.learn(40)
    assert runner.alg.gradient_steps > 100
    assert "Loss/critic" in read_scalars(tmp_path)
    fresh = OffPolicyRunner(point_mass, copy.deepcopy(train_cfg))
    fresh.load(str(tmp_path / "model_39.pt"))
    assert fresh.alg.gradient_steps == runner.alg.gradient_steps


def test_scalars_and_progress_line(point_mass, train_cfg, tmp_path, capsys):
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    runner.learn(24)
    scalars = read_scalars(tmp_path)
    for tag in (
        "Train/env_steps", "Train/mean_reward", "Train/mean_episode_length", "Train/mean_step_reward",
        "Perf/total_fps", "Perf/collection_time", "Perf/learning_time",
        "Loss/critic", "Loss/actor", "Loss/optimistic_actor", "Loss/alpha", "Loss/omega", "Loss/lambda",
        "Loss/final_obs_lost", "Loss/learning_rate", "Policy/mean_std",
        "Episode_Reward/near", "Metrics/goal/distance", "Episode_Termination/left",
    ):  # fmt: skip
        assert tag in scalars, tag
    # 24 iterations of 5 steps of 16 environments, reported after the first and then every 4 iterations
    steps = scalars["Train/env_steps"]
    assert [event.step for event in steps] == [1, 4, 8, 12, 16, 20, 24]
    assert [event.value for event in steps] == [80, 320, 640, 960, 1280, 1600, 1920]
    lines = [line for line in capsys.readouterr().out.splitlines() if "env-steps" in line]
    assert len(lines) == 7
    assert re.match(
        r"100%  1\.9k env-steps  \d+/s  0:00:\d\d \+ 0:00:00 left \| reward/step [\d.]+ \| near ", lines[-1]
    )
    assert doctest.testmod(training_logger).failed == 0


def test_stale_logs_are_weighted_by_the_episodes_that_ended(point_mass, train_cfg):
    logger = OffPolicyRunner(point_mass, train_cfg).logger
    nothing, one, three = torch.zeros(16), torch.zeros(16), torch.zeros(16)
    one[0], three[:3] = 1.0, 1.0
    log = {"Metrics/x": torch.tensor(float("nan")), "plain": 1.0}
    logger.process_env_step(torch.ones(16), nothing, {"log": log})  # no episode ended: does not count
    logger.process_env_step(torch.ones(16), one, {"log": {"Metrics/x": torch.tensor(2.0), "plain": 4.0}})
    logger.process_env_step(torch.ones(16), nothing, {"log": {"Metrics/x": 2.0, "plain": 4.0}})
    logger.process_env_step(torch.ones(16), three, {"log": {"Metrics/x": 6.0, "plain": 0.0}})
    assert logger._fetch_means(logger._episodes) == {"Metrics/x": pytest.approx(5.0), "plain": pytest.approx(1.0)}
    # Episode lengths: env 0 ended after 2 steps and after 2 more, envs 1 and 2 after 4: returns 2 + 2 + 4 + 4.
    assert logger._sums["return"].item() == 12.0
    assert logger._sums["episodes"].item() == 4.0


def test_policies_are_compared_by_the_episodes_that_the_environment_names(point_mass, train_cfg, tmp_path):
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    logger = runner.logger
    logger.init_logging_writer()
    rewards, judged = torch.arange(16.0), torch.arange(16) % 4 == 0
    progress = training_logger.Progress(1, 16, 0, 1.0, 0.5, 1.0)
    means = []
    for _ in range(4):  # all episodes last one step, those of environments 0, 4, 8 and 12 count: 24 of returns
        logger.process_env_step(rewards, torch.ones(16), {"judged": judged})
        logger.report(progress, 1e-3, torch.ones(16, 1), 1.0, 0.0)
        means.append(logger.mean_return)
    assert means == [None, None, None, 6.0]  # as many as environments, at last
    logger.process_env_step(rewards, torch.ones(16), {"judged": torch.zeros(16, dtype=torch.bool)})
    logger.report(progress, 1e-3, torch.ones(16, 1), 1.0, 0.0)
    assert logger.mean_return == 6.0
    logger.stop_logging_writer()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.value for event in events.Scalars("Train/mean_reward")] == [7.5] * 5
    assert [event.value for event in events.Scalars("Train/mean_reward_judged")] == [6.0] * 4
    assert [event.value for event in events.Scalars("Train/mean_episode_length_judged")] == [1.0] * 4


def test_interruption_saves_and_is_raised_again(point_mass, train_cfg, tmp_path):
    point_mass.interrupt_at = 63
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        runner.learn(1000)
    saved = read_checkpoint(tmp_path / "model_12.pt")  # 62 steps are 12 whole iterations
    assert saved["iter"] == 12
    assert saved["transitions"] == 62 * 16
    assert (tmp_path / "replay.pt").is_file()


def test_max_minutes_ends_the_run_and_counts_earlier_sessions(point_mass, train_cfg, tmp_path):
    train_cfg["max_minutes"] = 0.5 / 60.0
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    runner.learn(1_000_000)
    assert 0.5 <= runner.seconds < 3.0
    resumed = OffPolicyRunner(point_mass, copy.deepcopy(train_cfg))
    last = max(tmp_path.glob("model_[0-9]*.pt"), key=lambda path: int(path.stem.removeprefix("model_")))
    resumed.load(str(last))  # the best one may be older
    assert resumed.seconds == runner.seconds
    with pytest.raises(InputError, match="max_minutes"):
        resumed.learn(1)


def test_a_resumed_run_continues(point_mass, train_cfg, tmp_path, tensors):
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path / "first"))
    runner.infos = {"joint_names": ["slider"]}
    runner.learn(30)
    torch.manual_seed(123)  # the checkpoint's random state must win
    resumed = OffPolicyRunner(type(point_mass)(), copy.deepcopy(train_cfg), log_dir=str(tmp_path / "second"))
    assert resumed.load(str(tmp_path / "first" / "model_30.pt")) == {"joint_names": ["slider"]}
    assert (resumed.current_learning_iteration, resumed.alg.transitions) == (30, 30 * 5 * 16)
    assert resumed.alg.gradient_steps == runner.alg.gradient_steps > 0
    assert torch.equal(torch.get_rng_state(), read_checkpoint(tmp_path / "first" / "model_30.pt")["rng"]["cpu"])
    mine, theirs = tensors(resumed.alg.save()), tensors(runner.alg.save())
    assert mine.keys() == theirs.keys()
    assert len(mine) > 100
    assert all(torch.equal(value, theirs[key]) for key, value in mine.items())
    resumed.learn(10)
    assert resumed.alg.gradient_steps == runner.alg.gradient_steps + 50  # the replay came along: no second warm-up
    assert len(resumed.alg.replay) == 40 * 5 * 16
    assert (tmp_path / "second" / "model_40.pt").is_file()
    # Every transition across the seam ends there: the step before it is truncated for all environments.
    assert (resumed.alg.replay._steps["truncated"] | resumed.alg.replay._steps["terminated"])[149].all()


def test_without_its_replay_a_resumed_run_waits_for_a_new_one(point_mass, train_cfg, tmp_path, capsys):
    train_cfg["replay_save_limit"] = 0.0
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    runner.learn(20)
    assert not (tmp_path / "replay.pt").exists()
    resumed = OffPolicyRunner(point_mass, copy.deepcopy(train_cfg))
    resumed.load(str(tmp_path / "model_20.pt"))
    capsys.readouterr()
    resumed.learn(3)  # 240 transitions of the 320 it waits for
    assert resumed.alg.gradient_steps == runner.alg.gradient_steps
    assert "No replay" in capsys.readouterr().out
    resumed.learn(2)
    assert resumed.alg.gradient_steps > runner.alg.gradient_steps


def test_a_replay_that_grows_too_large_is_removed_and_said_so_once(point_mass, train_cfg, tmp_path, capsys):
    # 22 byte a transition (2 observations, action, reward, flags, slot) and a table of 819 * 8 byte: 24 kB after 10
    # iterations, 60 kB after 30
    train_cfg["replay_save_limit"] = 0.05
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    runner.learn(10)
    assert (tmp_path / "replay.pt").exists()
    assert "replay_save_limit" not in capsys.readouterr().out
    runner.learn(20)
    assert not (tmp_path / "replay.pt").exists()
    assert "The replay takes 0.0597 MB, more than agent.replay_save_limit = 0.05, and" in capsys.readouterr().out
    runner.learn(5)
    assert "replay_save_limit" not in capsys.readouterr().out


def test_a_replay_of_another_moment_is_used_and_said_so(point_mass, train_cfg, tmp_path, capsys):
    replay = tmp_path / "replay.pt"
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    runner.learn(5)
    early = replay.read_bytes()
    runner.learn(5)
    late = replay.read_bytes()
    for name, content, told, stored in (
        ("model_5.pt", late, "after 800 transitions, the checkpoint after 400:", 800),
        ("model_10.pt", early, "after 400 transitions, the checkpoint after 800:", 400),  # killed between both writes
        ("model_10.pt", late, None, 800),
    ):
        replay.write_bytes(content)
        resumed = OffPolicyRunner(point_mass, copy.deepcopy(train_cfg))
        resumed.load(str(tmp_path / name))
        updates = resumed.alg.gradient_steps
        capsys.readouterr()
        resumed.learn(1)
        assert (resumed.alg.gradient_steps, len(resumed.alg.replay)) == (updates + 5, stored + 80)
        output = capsys.readouterr().out
        assert f"replay.pt was saved {told}" in output if told else "[INFO]" not in output


def test_a_damaged_replay_does_not_keep_a_good_checkpoint_from_going_on(point_mass, train_cfg, tmp_path, capsys):
    OffPolicyRunner(point_mass, copy.deepcopy(train_cfg), log_dir=str(tmp_path)).learn(5)
    replay = tmp_path / "replay.pt"
    replay.write_bytes(replay.read_bytes()[:1000])  # a copy that was cut off
    resumed = OffPolicyRunner(point_mass, train_cfg)
    resumed.load(str(tmp_path / "model_5.pt"))
    resumed.learn(1)
    assert len(resumed.alg.replay) == 80
    assert f"{replay} is damaged: updates wait until it has been refilled" in capsys.readouterr().out


def test_a_run_with_another_reward_leaves_the_replay_behind(point_mass, train_cfg, tmp_path, capsys):
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    runner.learn(20)
    assert (tmp_path / "replay.pt").exists()
    other = OffPolicyRunner(point_mass, copy.deepcopy(train_cfg))
    other.load(str(tmp_path / "model_20.pt"))
    other.leave_replay("Another reward")
    assert "Another reward" in capsys.readouterr().out
    other.learn(3)  # 240 transitions of its own, of the 320 it waits for
    assert len(other.alg.replay) == 240
    assert other.alg.gradient_steps == runner.alg.gradient_steps


def test_a_run_with_other_weights_keeps_the_replay_and_weighs_it_anew(point_mass, train_cfg, tmp_path, capsys):
    class Streams(type(point_mass)):
        """The point mass, whose reward is told as a stream of its own beside one that is always 1."""

        reward_streams, reward_weights = ("near", "alive"), {"near": 1.0, "alive": 0.5}

        def step(self, actions):
            obs, near, dones, extras = super().step(actions)
            extras["reward_streams"] = torch.stack([near, torch.ones_like(near)], dim=1)
            extras["reward_weights"] = torch.tensor(list(self.reward_weights.values()))
            return obs, extras["reward_streams"] @ extras["reward_weights"], dones, extras

    runner = OffPolicyRunner(Streams(), train_cfg, log_dir=str(tmp_path))
    runner.learn(60)
    assert (tmp_path / "model_best.pt").is_file()
    same, other = Streams(), Streams()
    other.reward_weights = {"near": 2.0, "alive": 0.0}
    for env, best in ((same, read_checkpoint(tmp_path / "model_best.pt")["best_return"]), (other, float("-inf"))):
        resumed = OffPolicyRunner(env, copy.deepcopy(train_cfg), log_dir=str(tmp_path / "resumed"))
        resumed.load(str(tmp_path / "model_60.pt"))
        resumed._go_on_from_loaded()
        assert resumed.best_return == best
        assert len(resumed.alg.replay) == len(runner.alg.replay)
        resumed.learn(1)
        assert resumed.alg.gradient_steps == runner.alg.gradient_steps + 5  # at once, without a new warm-up
        first = (torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.long))
        near, alive = runner.alg.replay._steps["rewards"][0, 0].tolist()
        expected = env.reward_weights["near"] * near + env.reward_weights["alive"] * alive
        assert resumed.alg.replay.gather(*first).rewards.item() == pytest.approx(expected)
    # its replay was saved by the other weights, of which one is 0, whatever the checkpoint beside it says
    shutil.copy(tmp_path / "model_60.pt", tmp_path / "resumed")
    for name in ("model_60.pt", "model_61.pt"):
        late = OffPolicyRunner(same, copy.deepcopy(train_cfg))
        late.load(str(tmp_path / "resumed" / name))
        late._go_on_from_loaded()
        assert len(late.alg.replay) == 0
        assert "does not know alive, which did not count then and does now" in capsys.readouterr().out


def test_where_another_reward_begins_to_count_the_replay_and_the_best_return_begin_anew(
    point_mass, train_cfg, tmp_path, capsys
):
    class Late(type(point_mass)):
        """The point mass, which is paid ten times as much for nothing at first, and then for standing at its goal."""

        reward_streams, change_at = ("near", "alive"), 20 * 5

        @property
        def reward_weights(self):
            return {"near": 0.0, "alive": 10.0} if self.num_steps <= self.change_at else {"near": 1.0, "alive": 0.0}

        def step(self, actions):
            obs, near, dones, extras = super().step(actions)
            weights = torch.tensor(list(self.reward_weights.values()))
            extras["reward_streams"] = torch.stack([near, torch.ones_like(near)], dim=1) * (weights > 0.0)
            extras["reward_weights"] = weights
            extras["replay_outdated"] = self.num_steps == self.change_at + 1
            return obs, extras["reward_streams"] @ weights, dones, extras

    runner = OffPolicyRunner(Late(), train_cfg, log_dir=str(tmp_path))
    runner.learn(20)
    best = tmp_path / "model_best.pt"
    assert len(runner.alg.replay) == 20 * 5 * 16 and runner.best_return > 100.0 and best.is_file()
    updates = runner.alg.gradient_steps
    runner.learn(1)
    assert "the replay begins anew" in capsys.readouterr().out
    assert not best.is_file()
    runner.learn(3)
    assert len(runner.alg.replay) == (4 * 5 - 1) * 16  # but for the step that told
    assert runner.alg.gradient_steps == updates  # 304 of the 320 transitions that it waits for
    runner.learn(20)
    rewards = runner.alg.replay._steps["rewards"][: runner.alg.replay.count]
    assert (rewards[..., 0] > 0.0).all() and not rewards[..., 1].any()
    assert runner.alg.gradient_steps > updates
    assert 0.0 < runner.best_return < 26.0  # 25 steps an episode, worth 1 at most
    assert read_checkpoint(best)["best_return"] == runner.best_return


def test_a_replay_saved_as_another_reward_begins_to_count_is_not_taken_for_one_of_it(point_mass, train_cfg, tmp_path):
    class Switching(type(point_mass)):
        """Its weights change at the end of a step, as where a curriculum looks at the episodes that end there."""

        reward_streams, reward_weights = ("near", "alive"), {"near": 0.0, "alive": 1.0}

        def step(self, actions):
            weights = torch.tensor(list(self.reward_weights.values()))
            obs, near, dones, extras = super().step(actions)
            extras["reward_streams"] = torch.stack([near, torch.ones_like(near)], dim=1) * (weights > 0.0)
            extras["reward_weights"] = weights
            if self.num_steps == 10 * 5:
                self.reward_weights = {"near": 1.0, "alive": 1.0}
            return obs, extras["reward_streams"] @ weights, dones, extras

    runner = OffPolicyRunner(Switching(), train_cfg, log_dir=str(tmp_path))
    runner.learn(10)  # ends with the step that changes them
    assert read_checkpoint(tmp_path / "replay.pt")["stream_weights"].tolist() == [0.0, 1.0]
    env = Switching()
    env.reward_weights = runner.env.reward_weights
    resumed = OffPolicyRunner(env, copy.deepcopy(train_cfg))
    resumed.load(str(tmp_path / "model_10.pt"))
    resumed._go_on_from_loaded()
    assert len(resumed.alg.replay) == 0


def test_the_speed_is_that_of_all_processes(point_mass, train_cfg, tmp_path):
    fps = {}
    for processes in (1, 3):
        runner = OffPolicyRunner(point_mass, copy.deepcopy(train_cfg), log_dir=str(tmp_path / str(processes)))
        runner.logger.gpu_world_size = processes
        report = runner.logger.report
        runner.logger.report = lambda *args, report=report: report(*args[:3], 1.0, 1.0)
        runner.learn(1)
        [scalar] = read_scalars(tmp_path / str(processes))["Perf/total_fps"]
        fps[processes] = scalar.value
    assert fps == {1: 16 * 5 / 2, 3: 3 * 16 * 5 / 2}


def test_exports_equal_the_policy(point_mass, train_cfg, tmp_path):
    onnx_reference = pytest.importorskip("onnx.reference")
    runner = OffPolicyRunner(point_mass, train_cfg)
    runner.learn(10)
    policy = runner.get_inference_policy("cpu")
    obs = point_mass.get_observations()
    with torch.no_grad():
        actions = policy(obs)
    assert torch.equal(actions, policy(obs).detach())
    runner.export_policy_to_jit(str(tmp_path))
    runner.export_policy_to_onnx(str(tmp_path))
    jit = torch.jit.load(str(tmp_path / "policy.pt"))
    torch.testing.assert_close(jit(obs["policy"]), actions)
    session = onnx_reference.ReferenceEvaluator(str(tmp_path / "policy.onnx"))
    exported = [session.run(None, {"obs": row[None].numpy()})[0] for row in obs["policy"]]
    torch.testing.assert_close(torch.cat([torch.from_numpy(row) for row in exported]), actions, atol=1e-5, rtol=1e-5)


def test_bad_checkpoints_are_refused(point_mass, train_cfg, tmp_path):
    runner = OffPolicyRunner(point_mass, train_cfg)
    with pytest.raises(InputError, match="no checkpoint"):
        runner.load(str(tmp_path / "model_1.pt"))
    (tmp_path / "junk.pt").write_bytes(b"junk")
    with pytest.raises(InputError, match="damaged"):
        runner.load(str(tmp_path / "junk.pt"))
    saved = runner.alg.save()
    write_checkpoint(saved | {"spaces": {"observations": {"policy": 60}, "actions": 19}}, tmp_path / "h1.pt")
    with pytest.raises(InputError, match="same robot"):
        runner.load(str(tmp_path / "h1.pt"))
    train_cfg["actor"]["hidden_dims"] = [64, 64]
    with pytest.raises(InputError, match="other sizes"):
        OffPolicyRunner(point_mass, copy.deepcopy(train_cfg)).alg.load(saved)
    torch.save({"actor_state_dict": print}, tmp_path / "code.pt")
    with pytest.raises(InputError, match="damaged"):
        runner.load(str(tmp_path / "code.pt"))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "model.pt"
    write_checkpoint({"x": 1}, path)

    def fail(content, file):
        file.write_bytes(b"half")
        raise RuntimeError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(InputError, match="disk full"):
        write_checkpoint({"x": 2}, path)
    assert read_checkpoint(path) == {"x": 1}
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="another log folder"):
        write_checkpoint({}, path / "below_a_file" / "model.pt")


def test_a_log_folder_that_cannot_be_written_is_refused(point_mass, train_cfg, tmp_path):
    (tmp_path / "file").write_text("")
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path / "file" / "run"))
    with pytest.raises(InputError, match="another log folder"):
        runner.learn(1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_it_trains_and_resumes_on_a_gpu(point_mass, train_cfg, tmp_path):
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path), device="cuda:0")
    runner.learn(20)
    resumed = OffPolicyRunner(point_mass, copy.deepcopy(train_cfg), device="cuda:0")
    resumed.load(str(tmp_path / "model_20.pt"))
    resumed.learn(2)
    assert resumed.alg.gradient_steps == runner.alg.gradient_steps + 10


@pytest.mark.parametrize("name", ["num_steps_per_env", "log_interval", "save_interval", "max_minutes"])
def test_budgets_and_intervals_of_nothing_are_refused(point_mass, train_cfg, name):
    with pytest.raises(InputError, match=f"agent.{name} is 0; give"):
        OffPolicyRunner(point_mass, train_cfg | {name: 0})
