# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Observation terms of imitation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


def reference_phase(env: ManagerBasedRLEnv, command_name: str = "reference") -> torch.Tensor:
    """Share of the reference that has passed, from -1 to 1. Shape is (N, 1)."""
    term = env.command_manager.get_term(command_name)
    return (2.0 * term.frame / (term.length - 1) - 1.0).unsqueeze(1)
