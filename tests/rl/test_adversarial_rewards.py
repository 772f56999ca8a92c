# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Formulas of the adversarial baselines by hand, and rewards that are given when a batch is drawn."""

from __future__ import annotations

import math

import pytest
import torch
from tensordict import TensorDict

from nil_ext.errors import InputError
from nil_ext.rl.algorithms import policy_alone
from nil_ext.rl.imitation import AMP, ExpertTransitions, GAIfO
from nil_ext.rl.models import BroActor, BroCritic
from nil_ext.rl.storage import ReplayRing

NUM_ENVS = 3


def make(kind: type, precision: str = "float32", **settings):
    obs = TensorDict({"policy": torch.zeros(NUM_ENVS, 2)}, batch_size=[NUM_ENVS])
    groups = {"actor": ["policy"], "critic": ["policy"]}
    actor = BroActor(
        obs, groups, "actor", 1, [8, 8], distribution_cfg={"class_name": "nil_ext.rl.modules:TanhGaussian"}
    )
    critic = BroCritic(obs, groups, "critic", 1, [8, 8], num_quantiles=4)
    replay = ReplayRing({"policy": 2, "state": 1}, 1, NUM_ENVS, 16, 1.0, precision=precision)
    settings = {"warmup_transitions": 0, "batch_size": 8, "hidden_dims": [4], "gamma": 0.5} | settings
    return kind(actor, critic, replay, **settings)


def linear(algorithm, weights: tuple[float, float]) -> None:
    """Make the discriminator w . (s, s')."""
    network = torch.nn.Linear(2, 1, bias=False)
    network.weight.data = torch.tensor([weights])
    algorithm.network.network = network


def test_a_policy_alone_is_loaded_without_its_discriminator():
    trained, fresh = make(AMP), make(AMP)
    fresh.load(policy_alone(trained.save()))
    weights, expected = fresh.actor.state_dict(), trained.actor.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in expected.items())


def test_another_algorithms_checkpoint_is_refused():
    trained, other = make(AMP), make(GAIfO)
    saved = trained.save()
    with pytest.raises(InputError, match="is one of AMP, this agent is GAIfO: give the --agent"):
        other.load(saved)
    other.load(policy_alone(saved))  # to be played
    del saved["algorithm"]  # older ones do not tell
    assert other.load(saved)


def test_amp_is_least_squares_with_a_bounded_reward():
    alg = make(AMP)
    logits = torch.tensor([1.0, 0.0, -1.0, 3.0, 5.0])
    torch.testing.assert_close(alg.style_reward(logits), torch.tensor([1.0, 0.75, 0.0, 0.0, 0.0]))
    # (2 - 1)^2 and mean of (0 + 1)^2, (-3 + 1)^2
    assert alg.loss(torch.tensor([2.0, 2.0]), torch.tensor([0.0, -3.0])).item() == pytest.approx(1.0 + 2.5)
    linear(alg, (3.0, 4.0))
    # half of 5^2, wherever
    assert alg.penalty(torch.zeros(6, 2), torch.ones(6, 2), torch.rand(6, 1)).item() == pytest.approx(12.5)


def test_gaifo_is_binary_and_lipschitz():
    alg = make(GAIfO, reward_bound=2.0)
    logits = torch.tensor([0.0, 1.0, 9.0])
    log2, one = math.log(2.0), math.log(1.0 + math.e)
    torch.testing.assert_close(alg.style_reward(logits), torch.tensor([log2 / 2.0, one / 2.0, 1.0]))
    # -log sigmoid(0) of the expert, -log(1 - sigmoid(0)) of the policy
    assert alg.loss(torch.zeros(4), torch.zeros(4)).item() == pytest.approx(2.0 * log2)
    linear(alg, (3.0, 4.0))
    assert alg.penalty(torch.zeros(6, 2), torch.ones(6, 2), torch.rand(6, 1)).item() == pytest.approx(16.0)  # (5 - 1)^2
    linear(alg, (0.3, 0.4))
    assert alg.penalty(torch.zeros(6, 2), torch.ones(6, 2), torch.rand(6, 1)).item() == 0.0  # one-sided
    plain = make(GAIfO, lipschitz=False)
    torch.testing.assert_close(plain.style_reward(logits), torch.tensor([log2, one, math.log(1.0 + math.exp(9.0))]))


def test_rewards_are_the_newest_discriminators_and_a_fall_earns_nothing(monkeypatch):
    """Three steps with known states; the reward is s' - 2 s, discounted by half."""
    alg = make(AMP, n_step=2)
    alg.network.eval()  # mean 0, deviation 1 (and .01 that is added to it)
    linear(alg, (-2.0, 1.0))
    monkeypatch.setattr(alg, "style_reward", lambda logits: logits)
    monkeypatch.setattr(alg.network.normalizer, "forward", lambda x: x)

    def observe(value: float) -> dict:
        state = torch.full((NUM_ENVS, 1), value)
        return {"policy": torch.zeros(NUM_ENVS, 2), "state": state}

    falls = torch.tensor([False, True, False])
    cut = torch.tensor([False, False, True])
    none = torch.zeros(NUM_ENVS, dtype=torch.bool)
    alg.replay.observe(observe(1.0))
    environment_pays = torch.full((NUM_ENVS, 1), 100.0)
    alg.replay.push(torch.zeros(NUM_ENVS, 1), environment_pays, falls, cut, observe(3.0), observe(2.0))
    alg.replay.push(torch.zeros(NUM_ENVS, 1), environment_pays, none, none, observe(4.0), observe(0.0))
    first = torch.zeros(NUM_ENVS, dtype=torch.long)
    drawn = alg.replay.gather(first, torch.arange(NUM_ENVS), 2, 0.5, alg.relabel)
    # goes on: 3 - 2, then (4 - 6) / 2; falls: nothing; is cut short: ends at its final state, 2 - 2
    torch.testing.assert_close(drawn.rewards, torch.tensor([0.0, 0.0, 0.0]) + torch.tensor([1.0 - 1.0, 0.0, 0.0]))
    drawn = alg.replay.gather(first, torch.arange(NUM_ENVS), 1, 0.5, alg.relabel)
    torch.testing.assert_close(drawn.rewards, torch.tensor([1.0, 0.0, 0.0]))
    linear(alg, (1.0, 1.0))  # a newer opinion counts at once
    drawn = alg.replay.gather(first, torch.arange(NUM_ENVS), 2, 0.5, alg.relabel)
    torch.testing.assert_close(drawn.rewards, torch.tensor([4.0 + 3.5, 0.0, 3.0]))


def test_without_a_discount_all_but_falls_are_still_seen():
    """gamma = 0 makes every discount 0, which is how a fall shows otherwise."""
    seven = torch.full((4, 1), 7.0)
    expert = ExpertTransitions(seven, seven, torch.ones(1))
    alg = make(AMP, gamma=0.0, n_step=1, expert=expert, batch_size=64)
    state, falls = torch.zeros(NUM_ENVS, 1), torch.tensor([False, True, False])
    alg.replay.observe({"policy": torch.zeros(NUM_ENVS, 2), "state": state})
    after = {"policy": torch.zeros(NUM_ENVS, 2), "state": torch.tensor([[1.0], [9.0], [1.0]])}
    alg.replay.push(torch.zeros(NUM_ENVS, 1), torch.zeros(NUM_ENVS, 1), falls, falls & False, after, after)
    linear(alg, (0.0, 0.0))  # a logit of 0 is worth 3/4
    first, every = torch.zeros(NUM_ENVS, dtype=torch.long), torch.arange(NUM_ENVS)
    assert alg.replay.gather(first, every, 1, alg.gamma, alg.relabel).rewards.tolist() == [0.75, 0.0, 0.75]
    _, policy, _ = alg._draw_for_discriminator()
    assert policy.max() < 5.0  # where what follows a fall is clipped


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_rounding_does_not_tell_the_expert_from_the_policy(precision):
    """The policy makes the expert's transitions; those that the replay gives back are the expert's to the last bit."""
    states, next_states = torch.rand(NUM_ENVS, 1), torch.rand(NUM_ENVS, 1)
    alg = make(AMP, precision, expert=ExpertTransitions(states, next_states, torch.ones(1)))
    before, after = ({"policy": torch.zeros(NUM_ENVS, 2), "state": part} for part in (states, next_states))
    none = torch.zeros(NUM_ENVS, dtype=torch.bool)
    alg.replay.observe(before)
    alg.replay.push(torch.zeros(NUM_ENVS, 1), torch.zeros(NUM_ENVS, 1), none, none, after, after)
    drawn = alg.replay.gather(torch.zeros(NUM_ENVS, dtype=torch.long), torch.arange(NUM_ENVS))
    assert torch.equal(drawn.obs["state"], alg.expert.states)
    assert torch.equal(drawn.next_obs["state"], alg.expert.next_states)
    assert torch.equal(alg.expert.states, states) == (precision == "float32")


def test_the_discriminator_never_sees_what_follows_a_fall(monkeypatch):
    alg = make(AMP, expert=ExpertTransitions(torch.zeros(4, 1), torch.zeros(4, 1), torch.ones(1)), batch_size=64)
    alg.network.restrict_to(alg.expert)
    state = torch.zeros(NUM_ENVS, 1)
    falls = torch.tensor([False, True, True])
    alg.replay.observe({"policy": torch.zeros(NUM_ENVS, 2), "state": state})
    after = {"policy": torch.zeros(NUM_ENVS, 2), "state": state + torch.tensor([[1.0], [9.0], [9.0]])}
    alg.replay.push(torch.zeros(NUM_ENVS, 1), torch.zeros(NUM_ENVS, 1), falls, falls & False, after, after)
    seen = []
    features = alg.network.features
    monkeypatch.setattr(alg.network, "features", lambda *pair: seen.append(pair[1].max().item()) or features(*pair))
    report = alg._update_discriminator([alg._draw_for_discriminator()])
    assert seen[0] == 1.0
    assert set(report) == {"discriminator", "discriminator_right", "style_reward"}
    assert 0.0 <= report["style_reward"] <= 1.0
