# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Both tables on the real simulator, with budgets of a moment: an ablation's row, and AMP from a recorded Expert."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TASK = "NIL-A1-Walk"
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "benchmark.py"
SMALL = (
    *("--max_iterations", "1", "--num_envs", "2", "--episodes", "2", "--device", "cpu", "presets=cpu"),
    *("env.episode_length_s=0.8", "agent.algorithm.replay_size=4096", "agent.algorithm.batch_size=16"),
    *("agent.algorithm.warmup_transitions=16", "agent.algorithm.reuse=4"),
)

LIMIT_SECONDS = 1500
"""Two and four scripts of half a minute of processor time each, one after the other: on two cores with seven other jobs
they took 200 and 525 s."""

pytestmark = [pytest.mark.sim, pytest.mark.slow, pytest.mark.timeout(LIMIT_SECONDS + 300)]


def run(scripts, name: str, *arguments: str, cwd: Path) -> str:
    command = [sys.executable, str(SCRIPT), name, "--task", TASK, *arguments, *SMALL]
    environment = {**scripts.environment, "OMP_NUM_THREADS": "1"}  # threads that wait for busy cores only cost
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=cwd, env=environment, **pipes) as process:
        try:
            out, err = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()  # a kill would leave the script running that it has started
            out, err = process.communicate()
    assert process.returncode == 0, f"{out[-2000:]}\n{err[-3000:]}"
    return out


def test_a_row_of_the_ablation(scripts, tmp_path):
    said = run(scripts, "ablation", "--rows", "only regularisation", "--output", "out", cwd=tmp_path)
    rows = json.loads((tmp_path / "out" / "ablation.json").read_text())["rows"]
    # standing for .8 s: 80 steps of exp(-5 * .5)
    assert rows["(standing)"]["env_reward"]["mean"] == pytest.approx(80 * np.exp(-2.5), abs=0.5)
    assert rows["only regularisation"]["env_reward"]["mean"] > 0.0
    assert "only regularisation:" in said  # its progress


def test_table1_from_a_recorded_expert(scripts, tmp_path):
    run(scripts, "table1", "--methods", "AMP", "--output", "out", cwd=tmp_path)
    content = json.loads((tmp_path / "out" / "table1.json").read_text())
    assert content["rows"][TASK]["AMP"]["env_reward"]["mean"] > 0.0
    with np.load(tmp_path / "out" / TASK / "Expert" / "rollouts.npz", allow_pickle=False) as file:
        assert (str(file["robot"]), float(file["rate"]), len(file["split_points"])) == ("A1", 25.0, 26)
        assert file["states"].shape == (len(file["actions"]), 10 + 24)
        assert file["observations"].shape[1] == file["observation_sizes"].sum() == 9 + 3 * 12
        # the first state is e0, with the knees bent
        assert file["states"][0, list(file["state_names"]).index("root_height")] == pytest.approx(0.28, abs=0.06)
