# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""An update as one CUDA graph."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .bro_learner import Batch

_EAGER_UPDATES = 3
"""Updates before the recording: they allocate the optimisers' moments and cuBLAS's workspaces, which must not happen
within one (PyTorch's notes on CUDA graphs warm up likewise)."""


class CapturedUpdate:
    """Runs an update kernel by kernel a few times, records it, and from then on replays the recording.

    All batches must have the shapes of the first one.
    """

    def __init__(self, update: Callable[[Batch, torch.Tensor], dict[str, torch.Tensor]]) -> None:
        """Set the update, which must neither wait for the device nor draw random numbers."""
        self._update = update
        self._stream = torch.cuda.Stream()
        self.forget()

    def forget(self) -> None:
        """Record anew: what the update works on lies elsewhere in memory now."""
        self._eager_left = _EAGER_UPDATES
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, batch: Batch, noise: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run one update and return its report."""
        if self._eager_left:
            self._eager_left -= 1
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                report = self._update(batch, noise)
            torch.cuda.current_stream().wait_stream(self._stream)
            return report
        if self._graph is None:
            self._record(batch, noise)
        for field in fields(batch):
            getattr(self._batch, field.name).copy_(getattr(batch, field.name))
        self._noise.copy_(noise)
        self._graph.replay()
        return {name: value.clone() for name, value in self._report.items()}

    def _record(self, batch: Batch, noise: torch.Tensor) -> None:
        """Record the update with inputs and outputs at addresses of its own; nothing is run."""
        self._batch = replace(batch, **{field.name: getattr(batch, field.name).clone() for field in fields(batch)})
        self._noise = noise.clone()
        self._graph = torch.cuda.CUDAGraph()
        gc.collect()  # memory of the device that is freed within a recording breaks it
        # thread_local: what other threads ask of the device, a viewer's for example, does not break the recording
        with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
            self._report = self._update(self._batch, self._noise)
