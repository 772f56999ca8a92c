# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""AMP, GAIfO and BCO on a line where the expert's policy is known: they have to find it from states alone."""

from __future__ import annotations

import copy
import re
import shutil
import threading
import time
from pathlib import Path

import pytest
import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from nil_ext.errors import InputError, NonFiniteError
from nil_ext.rl.imitation import ExpertTransitions
from nil_ext.rl.runners import OffPolicyRunner
from nil_ext.rl.runners.checkpoint import last_checkpoint, read_checkpoint

GOAL, STEP, TIME_OUT = 0.5, 0.4, 20


def expert_action(position: torch.Tensor) -> torch.Tensor:
    """Half of the way to the goal, at most a whole step: x' = x + 0.4 a."""
    return (0.5 * (GOAL - position) / STEP).clamp(-1.0, 1.0)


class Line(VecEnv):
    """A point on a line, x' = x + 0.4 a, that is paid nothing. State: its place and a column the expert lacks."""

    def __init__(self, num_envs: int = 16) -> None:
        self.num_envs, self.num_actions, self.max_episode_length = num_envs, 1, TIME_OUT
        self.device = torch.device("cpu")
        self.generator = torch.Generator().manual_seed(0)
        self.episode_length_buf = torch.zeros(num_envs, dtype=torch.long)
        self.place = self._draw()

    def _draw(self) -> torch.Tensor:
        return torch.rand(self.num_envs, generator=self.generator) * 3.0 - 1.5

    def get_observations(self) -> TensorDict:
        # how far a point is from the goal is in neither of the two
        states = torch.stack((self.place, 7.0 + torch.sin(31.0 * self.place)), dim=1)
        return TensorDict({"policy": states[:, :1].clone(), "state": states}, batch_size=[self.num_envs])

    def step(self, actions: torch.Tensor):
        self.place = self.place + STEP * actions[:, 0].clamp(-1.0, 1.0)
        self.episode_length_buf += 1
        final = self.get_observations()
        fell = self.place.abs() > 2.0
        time_outs = (self.episode_length_buf >= TIME_OUT) & ~fell
        dones = fell | time_outs
        self.place = torch.where(dones, self._draw(), self.place)
        self.episode_length_buf[dones] = 0
        extras = {"time_outs": time_outs, "final_obs": final}
        return self.get_observations(), torch.zeros(self.num_envs), dones.long(), extras


def expert_transitions() -> ExpertTransitions:
    """Episodes of the expert from the environment's starts; it does not know the second column."""
    env, places = Line(256), []
    place = env.place
    for _ in range(TIME_OUT + 1):
        places.append(place)
        place = place + STEP * expert_action(place)
    path = torch.stack(places)
    pairs = [torch.stack((part.flatten(), torch.zeros(part.numel())), dim=1) for part in (path[:-1], path[1:])]
    return ExpertTransitions(*pairs, torch.tensor([1.0, 0.0]))


def runner(train_cfg: dict, agent: str, log_dir: Path | None = None, **settings) -> OffPolicyRunner:
    cfg = copy.deepcopy(train_cfg)
    cfg["obs_groups"] = {"actor": ["policy"], "critic": ["policy"], "expert": ["state"]}
    if agent == "BCO":
        cfg["obs_groups"] = {"actor": ["state"], "critic": ["state"]}
    cfg["algorithm"] |= {"class_name": f"nil_ext.rl.imitation:{agent}", "hidden_dims": [32, 32], "init_alpha": 0.001}
    cfg["algorithm"] |= {"expert": expert_transitions()} | settings
    return OffPolicyRunner(Line(), cfg, None if log_dir is None else str(log_dir), "cpu")


def error(trained: OffPolicyRunner) -> float:
    """Mean distance of the policy's step from the expert's, where the expert is mostly: around the goal."""
    place = torch.linspace(0.0, 1.0, 41)
    states = torch.stack((place, 7.0 + torch.sin(31.0 * place)), dim=1)
    obs = TensorDict({"policy": states[:, :1], "state": states}, batch_size=[41])
    with torch.no_grad():
        actions = trained.get_inference_policy("cpu")(obs)[:, 0]
    return STEP * (actions - expert_action(place)).abs().mean().item()


def last_place(trained: OffPolicyRunner) -> torch.Tensor:
    """Where the policy has brought 256 points after an episode."""
    env, policy = Line(256), trained.get_inference_policy("cpu")
    with torch.no_grad():
        for _ in range(TIME_OUT - 1):
            env.step(policy(env.get_observations()))
    return env.place


@pytest.mark.parametrize("agent", ["AMP", "GAIfO"])
def test_adversarial_imitation_ends_where_the_expert_does(train_cfg, agent):
    settings = {"reuse": 8.0, "discriminator_updates": 0.5, "discriminator_learning_rate": 1e-3}
    # AMP's zero-centred penalty of 10 makes the discriminator flat over a fifth of this line
    settings |= {"gradient_penalty": 1.0} if agent == "AMP" else {}
    trained = runner(train_cfg, agent, **settings, n_step=2)
    start = (last_place(trained) - GOAL).abs().mean()
    trained.learn(90)
    distance = (last_place(trained) - GOAL).abs()
    assert start > 0.5  # a fresh policy drifts anywhere
    assert distance.mean() < 0.15, distance.mean()
    assert error(trained) < 0.12


def test_bco_finds_the_experts_actions_and_ignores_what_it_cannot_know(train_cfg):
    trained = runner(train_cfg, "BCO", reuse=8.0)
    assert error(trained) > 0.05
    trained.learn(60)
    assert error(trained) < 0.03
    assert (last_place(trained) - GOAL).abs().mean() < 0.06
    assert trained.alg.actor.mlp[0].weight[:, 1].abs().max() == 0.0
    # the inverse dynamics are a = (x' - x) / 0.4
    pair = torch.tensor([[0.2, 0.0]]), torch.tensor([[0.4, 0.0]])
    trained.alg.eval_mode()
    assert trained.alg.network(trained.alg.network.features(*pair)).item() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("agent", ["AMP", "GAIfO", "BCO"])
def test_a_checkpoint_holds_everything_and_needs_no_expert_to_play(train_cfg, agent, tmp_path):
    trained = runner(train_cfg, agent, tmp_path)
    trained.learn(8)
    path = tmp_path / "model_8.pt"
    again = runner(train_cfg, agent, expert=None)
    again.load(str(path))
    before, after = trained.alg.save(), again.alg.save()
    network = "inverse" if agent == "BCO" else "discriminator"
    for name, values in before[f"{network}_state_dict"].items():
        torch.testing.assert_close(after[f"{network}_state_dict"][name], values)
    assert after[f"{network}_optimizer_state_dict"]["state"]
    rate = "inverse_learning_rate" if agent == "BCO" else "discriminator_learning_rate"
    slower = runner(train_cfg, agent, **{rate: 1e-7})
    slower.load(str(path))
    assert slower.alg._optimizer.param_groups[0]["lr"] == 1e-7
    obs = Line().get_observations()
    torch.testing.assert_close(
        again.get_inference_policy("cpu")(obs), trained.get_inference_policy("cpu")(obs), rtol=0.0, atol=0.0
    )
    assert read_checkpoint(path)["transitions"] == 8 * 5 * 16
    with pytest.raises(InputError, match="name trajectories with --trajectories"):
        again.learn(1)


@pytest.mark.parametrize("agent", ["AMP", "GAIfO", "BCO"])
def test_beside_the_steps_all_of_it_learns_in_the_other_thread_and_draws_in_this_one(
    train_cfg, agent, tensors, monkeypatch
):
    """Bit for bit the same as one after the other, whichever is faster."""
    torch.set_num_threads(2)  # the fixture of every test sets it back
    torch.manual_seed(1)
    beside = runner(train_cfg | {"learn_beside": True}, agent)
    threads, steps, slow = set(), iter(range(10**6)), beside.alg._optimizer.step

    def step() -> None:
        threads.add(threading.current_thread().name)
        time.sleep(0.003 * (next(steps) % 2))
        slow()

    monkeypatch.setattr(beside.alg._optimizer, "step", step)
    beside.learn(8)
    assert threads == {"learning_0"}
    torch.set_num_threads(1)
    torch.manual_seed(1)
    alone = runner(train_cfg, agent).alg
    alone.train_mode()
    env = Line()
    obs = env.get_observations()
    for _ in range(8 * 5):
        actions = alone.act(obs)
        alone.begin_update()()
        obs, rewards, dones, extras = env.step(actions)
        alone.process_env_step(obs, rewards, dones, extras)
    mine, theirs = tensors(beside.alg.save()), tensors(alone.save())
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in mine.items())
    assert beside.alg.gradient_steps == alone.gradient_steps > 10


@pytest.mark.parametrize("agent", ["AMP", "GAIfO", "BCO"])
def test_a_resumed_run_equals_the_uninterrupted_one(train_cfg, agent, tmp_path, tensors):
    settings = {} if agent == "BCO" else {"discriminator_updates": 0.3}
    whole = runner(train_cfg, agent, tmp_path / "whole", **settings)
    whole.learn(7)  # 16 updates: 4.8 of the discriminator
    env, folder = copy.deepcopy(whole.env), shutil.copytree(tmp_path / "whole", tmp_path / "then")
    whole.learn(3)
    resumed = runner(train_cfg, agent, **settings)
    resumed.env = env
    resumed.load(str(folder / "model_7.pt"))
    resumed.learn(3)
    mine, theirs = tensors(resumed.alg.save()), tensors(whole.alg.save())
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in mine.items())
    if agent != "BCO":
        assert resumed.alg._discriminator_credit == whole.alg._discriminator_credit > 0.0
        old = read_checkpoint(folder / "model_7.pt")
        del old["discriminator_credit"]
        assert resumed.alg.load(old)
        assert resumed.alg._discriminator_credit == 0.0


def test_trajectories_of_another_robot_are_refused(train_cfg):
    expert = expert_transitions()
    other = ExpertTransitions(expert.states[:, :1], expert.next_states[:, :1], expert.known[:1])
    with pytest.raises(InputError, match="have 1 columns, the environment's state 2"):
        runner(train_cfg, "AMP", expert=other).learn(1)


@pytest.mark.parametrize("agent", ["AMP", "GAIfO", "BCO"])
def test_a_broken_network_stops_the_run_is_named_and_is_not_saved(train_cfg, agent, tmp_path):
    """Before what learns from it is broken too: a checkpoint that holds it could not be gone on from."""
    trained = runner(train_cfg | {"save_interval": 1}, agent, tmp_path)
    update, updates = trained.alg.update, iter(range(1, 1000))

    def diverge():
        report = update()
        if next(updates) == 8 * 5:  # the last step of iteration 8, which is saved
            next(trained.alg.network.network.parameters()).data[0, 0] = float("nan")
        return report

    trained.alg.update = diverge
    name = "inverse" if agent == "BCO" else "discriminator"
    with pytest.raises(NonFiniteError, match=rf"1 of \d+ weights, the first in {name}\.network\..*, in iteration 9;"):
        trained.learn(100)
    assert last_checkpoint(tmp_path).name == "model_7.pt"
    assert not read_checkpoint(tmp_path / "diagnostic.pt")["tensors"][f"{name}.network.0.weight"].isfinite().all()


@pytest.mark.parametrize(
    ("agent", "name", "value", "words"),
    [
        ("AMP", "discriminator_learning_rate", -1e-4, "0 or more"),
        ("AMP", "discriminator_updates", -1.0, "0 or more"),
        ("GAIfO", "gradient_penalty", float("nan"), "0 or more"),
        ("GAIfO", "reward_bound", 0.0, "a number above 0"),  # what rewards are divided by
        ("BCO", "inverse_learning_rate", -1e-3, "0 or more"),
        ("BCO", "exploration_std", -0.1, "0 or more"),
        ("BCO", "exploration_scale", 0.5, "two numbers, each 0 or more"),
        ("BCO", "exploration_scale", [0.5], "two numbers, each 0 or more"),
        ("BCO", "exploration_scale", [0.0, -1.0], "two numbers, each 0 or more"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(train_cfg, agent, name, value, words):
    message = f"agent.algorithm.{name} is {value}; write {words}."
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        runner(train_cfg, agent, **{name: value})
