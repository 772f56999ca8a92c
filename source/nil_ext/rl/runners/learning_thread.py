# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A thread that learns while the environment steps."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

import torch

from nil_ext.rl.algorithms import BRO

_T = TypeVar("_T")


class LearningThread:
    """Runs updates beside the environment's step, which on a CPU leaves cores idle: its renderer uses one.

    What runs beside it was drawn before (:meth:`BRO.begin_update`), draws no random numbers and shares nothing with the
    environment, so that nothing hangs on which of both is faster. While it is open, torch's threads are halved: both
    sides have as many.
    """

    @staticmethod
    def possible(device: torch.device | str) -> bool:
        """Return whether there is something to gain: where it learns on a CPU and torch has more than one thread."""
        return torch.device(device).type == "cpu" and torch.get_num_threads() > 1

    def __enter__(self) -> Self:
        """Start the thread."""
        self._threads = torch.get_num_threads()
        torch.set_num_threads(max(1, self._threads // 2))  # before the thread starts, which takes the number over
        self._executor = ThreadPoolExecutor(1, "learning")
        self._learning: Future | None = None
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it, and give torch its threads back."""
        self._executor.shutdown()
        torch.set_num_threads(self._threads)

    def beside(
        self, step: Callable[[], _T], algorithm: BRO
    ) -> tuple[_T, tuple[Callable[[], dict[str, torch.Tensor]], ...]]:
        """Run a step of the environment, and beside it updates that earlier ones have earned.

        Returns:
            What the step returned, and what is left to do, in this order and before anything else of the algorithm is
            called: to wait for the updates, and to run those that did not fit, as after a reset. Each returns what its
            updates report.
        """
        self._learning = self._executor.submit(algorithm.begin_update())
        return step(), (self._learning.result, torch.enable_grad()(algorithm.update))  # environments step without

    def finish(self) -> None:
        """Wait for updates that may still run, as where a step or the wait for them was interrupted."""
        if self._learning is not None:
            self._learning.exception()
