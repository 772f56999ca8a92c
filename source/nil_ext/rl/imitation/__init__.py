# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Imitation from an expert's states: the baselines AMP, GAIfO and BCO, and the trajectories they learn from."""

from .adversarial import AMP, AdversarialImitation, GAIfO
from .bco import BCO
from .states import STATE_GROUP, state_names
from .trajectories import ExpertTransitions, Trajectories, load_trajectories, write_rollouts

__all__ = [
    "AMP",
    "BCO",
    "STATE_GROUP",
    "AdversarialImitation",
    "ExpertTransitions",
    "GAIfO",
    "Trajectories",
    "load_trajectories",
    "state_names",
    "write_rollouts",
]
