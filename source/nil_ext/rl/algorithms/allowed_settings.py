# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What the numbers among an algorithm's settings may be."""

from __future__ import annotations

from collections.abc import Sequence

from nil_ext.errors import InputError

ALLOWED = (
    ("1 or more", lambda value: value >= 1, ("n_step", "batch_size", "replay_size")),
    ("a number from 0 to 1", lambda value: 0 <= value <= 1, ("gamma", "tau", "optimistic_share")),
    ("a number above 0", lambda value: value > 0, ("init_alpha", "reward_bound")),
    (
        "0 or more",
        lambda value: value >= 0,
        (
            *("reuse", "warmup_transitions", "warmup_range", "final_obs_fraction", "reset_catch_up", "kl_target"),
            *("learning_rate", "weight_decay", "alpha_learning_rate", "optimism_learning_rate", "std_multiplier"),
            *("discriminator_learning_rate", "discriminator_updates", "gradient_penalty"),
            *("inverse_learning_rate", "exploration_std"),
        ),
    ),
    (
        "two numbers, each 0 or more",
        lambda value: isinstance(value, Sequence) and len(value) == 2 and all(number >= 0 for number in value),
        ("exploration_scale",),
    ),
)
"""What settings may be, the baselines' too: in words, as a test, and which."""


def require_allowed(settings: dict) -> None:
    """Refuse settings that no update can work with.

    Raises:
        InputError: For the first of them.
    """
    for words, allowed, names in ALLOWED:
        for name in names:
            if name in settings and not allowed(settings[name]):
                raise InputError(f"agent.algorithm.{name} is {settings[name]}; write {words}.")
