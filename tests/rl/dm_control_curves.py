# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Train BRO on a task of the DeepMind Control Suite and hold its returns against the authors' curves.

No test: a run takes hours. dm_control needs a MuJoCo of its own, so it lives in an environment beside the project's,
from which it sees all else (docs/agent.md has the commands). A run that was stopped goes on from its folder.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from dm_control import suite
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from isaaclab_rl.rsl_rl import handle_deprecated_rsl_rl_cfg

from nil_ext.rl.cfg import BroReferenceRunnerCfg
from nil_ext.rl.runners import OffPolicyRunner
from nil_ext.rl.runners.checkpoint import last_checkpoint

EVALUATION_EVERY = 25_000
"""Steps between evaluations, and so between the points of the published curves."""

EVALUATION_EPISODES = 5
"""Episodes of one evaluation (the authors')."""

METHODS = {10: "BRO", 2: "BRO_fast"}
"""The curves' names, by updates per step."""

FAST_RESET_STEP = 15_001
"""Environment step of BRO-fast's only reset (the authors')."""


class ControlSuite(VecEnv):
    """One task of dm_control, action repeat 1: its observations as one vector, a time-out after its 1000 steps."""

    def __init__(self, domain: str, task: str, seed: int):
        self._env = suite.load(domain, task, task_kwargs={"random": seed})
        action = self._env.action_spec()
        assert (action.minimum == -1.0).all() and (action.maximum == 1.0).all()
        self.num_envs, self.num_actions, self.max_episode_length = 1, action.shape[0], 1000
        self.device = torch.device("cpu")
        self.episode_length_buf = torch.zeros(1, dtype=torch.long)
        self._obs = self._observe(self._env.reset())

    def get_observations(self) -> TensorDict:
        return self._obs

    def step(self, actions: torch.Tensor):
        step = self._env.step(actions[0].double().numpy())
        self.episode_length_buf += 1
        final = self._obs = self._observe(step)
        if step.last():
            assert step.discount == 1.0, "these tasks never terminate"
            self.episode_length_buf.zero_()
            self._obs = self._observe(self._env.reset())
        done = torch.tensor([step.last()])
        extras = {"time_outs": done, "final_obs": {"policy": final["policy"]}}
        return self._obs, torch.tensor([step.reward], dtype=torch.float32), done.long(), extras

    @staticmethod
    def _observe(step) -> TensorDict:
        flat = np.concatenate([np.atleast_1d(value).ravel() for value in step.observation.values()])
        return TensorDict({"policy": torch.from_numpy(flat).float()[None]}, batch_size=[1])


def evaluate(runner: OffPolicyRunner, domain: str, task: str, seed: int) -> float:
    """Mean return of the deterministic policy."""
    env, policy = ControlSuite(domain, task, seed), runner.get_inference_policy("cpu")
    total = 0.0
    with torch.no_grad():
        for _ in range(EVALUATION_EPISODES * env.max_episode_length):
            total += env.step(policy(env.get_observations()))[1].item()
    return total / EVALUATION_EPISODES


def main() -> None:
    """Train, and print a row at each of the published points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", help="As the curves name it: cheetah-run, walker-run, ...")
    parser.add_argument("curves", type=Path, help="JSON of published curves (shared/golden/README.md).")
    parser.add_argument("--updates_per_step", type=int, choices=sorted(METHODS), default=2, help="2: BRO-fast.")
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--matmul_precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--folder", type=Path, required=True, help="The run's files; goes on from what is there.")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    domain, task = args.task.split("-", 1)

    cfg = handle_deprecated_rsl_rl_cfg(BroReferenceRunnerCfg(), version("rsl-rl-lib")).to_dict()
    algorithm = cfg["algorithm"]
    reuse = args.updates_per_step * algorithm["batch_size"]  # of one environment
    if reuse != algorithm["reuse"]:
        algorithm["reuse"] = reuse
        algorithm["reset_updates"] = [args.updates_per_step * (FAST_RESET_STEP - algorithm["warmup_transitions"])]
    algorithm["matmul_precision"] = args.matmul_precision
    cfg["log_interval"], cfg["save_interval"] = 10**9, 250
    method = METHODS[args.updates_per_step]
    published = json.loads(args.curves.read_text())["curves"][method][args.task]
    args.folder.mkdir(parents=True, exist_ok=True)
    runner = OffPolicyRunner(ControlSuite(domain, task, args.seed), cfg, str(args.folder), "cpu")
    if stopped_at := last_checkpoint(args.folder):
        runner.load(str(stopped_at))

    print(f"{args.task}, {method}, {args.matmul_precision}, seed {args.seed}")
    print("| step | ours | published | published std | std away | minutes |")
    print("|---|---|---|---|---|---|", flush=True)
    for done in range(EVALUATION_EVERY, args.steps + 1, EVALUATION_EVERY):
        iterations = done // cfg["num_steps_per_env"] - runner.current_learning_iteration
        if iterations <= 0:
            continue
        runner.learn(iterations)
        point = published["step"].index(done)
        mean, std = published["mean"][point], published["std"][point]
        value = evaluate(runner, domain, task, 1000 + args.seed)
        away, minutes = (value - mean) / std, runner.seconds / 60.0
        print(f"| {done} | {value:.1f} | {mean:.1f} | {std:.1f} | {away:+.2f} | {minutes:.0f} |", flush=True)


if __name__ == "__main__":
    main()
