# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Several training processes that learn as one: what they agree on. With one process every function does nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist


def world_size() -> int:
    """Return the number of training processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def average_(tensors: Sequence[torch.Tensor]) -> None:
    """Replace tensors of one dtype by their means over the processes, in a single message."""
    if world_size() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= world_size()
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def maximum_(tensor: torch.Tensor) -> torch.Tensor:
    """Replace a tensor by its maximum over the processes, and return it."""
    if world_size() > 1:
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
    return tensor


def broadcast_(tensors: Sequence[torch.Tensor]) -> None:
    """Replace tensors by those of the first process."""
    if world_size() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)
