# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Checkpoints that hold nothing but a policy, to be played."""

from __future__ import annotations

from nil_ext.errors import InputError
from nil_ext.rl.modules import PolicyAverage

POLICY_ONLY = "policy_only"
"""Key of a checkpoint that holds nothing but the policy; see :func:`policy_alone`."""

_KEPT = ("version", "iter", "infos", "spaces", "transitions", "gradient_steps", "seconds")
"""What such a checkpoint still says about the training."""


def policy_alone(checkpoint: dict) -> dict:
    """Return the part of a checkpoint of BRO that acts: the actor, with the averaged weights where there are some.

    Raises:
        InputError: When there is no such actor in it.
    """
    if "actor_state_dict" not in checkpoint or "spaces" not in checkpoint:
        raise InputError("The checkpoint holds no policy of BRO: only those can be shipped.")
    actor = PolicyAverage.in_place_of(checkpoint["actor_state_dict"], checkpoint.get("average_state_dict", {}))
    kept = {key: checkpoint[key] for key in _KEPT if key in checkpoint}
    return {**kept, POLICY_ONLY: True, "actor_state_dict": actor}
