# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What of an optimiser belongs to a checkpoint."""

from __future__ import annotations

from torch.optim import Optimizer


def load_moments(optimizer: Optimizer, state: dict) -> None:
    """Load an optimiser's moments; its settings stay this run's: learning rate, weight decay, how it computes.

    Args:
        optimizer: What goes on from them.
        state: What the ``state_dict`` of a like optimiser returned.
    """
    optimizer.load_state_dict(state | {"param_groups": optimizer.state_dict()["param_groups"]})
