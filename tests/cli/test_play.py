# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""scripts/play.py of a run that imitated another reference than the task's sketch, on the simulator."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import subprocess
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from nil_ext.reference import Reference
from nil_ext.rl.policy_file import unpack_table
from nil_ext.robots.h1 import H1
from nil_ext.tasks.embedded import embedded_reference

TASK = "NIL-H1-Walk"
FRAMES = 61
"""Of the sketch's, at 50 Hz: 1.2 s."""

SETTINGS = (
    *("presets=cpu,position", "env.actions.joints.scale=0.3", "env.commands.reference.code_size=4"),
    *("agent.algorithm.replay_size=4096", "agent.algorithm.batch_size=64"),
    "env.terminations.fall.params.height=[-0.25,0.2]",
)

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def trained(scripts, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A run of a moment that imitated a part of the sketch whose joints were moved."""
    cwd = tmp_path_factory.mktemp("user")
    whole = embedded_reference(TASK)
    motion = {key: values if key == "joint_names" else values[:FRAMES].copy() for key, values in whole.motion.items()}
    motion["joint_pos"][1:] += 0.05
    part = dataclasses.replace(whole, frames=whole.frames[:FRAMES], masks=whole.masks[:FRAMES], motion=motion)
    part.save(cwd / "part")
    options = ("--reference", cwd / "part", "--num_envs", 2, "--max_iterations", 1, "--no_evaluation", *SETTINGS)
    done = scripts.run("train.py", *options, cwd=cwd)
    [folder] = (cwd / "logs" / "nil_ext" / "nil_h1_walk").iterdir()
    return SimpleNamespace(cwd=cwd, folder=folder, said=done.stdout)


@pytest.fixture(scope="module")
def played(scripts, trained: SimpleNamespace) -> SimpleNamespace:
    """What the command that training prints at its end does."""
    [command] = re.findall(r"Play it: (.*)", trained.said)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    done = subprocess.run(shlex.split(command), cwd=trained.cwd, env=scripts.environment, timeout=300, **pipes)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    stored = onnx.load(str(trained.folder / "exported" / "policy.onnx")).metadata_props
    contract = {entry.key.removeprefix("nil_ext."): json.loads(entry.value) for entry in stored}
    return SimpleNamespace(said=done.stdout, contract=contract)


def test_what_is_exported_is_of_the_reference_that_was_imitated(trained: SimpleNamespace, played: SimpleNamespace):
    own = Reference.load(trained.cwd / "part").resample(25.0)
    told = played.contract["reference"]
    assert (told["digest"], told["frames"]) == (own.digest, 31)
    assert unpack_table(told["code"]).shape == (31, 2 * (4 + 19))  # two lookahead times of four numbers and the joints


def test_what_is_exported_has_the_run_s_actions(played: SimpleNamespace):
    action, start = played.contract["action"], played.contract["start"]
    assert action["kind"] == "position"
    assert action["scale"] == pytest.approx(19 * [0.3])
    assert action["offset"] == pytest.approx(start["joint_pos"])


def test_what_is_exported_falls_where_the_run_did(played: SimpleNamespace):
    limits = {name: pytest.approx(getattr(H1.fall, name)) for name in ("tilt", "list", "heading")}
    assert played.contract["fall"] == limits | {"height": [-0.25, 0.2]}


def test_it_is_judged_beside_that_reference(trained: SimpleNamespace, played: SimpleNamespace):
    assert "[nil_ext] Reference: sketch, 1.20 s at 50 Hz" in played.said
    numbers = json.loads((trained.folder / "videos" / "play" / "model_1.json").read_text())
    assert numbers["episodes"] == 4  # play mode's own
    # standing for 1.2 s: 120 steps of exp(-1.25^2)
    assert numbers["standing"]["env_reward"]["mean"] == pytest.approx(120 * np.exp(-1.5625), abs=0.6)
