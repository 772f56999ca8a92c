# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The replay ring against a list of everything that ever happened."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_ext.errors import InputError
from nil_ext.rl.storage import ReplayRing

GAMMA = 0.5  # exact in binary, so that oracle and ring agree to the last bit


@dataclass
class Step:
    """One step of one environment, as the oracle remembers it."""

    obs: float
    reward: float
    terminated: bool
    truncated: bool
    next_obs: float  # the final observation where the episode ended


def oracle(history: list[Step], start: int, n_step: int) -> tuple[float, float, float]:
    """Return (return, discount, next observation) of the n-step transition that starts at a step."""
    total, discount = 0.0, 1.0
    for step in history[start : start + n_step]:
        total += discount * step.reward
        discount *= GAMMA
        if step.terminated:
            return total, 0.0, step.next_obs
        if step.truncated:
            break
    return total, discount, step.next_obs


class Recorder:
    """Feeds a ring with distinguishable numbers and remembers them."""

    def __init__(self, ring: ReplayRing) -> None:
        self.ring = ring
        self.streams = len(ring.reward_streams) > 1
        self.clock = 0.0
        self.obs = self.fresh()
        self.history: list[list[Step]] = [[] for _ in range(ring.num_envs)]

    def fresh(self) -> torch.Tensor:
        """Return observations (E, 1) never seen before."""
        self.clock += 100.0
        return self.clock + torch.arange(float(self.ring.num_envs))[:, None]

    def step(self, terminated: list[bool], truncated: list[bool]) -> None:
        """Store one step."""
        rewards = self.obs[:, 0] / 64.0
        streams = (
            torch.stack([rewards + 8.0, torch.full_like(rewards, 16.0)], dim=1) if self.streams else rewards[:, None]
        )
        next_obs, final_obs = self.fresh(), self.fresh()
        self.ring.observe({"policy": self.obs})
        terminated_t, truncated_t = torch.tensor(terminated), torch.tensor(truncated)
        self.ring.push(-self.obs, streams, terminated_t, truncated_t, {"policy": next_obs}, {"policy": final_obs})
        for env, history in enumerate(self.history):
            ended = terminated[env] or truncated[env]
            next_value = (final_obs if ended else next_obs)[env].item()
            # A termination wins over a truncation in the same step.
            cut = truncated[env] and not terminated[env]
            history.append(Step(self.obs[env].item(), rewards[env].item(), terminated[env], cut, next_value))
        self.obs = next_obs

    def cut(self, goes_on: tuple[int, ...] = ()) -> None:
        """Start anew, as a resumed run does; some environments may go on where they were."""
        obs = self.fresh()
        for env in goes_on:
            obs[env] = self.obs[env]
        self.ring.cut({"policy": obs})
        for env, history in enumerate(self.history):
            if history and not history[-1].terminated and env not in goes_on:
                history[-1].truncated = True
        self.obs = obs

    def check(self, n_step: int) -> None:
        """Compare every transition the ring may sample with the oracle's."""
        ring = self.ring
        first = max(0, ring.count - ring.num_steps + 1)
        starts = torch.arange(first, max(first, ring.count - n_step + 1))
        for env, history in enumerate(self.history):
            got = ring.gather(starts, torch.full_like(starts, env), n_step, GAMMA)
            for i, start in enumerate(starts.tolist()):
                total, discount, next_obs = oracle(history, start, n_step)
                assert got.obs["policy"][i].item() == history[start].obs
                assert got.actions[i].item() == -history[start].obs
                assert got.rewards[i].item() == total
                assert got.discounts[i].item() == discount
                if discount > 0.0:  # what follows a termination is multiplied by zero
                    assert got.next_obs["policy"][i].item() == next_obs
            assert ring.final_obs_lost == 0.0 or not len(starts)


events = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["", "", "", "terminated", "truncated", "both"]), min_size=3, max_size=3),
        # which environments go on where they were in a rollout that starts after the step; None: no rollout starts
        st.sampled_from([None, None, None, None, (), (1,), (0, 1, 2)]),
    ),
    min_size=1,
    max_size=25,
)


@given(events=events, num_steps=st.integers(2, 9), n_step=st.sampled_from([1, 2, 3, 5]))
@settings(max_examples=150, deadline=None)
def test_every_transition_equals_the_oracle(events, num_steps, n_step):
    # A fraction of 1: no final observation can be lost even when every step truncates.
    # Two streams whose weighted sum is the reward that the oracle knows: 1 (r + 8) - 0.5 * 16.
    ring = ReplayRing({"policy": 1}, 1, 3, num_steps, final_obs_fraction=1.0, reward_streams=("one", "other"))
    ring.reward_weights = torch.tensor([1.0, -0.5])
    recorder = Recorder(ring)
    for ends, goes_on in events:
        recorder.step([end in ("terminated", "both") for end in ends], [end in ("truncated", "both") for end in ends])
        if goes_on is not None:
            recorder.cut(goes_on)
        if n_step < num_steps:
            recorder.check(n_step)


def test_state_of_a_wrapped_ring_survives_saving():
    recorder = Recorder(ReplayRing({"policy": 1}, 1, num_envs=2, num_steps=4, final_obs_fraction=1.0))
    for step in range(7):
        recorder.step([False, step == 5], [step in (3, 4), False])
    saved = recorder.ring.state_dict()
    assert recorder.ring.nbytes >= sum(v.nbytes for part in ("obs", "steps", "final_obs") for v in saved[part].values())
    recorder.ring = ReplayRing({"policy": 1}, 1, num_envs=2, num_steps=4, final_obs_fraction=1.0)
    assert recorder.ring.load_state_dict(saved)
    assert len(recorder.ring) == 6  # 3 steps of 2 environments; the fourth row is in progress
    recorder.cut()
    recorder.check(2)
    recorder.step([False, False], [False, False])
    recorder.check(2)
    assert not ReplayRing({"policy": 1}, 1, num_envs=2, num_steps=5).load_state_dict(saved)


def test_a_saved_state_does_not_change_any_more():
    recorder = Recorder(ReplayRing({"policy": 1}, 1, num_envs=1, num_steps=4))
    recorder.step([False], [True])
    saved = recorder.ring.state_dict()
    before = copy.deepcopy(saved)
    recorder.ring.reward_weights += 1.0
    recorder.step([False], [True])
    for name in ("num_truncated", "stream_weights"):
        assert torch.equal(saved[name], before[name]), name
    for part in ("obs", "steps", "final_obs"):
        assert all(torch.equal(values, before[part][name]) for name, values in saved[part].items()), part


def test_rewards_are_weighted_when_they_are_drawn():
    ring = ReplayRing({"policy": 1}, 1, num_envs=1, num_steps=4, reward_streams=("one", "other"))
    obs = {"policy": torch.zeros(1, 1)}
    no = torch.tensor([False])
    for one, other in ((1.0, 10.0), (2.0, 20.0)):
        ring.observe(obs)
        ring.push(torch.zeros(1, 1), torch.tensor([[one, other]]), no, no, obs, obs)
    start = (torch.tensor([0]), torch.tensor([0]), 2, GAMMA)
    assert ring.gather(*start).rewards.tolist() == [11.0 + 0.5 * 22.0]
    ring.reward_weights = torch.tensor([3.0, -0.1])
    assert ring.gather(*start).rewards.tolist() == pytest.approx([3.0 - 1.0 + 0.5 * (6.0 - 2.0)])
    saved = ring.state_dict()
    assert ReplayRing({"policy": 1}, 1, 1, 4, reward_streams=("one", "other")).load_state_dict(saved)
    assert not ReplayRing({"policy": 1}, 1, 1, 4, reward_streams=("one", "another")).load_state_dict(saved)


def test_overwritten_final_observations_are_counted_and_replaced_by_the_last_observation():
    # Table of ceil(0 * E T) + E = 1 slot; two truncations follow each other: the first one's observation is gone.
    recorder = Recorder(ReplayRing({"policy": 1}, 1, num_envs=1, num_steps=6, final_obs_fraction=0.0))
    for _ in range(2):
        recorder.step([False], [True])
    got = recorder.ring.gather(torch.tensor([0, 1]), torch.tensor([0, 0]), 1, GAMMA)
    assert recorder.ring.final_obs_lost.item() == 0.5
    assert got.next_obs["policy"][:, 0].tolist() == [recorder.history[0][0].obs, recorder.history[0][1].next_obs]


def test_samples_are_uniform_over_what_is_stored():
    recorder = Recorder(ReplayRing({"policy": 1}, 1, num_envs=2, num_steps=5))
    for _ in range(11):
        recorder.step([False] * 2, [False] * 2)
    drawn = recorder.ring.sample(8000).obs["policy"][:, 0]
    values, counts = drawn.unique(return_counts=True)
    assert set(values.tolist()) == {step.obs for history in recorder.history for step in history[-4:]}
    # Binomial(8000, 1/8): mean 1000, standard deviation 29.6; five of them.
    assert (counts - 1000).abs().max() < 150


@pytest.mark.parametrize(
    ("observations", "streams", "precision", "expected"),
    [
        # obs * byte * 1.1 for the table of a tenth, 4 (19 actions + streams), 2 flags and a slot of 4
        (82, 7, "float16", 180.4 + 104 + 6),  # the H1 with the paper preset: 290 byte, 0.27 GiB per million
        (120, 13, "float16", 264.0 + 128 + 6),  # with the cpu preset: 398 byte, 0.37 GiB
        (82, 7, "float32", 360.8 + 104 + 6),  # 471 byte, 0.44 GiB
    ],
)
def test_memory_of_a_transition(observations, streams, precision, expected):
    names = [str(i) for i in range(streams)]
    ring = ReplayRing({"policy": observations}, 19, 10, 1000, reward_streams=names, precision=precision)
    assert (ring.nbytes, ring.full_nbytes / 10_000) == (0, pytest.approx(expected, abs=1.0))
    ring.observe({"policy": torch.zeros(10, observations)})
    ring.count = 10_000
    assert ring.nbytes == ring.full_nbytes
    assert (ring.nbytes / 10_000 * 1e6 / 2**30 < 0.4) == (precision == "float16")


def test_half_precision_rounds_and_clamps_observations_and_nothing_else():
    """Between 1/4 and 1/2 float16 has steps of 2^-12: 1/3 = 1365.33 of them is 1365; the largest number is 65504."""
    ring = ReplayRing({"policy": 3}, 1, num_envs=2, num_steps=4, precision="float16")
    obs = torch.tensor([1 / 3, 1e6, -1e6]).repeat(2, 1)
    yes, no = torch.tensor([True, True]), torch.tensor([False, False])
    rounded = [1365 / 4096, 65504.0, -65504.0]
    ring.observe({"policy": obs})
    third = torch.full((2, 1), 1 / 3)
    ring.push(third, third, no, no, {"policy": obs}, {"policy": obs})
    ring.push(third, third, no, yes, {"policy": obs}, {"policy": -obs})
    got = ring.gather(torch.tensor([0, 1]), torch.tensor([0, 1]))
    assert got.obs["policy"].dtype == got.next_obs["policy"].dtype == torch.float32
    assert got.obs["policy"].tolist() == [rounded, rounded]
    assert got.next_obs["policy"].tolist() == [rounded, [-value for value in rounded]]
    assert torch.equal(got.actions, third) and torch.equal(got.rewards, third[:, 0])


def test_an_environment_goes_on_from_its_rounded_observation():
    ring = ReplayRing({"policy": 1}, 1, num_envs=2, num_steps=4, precision="float16")
    obs, no = torch.full((2, 1), 1 / 3), torch.tensor([False, False])
    ring.observe({"policy": obs})
    ring.push(obs, obs, no, no, {"policy": obs}, {"policy": obs})
    ring.cut({"policy": torch.tensor([[1 / 3], [0.3]])})
    assert ring.state_dict()["steps"]["truncated"][0].tolist() == [False, True]


def test_a_saved_ring_of_another_precision_is_left_alone():
    def new(precision: str) -> ReplayRing:
        return ReplayRing({"policy": 1}, 1, num_envs=2, num_steps=4, precision=precision)

    recorder = Recorder(new("float16"))
    recorder.step([False, False], [False, False])
    half = recorder.ring.state_dict()
    assert new("float16").load_state_dict(half) and not new("float32").load_state_dict(half)
    recorder.ring = new("float32")
    recorder.step([False, False], [False, False])
    single = recorder.ring.state_dict()
    assert new("float32").load_state_dict(single) and not new("float16").load_state_dict(single)


def test_what_cannot_work_is_refused():
    with pytest.raises(InputError, match="replay_size"):
        ReplayRing({"policy": 1}, 1, num_envs=4, num_steps=1)
    with pytest.raises(InputError, match="replay_precision 'half' is unknown; write float32 or float16"):
        ReplayRing({"policy": 1}, 1, num_envs=4, num_steps=4, precision="half")
    ring = ReplayRing({"policy": 1}, 1, num_envs=1, num_steps=4)
    recorder = Recorder(ring)
    recorder.step([False], [False])
    with pytest.raises(InputError, match="n_step"):
        ring.sample(1, n_step=2)
