# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Memory that runs out is one sentence with the setting to change."""

from __future__ import annotations

import pytest
import torch

from nil_ext.errors import InputError
from nil_ext.memory import memory_for
from nil_ext.rl.storage import ReplayRing


def test_both_kinds_of_running_out_are_told():
    with (
        pytest.raises(InputError, match=r"^The rings do not fit into the memory: lower env\.scene\.num_envs\.$"),
        memory_for("The rings", "lower env.scene.num_envs"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(InputError), memory_for("The rings", "lower env.scene.num_envs"):
        torch.empty(10**15)
    with pytest.raises(InputError), memory_for("The rings", "lower env.scene.num_envs"):
        raise RuntimeError("Failed to allocate 1073741824 bytes on device 'cuda:0'")  # Warp's


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="must match"), memory_for("The rings", "lower env.scene.num_envs"):
        torch.zeros(2) + torch.zeros(3)


def test_a_replay_that_does_not_fit_names_its_size():
    ring = ReplayRing({"policy": 60}, 19, num_envs=10**6, num_steps=10**7)
    with pytest.raises(InputError, match=r"lower agent\.algorithm\.replay_size"):
        ring.observe({"policy": torch.zeros(10**6, 60)})
