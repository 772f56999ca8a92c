# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Two processes on the CPU, joined by gloo as torchrun joins those of several GPUs, learn as one.

Run as a script, this file is what the processes do; the tests look at what they wrote.
"""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
import torch

NUM_PROCESSES = 2
BATCH = 32


def train(rank: int, folder: Path) -> None:
    """Train, be stopped by a signal that only the second process gets, and go on; write the states."""
    from conftest import TRAIN_CFG, PointMass
    from nil_ext.rl.runners import OffPolicyRunner
    from nil_ext.rl.runners.checkpoint import last_checkpoint, write_checkpoint

    cfg = copy.deepcopy(TRAIN_CFG)
    cfg["algorithm"] |= {"warmup_transitions": 200, "reuse": 8.0, "reset_updates": (15,)}
    torch.manual_seed(rank)
    env = PointMass(num_envs=8, seed=rank)
    step = env.step

    def step_and_be_stopped(actions):
        if rank == 1 and env.num_steps == 42:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(actions)

    env.step = step_and_be_stopped
    runner = OffPolicyRunner(env, copy.deepcopy(cfg), log_dir=str(folder / "run"))
    try:
        runner.learn(100)
    except KeyboardInterrupt as stopped:
        reason = str(stopped)
    state = copy.deepcopy(runner.alg.save())  # it would go on changing
    torch.distributed.barrier()
    runner.load(str(last_checkpoint(folder / "run")))
    draws = torch.rand(4)
    runner.learn(1)
    write_checkpoint(
        {
            "stopped": state, "resumed": runner.alg.save(), "reason": reason, "steps": env.num_steps, "draws": draws,
            "replay": len(runner.alg.replay),
        },
        folder / f"rank{rank}.pt",
    )  # fmt: skip


def learn_from(part: slice) -> dict:
    """Three updates of a learner in float64 from a part of fixed batches, and the normaliser's view of them."""
    from tensordict import TensorDict

    from nil_ext.rl.algorithms.bro_learner import Batch, BroLearner
    from nil_ext.rl.models import BroActor, BroCritic
    from nil_ext.rl.modules import RunningNormalization

    torch.manual_seed(0)
    obs = TensorDict({"policy": torch.zeros(1, 5)}, batch_size=[1])
    groups = {"actor": ["policy"], "critic": ["policy"]}
    actor = BroActor(
        obs, groups, "actor", 2, [16, 16], distribution_cfg={"class_name": "nil_ext.rl.modules:TanhGaussian"}
    ).double()
    critic = BroCritic(obs, groups, "critic", 2, [16, 16], num_quantiles=6).double()
    learner = BroLearner(actor, critic)
    learner.optimistic_actor.double()
    learner.duals.double()
    normaliser = RunningNormalization(5)
    for _ in range(3):
        seen = torch.randn(BATCH, 5, dtype=torch.float64) * 3.0 + 10.0
        normaliser.update(seen[part])
        batch = Batch(
            seen, seen, torch.rand(BATCH, 2).double(), torch.randn(BATCH).double(), torch.full((BATCH,), 0.9).double(),
            seen + 0.1, seen + 0.1,
        )  # fmt: skip
        learner.step(batch[part], torch.randn(3, BATCH, 2, dtype=torch.float64)[:, part])
    return {"learner": learner.state_dict(), "normaliser": normaliser.state_dict()}


def main(folder: Path) -> None:
    """Learn from the union in this process, then do both jobs in forked ones: torch is imported only once."""
    from nil_ext.rl.runners.checkpoint import write_checkpoint

    torch.set_num_threads(1)
    write_checkpoint(learn_from(slice(0, BATCH)), folder / "union.pt")
    children = []
    for rank in range(NUM_PROCESSES):
        if child := os.fork():
            children.append(child)
            continue
        status = 1
        try:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(NUM_PROCESSES)}
            train(rank, folder)
            size = BATCH // NUM_PROCESSES
            write_checkpoint(learn_from(slice(rank * size, (rank + 1) * size)), folder / f"part{rank}.pt")
            torch.distributed.destroy_process_group()
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the processes left their states."""
    folder = tmp_path_factory.mktemp("processes")
    environment = {
        **os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(29500 + os.getpid() % 1000),
        "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    command = [sys.executable, __file__, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def read(file: Path) -> dict:
    from nil_ext.rl.runners.checkpoint import read_checkpoint

    return read_checkpoint(file)


def parameters(state: dict) -> dict[str, torch.Tensor]:
    """Networks, normalisers and duals of a saved algorithm."""
    return {
        f"{part}.{name}": value
        for part, values in state.items()
        if part.endswith("_state_dict")
        for name, value in values.items()
    }


def test_both_processes_hold_the_same_parameters_and_normalisers(folder):
    first, second = (read(folder / f"rank{rank}.pt") for rank in range(NUM_PROCESSES))
    for when in ("stopped", "resumed"):
        mine, theirs = parameters(first[when]), parameters(second[when])
        assert len(mine) > 40
        assert all(torch.equal(value, theirs[name]) for name, value in mine.items())
        # updates and the reset after the 15th took place
        assert first[when]["gradient_steps"] == second[when]["gradient_steps"] > 15
    assert first["stopped"]["actor_state_dict"]["obs_normalizer.count"] == 43 * NUM_PROCESSES * 8


def test_a_signal_to_one_process_stops_both_after_the_same_step(folder):
    first, second = (read(folder / f"rank{rank}.pt") for rank in range(NUM_PROCESSES))
    assert (first["reason"], second["reason"]) == ("another process was stopped", "SIGTERM")
    # 43 steps, then one iteration of 5; steps of all environments of both processes count
    assert first["steps"] == second["steps"] == 48
    assert first["stopped"]["transitions"] == 43 * NUM_PROCESSES * 8


def test_the_first_process_saves_and_each_keeps_its_replay_and_its_random_numbers(folder):
    files = {path.name for path in (folder / "run").iterdir()}
    assert {"model_8.pt", "replay.pt", "replay_rank1.pt"} <= files
    assert len([name for name in files if name.startswith("events")]) == 2  # two sessions of one writer
    first, second = (read(folder / f"rank{rank}.pt") for rank in range(NUM_PROCESSES))
    assert first["replay"] == second["replay"] == 48 * 8
    assert not torch.equal(first["draws"], second["draws"])
    mine, theirs = (read(folder / "run" / name)["obs"]["policy"] for name in ("replay.pt", "replay_rank1.pt"))
    assert mine.shape == theirs.shape
    assert not torch.equal(mine, theirs)


def test_two_halves_of_a_batch_update_as_their_union(folder):
    union = read(folder / "union.pt")
    for rank in range(NUM_PROCESSES):
        part = read(folder / f"part{rank}.pt")
        for name, value in parameters(union["learner"]).items():
            torch.testing.assert_close(parameters(part["learner"])[name], value, rtol=1e-9, atol=1e-11, msg=name)
        for name, value in union["normaliser"].items():
            torch.testing.assert_close(part["normaliser"][name], value, rtol=1e-6, atol=0.0, msg=name)
        for name in ("_mean64", "_var64"):
            torch.testing.assert_close(part["normaliser"][name], union["normaliser"][name], rtol=1e-12, atol=0.0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
