# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Numbers that are no numbers stop training, are named, and spoil nothing that was saved."""

from __future__ import annotations

import pytest
import torch

from nil_ext.errors import NonFiniteError
from nil_ext.rl.runners import OffPolicyRunner
from nil_ext.rl.runners.checkpoint import read_checkpoint
from nil_ext.rl.runners.guard import all_finite, find_fault, name_fault

BROKEN_STEP = 43
"""Step of the environment in which a value is broken: the third of iteration 9, after the warm-up of 20 steps."""


class Broken:
    """Breaks one value that the point mass returns, in one step."""

    def __init__(self, env, stream: str, value: float) -> None:
        self.step, self.stream, self.value, self.env = env.step, stream, value, env
        env.step = self

    def __call__(self, actions):
        obs, rewards, dones, extras = self.step(actions)
        if self.env.num_steps == BROKEN_STEP:
            if self.stream == "reward":
                rewards[5] = self.value
            elif self.stream == "observation":
                obs["policy"][5, 1] = self.value
            else:
                dones[5], extras["time_outs"][5] = 1, True
                extras["final_obs"]["policy"][5, 1] = self.value
        return obs, rewards, dones, extras


@pytest.mark.parametrize(
    ("stream", "value", "words"),
    [
        ("reward", float("nan"), "reward (near) of environment 5"),
        ("reward", float("inf"), "reward (near) of environment 5"),
        ("observation", float("-inf"), "observation policy (goal[0]) of environment 5"),
        ("final", float("nan"), "final observation policy (goal[0]) of environment 5"),
    ],
)
def test_a_broken_stream_stops_the_run_in_its_step(point_mass, train_cfg, tmp_path, stream, value, words):
    Broken(point_mass, stream, value)
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    runner.infos = {"observations": [["position", 1], ["goal", 1]]}
    runner.reward_terms = lambda env: [("effort", [0.5]), ("near", [value])]
    with pytest.raises(NonFiniteError) as stopped:
        runner.learn(100)
    assert point_mass.num_steps == BROKEN_STEP
    assert f"Not finite: {words}, in iteration 9;" in str(stopped.value)
    assert str(tmp_path / "diagnostic.pt") in str(stopped.value)
    # What was saved is from before the step: 42 whole steps, all of it finite, and it can be gone on from.
    assert str(tmp_path / "model_8.pt") in str(stopped.value)
    saved = read_checkpoint(tmp_path / "model_8.pt")
    assert saved["transitions"] == 42 * 16
    assert torch.isfinite(read_checkpoint(tmp_path / "replay.pt")["steps"]["rewards"]).all()
    seen = read_checkpoint(tmp_path / "diagnostic.pt")
    assert (seen["fault"], seen["iter"], seen["transitions"]) == (words, 8, 42 * 16)
    [broken] = [name for name, values in seen["tensors"].items() if not values.isfinite().all()]
    assert broken.startswith(stream)
    assert seen["tensors"]["action"].shape == (16, 1)
    resumed = OffPolicyRunner(type(point_mass)(), train_cfg)
    resumed.load(str(tmp_path / "model_8.pt"))
    resumed.learn(1)


def test_broken_weights_stop_the_run_and_do_not_replace_the_last_good_checkpoint(point_mass, train_cfg, tmp_path):
    train_cfg["save_interval"] = 5
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    update = runner.alg.update

    def diverge():
        if point_mass.num_steps == BROKEN_STEP:
            runner.alg.critic.mlp[0].weight.data[0, 0, 0] = float("nan")
        return update()

    runner.alg.update = diverge
    with pytest.raises(NonFiniteError, match=r"\d+ of \d+ weights, the first in actor\.mlp\.0\.weight"):
        runner.learn(100)
    # The updates of that step spread it to the actor; the next step finds it.
    assert point_mass.num_steps == BROKEN_STEP + 1
    assert [path.name for path in sorted(tmp_path.glob("model_[0-9]*.pt"))] == ["model_5.pt"]
    assert all_finite([v for v in read_checkpoint(tmp_path / "model_5.pt")["critic_state_dict"].values()])
    assert not all_finite([read_checkpoint(tmp_path / "diagnostic.pt")["tensors"]["critic.mlp.0.weight"]])


def test_weights_that_break_in_the_last_update_are_found(point_mass, train_cfg, tmp_path):
    runner = OffPolicyRunner(point_mass, train_cfg, log_dir=str(tmp_path))
    update = runner.alg.update

    def diverge():
        if point_mass.num_steps == 10:
            runner.alg.critic.mlp[0].weight.data[0, 0, 0] = float("inf")
        return update()

    runner.alg.update = diverge
    with pytest.raises(NonFiniteError, match=r"last good checkpoint is none"):
        runner.learn(2)
    assert not list(tmp_path.glob("model_*.pt"))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("position", [0, 7, 11])
def test_one_reduction_finds_any_value_in_any_tensor(bad, position):
    tensors = [torch.full((2, 3), 3e38), torch.zeros(()), -torch.full((5,), 3e38)]
    assert all_finite(tensors)
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    flat[position] = bad
    parts = flat.split([6, 1, 5])
    assert not all_finite([parts[0].view(2, 3), parts[1].view(()), parts[2]])


def test_faults_are_named_in_order_of_cause():
    streams = {"action": torch.zeros(3, 2), "reward": torch.tensor([0.0, float("nan"), float("inf")])}
    assert find_fault(streams) == ("reward", 1, 0)
    streams["action"][2, 1] = float("inf")
    assert find_fault(streams) == ("action", 2, 1)
    assert find_fault({"action": torch.zeros(3, 2)}) is None
    assert name_fault("action", 2, 1, {"joint_names": ["hip", "knee"]}, None) == "action (knee) of environment 2"
    assert name_fault("reward", 0, 0, None, lambda env: [("a", [1.0])]) == "reward (their sum) of environment 0"
    infos = {"observations": [["velocity", 3], ["joint_pos", 19]]}
    assert name_fault("observation policy", 1, 4, infos, None) == "observation policy (joint_pos[1]) of environment 1"
    assert name_fault("observation extra", 1, 4, infos, None) == "observation extra (column 4) of environment 1"
