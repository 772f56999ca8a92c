# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Rolling a policy out on an environment whose episodes end by a script."""

from __future__ import annotations

import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from nil_ext.evaluation import Rollout, roll_out
from nil_ext.evaluation.rollout import FILMED


class ScriptedEnv(VecEnv):
    """Episodes that end when told to, reset in the same step; its streams live in place, as the simulator's do.

    Args:
        ends: for each environment the steps (from 1) at which an episode ends: ``{step: "fall" | "time_out"}``.
        length: longest episode [steps].
    """

    def __init__(self, ends: list[dict[int, str]], length: int):
        self.ends = ends
        self.num_envs = len(ends)
        self.num_actions = 1
        self.max_episode_length = length
        self.device = torch.device("cpu")
        self.cfg = {}
        self.num_steps = 99  # a rollout has to reset first
        self.streams = {"steps": torch.zeros(self.num_envs), "pair": torch.zeros(self.num_envs, 2)}
        self.frame = torch.zeros(self.num_envs, dtype=torch.long)
        self.mask = torch.zeros(self.num_envs, 5, 5, dtype=torch.bool)

    @property
    def latest_frames(self) -> torch.Tensor:
        """Red tells the step, green the environment."""
        frames = torch.zeros(self.num_envs, 4, 4, 3, dtype=torch.uint8)
        frames[..., 0] = self.num_steps
        frames[..., 1] = torch.arange(self.num_envs)[:, None, None]
        return frames

    def get_observations(self) -> TensorDict:
        return TensorDict({"policy": torch.full((self.num_envs, 1), float(self.num_steps))}, [self.num_envs])

    def reset(self):
        self.num_steps = 0
        return self.get_observations(), {}

    def step(self, actions: torch.Tensor):
        assert torch.equal(actions, self.get_observations()["policy"])  # the policy is given the newest observations
        self.num_steps += 1
        self.streams["steps"].fill_(float(self.num_steps))
        self.frame.fill_(10 + self.num_steps)
        self.mask.zero_()
        self.mask[:, 0, self.num_steps % 5] = True
        events = [ends.get(self.num_steps) for ends in self.ends]
        dones = torch.tensor([event is not None for event in events])
        time_outs = torch.tensor([event == "time_out" for event in events])
        return self.get_observations(), torch.zeros(self.num_envs), dones.long(), {"time_outs": time_outs}


def run(env: ScriptedEnv, film: bool = False) -> Rollout:
    return roll_out(env, lambda obs: obs["policy"], env, rate=25.0, film=film)


def test_only_the_first_episode_counts():
    env = ScriptedEnv([{2: "fall", 4: "time_out"}, {4: "time_out"}], length=4)
    rollout = run(env)
    assert rollout.alive.T.tolist() == [[True, True, False, False], [True] * 4]
    # a fall stays a fall, although the second episode of that environment reaches its time-out
    assert rollout.survived.tolist() == [False, True]
    assert [rollout.length(episode) for episode in (0, 1)] == [2, 4]


def test_what_was_read_is_kept_although_the_simulator_writes_over_it():
    rollout = run(ScriptedEnv([{2: "fall", 4: "time_out"}, {4: "time_out"}], length=4))
    assert rollout.streams["steps"].T.tolist() == [[1.0, 2.0, 3.0, 4.0]] * 2
    assert rollout.streams["pair"].shape == (4, 2, 2)
    assert rollout.frame.T.tolist() == [[11, 12, 13, 14]] * 2


def test_masks_come_back_as_they_were_filmed():
    """A side of five pixels does not fill the bytes that it is packed in."""
    rollout = run(ScriptedEnv([{2: "fall"}, {4: "time_out"}], length=4))
    assert rollout.masks(0).shape == (2, 5, 5)
    assert [tuple(index) for index in zip(*rollout.masks(1).nonzero(), strict=True)] == [
        (0, 0, 1),
        (1, 0, 2),
        (2, 0, 3),
        (3, 0, 4),
    ]


def test_rollout_ends_with_the_last_first_episode():
    env = ScriptedEnv([{1: "fall"}, {3: "fall"}], length=50)
    rollout = run(env)
    assert env.num_steps == 3
    assert rollout.alive.shape == (3, 2)
    assert not rollout.survived.any()


def test_an_episode_that_nothing_ends_has_survived():
    rollout = run(ScriptedEnv([{}, {5: "fall"}], length=5))
    assert rollout.survived.tolist() == [True, False]
    assert rollout.alive.all()


def test_frames_show_the_first_episode_of_whoever_lasted_longest():
    rollout = run(ScriptedEnv([{2: "fall"}, {3: "fall"}, {1: "fall"}], length=9), film=True)
    assert [frame[0, 0].tolist() for frame in rollout.frames] == [[1, 1, 0], [2, 1, 0], [3, 1, 0]]


def test_nothing_is_filmed_unless_asked_for():
    assert run(ScriptedEnv([{2: "fall"}], length=9)).frames == []


def test_a_film_shows_one_of_the_first_environments_only():
    """Twenty environments of which all but the last fall in the second step; frames say step and environment."""
    falls = [{2: "fall"}] * (FILMED + 3) + [{}]
    frames = run(ScriptedEnv(falls, length=4), film=True).frames
    assert [frame[0, 0].tolist() for frame in frames] == [[1, 0, 0], [2, 0, 0]]
