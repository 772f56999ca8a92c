# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Memory of past transitions."""

from .replay_ring import Relabel, ReplayRing, Transitions

__all__ = ["Relabel", "ReplayRing", "Transitions"]
