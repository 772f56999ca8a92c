# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Actor and critic as rsl_rl models."""

from .bro_actor import BroActor
from .bro_critic import BroCritic

__all__ = ["BroActor", "BroCritic"]
