# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Ctrl-C and a cluster's SIGTERM, taken as a request to stop at the end of the step."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class StopRequest:
    """Whether the run has been asked to stop."""

    def __init__(self) -> None:
        """Nobody has."""
        self.signal: signal.Signals | None = None
        """The signal that came first."""
        self.saving = False
        """Whether the run is being saved: what takes seconds and must not be lost is not interrupted."""

    def receive(self, number: int, _frame: object) -> None:
        """Handle a signal: the first asks, a second interrupts the step, and none does while the run is being saved."""
        if self.saving:
            return
        if self.signal is not None:
            raise KeyboardInterrupt(signal.Signals(number).name)
        self.signal = signal.Signals(number)
        # past the buffer of print, which may be in the middle of a line of its own and must not be entered twice
        os.write(1, f"\n[INFO] {self.signal.name}: saving after this step (once more: at once).\n".encode())


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Take SIGINT and SIGTERM as a request while the body runs; outside of the main thread they cannot be taken."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    previous = {number: signal.signal(number, request.receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
