# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""State of every random number generator that training draws from, in plain values that load without running code."""

from __future__ import annotations

import random

import numpy as np
import torch

from nil_ext.rl.distributed import world_size


def get_random_state(device: torch.device | str) -> dict:
    """Return the states of torch's, numpy's and Python's generators."""
    name, keys, position, has_gauss, gauss = np.random.get_state()
    version, internal, gauss_next = random.getstate()
    state = {
        "cpu": torch.get_rng_state(),
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), int(position), int(has_gauss), float(gauss)],
        "python": [version, torch.tensor(internal), gauss_next],
    }
    if torch.device(device).type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict, device: torch.device | str) -> None:
    """Go on from saved states; generators of which none was saved stay as they are.

    Of several processes the first goes on bit by bit; the others draw seeds of their own from its state, since equal
    streams would make their environments and batches alike.
    """
    if "cpu" in state:
        torch.set_rng_state(state["cpu"].cpu())
    if "numpy" in state:
        name, keys, position, has_gauss, gauss = state["numpy"]
        np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, gauss))
    if "python" in state:
        version, internal, gauss_next = state["python"]
        random.setstate((version, tuple(internal.tolist()), gauss_next))
    if "cuda" in state and torch.device(device).type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
    if world_size() > 1 and (rank := torch.distributed.get_rank()) > 0:
        seed = (int(torch.randint(2**31, ())) + rank) % 2**32
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
