# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/benchmark.py``: which benchmark runs."""

from __future__ import annotations

from ..errors import InputError
from . import ablation, benchmark_agent, signal_benchmark, signal_fast, table1, throughput
from .common import run_main

_BENCHMARKS = {
    "throughput": throughput.run,
    "signal": signal_benchmark.run,
    "fast": signal_fast.run,
    "ablation": ablation.run,
    "table1": table1.run,
    "agent": benchmark_agent.run,
}


def run(argv: list[str]) -> int | None:
    """Run the benchmark that the first argument names; ``throughput`` without a name."""
    name, rest = "throughput", argv
    # what looks like an option (--task) or a setting (presets=cpu) is no name
    if argv and not argv[0].startswith("-") and "=" not in argv[0]:
        name, *rest = argv
    if name not in _BENCHMARKS:
        raise InputError(f"Unknown benchmark '{name}': use one of {', '.join(_BENCHMARKS)}.")
    return _BENCHMARKS[name](rest)


def main() -> int:
    """Entry point of the script."""
    return run_main(run)
