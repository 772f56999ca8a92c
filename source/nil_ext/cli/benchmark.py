# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/benchmark.py``: which benchmark runs."""

from __future__ import annotations

from ..errors import InputError
from . import ablation, benchmark_agent, signal_benchmark, signal_fast, table1, throughput
from .common import run_main

_BENCHMARKS = {
    "throughput": (throughput.run, "where the time of a training step goes (the default)"),
    "signal": (signal_benchmark.run, "what each reward stream says of rollouts that are wrong in a known way"),
    "fast": (signal_fast.run, "what cheaper video similarities save, and how well they agree"),
    "ablation": (ablation.run, "train and judge the paper's configurations of the reward"),
    "table1": (table1.run, "train and judge the paper's methods"),
    "agent": (benchmark_agent.run, "the agent's quantile loss, or ways to run its update"),
}
"""Body and purpose of each."""


def run(argv: list[str]) -> int | None:
    """Run the benchmark that the first argument names; ``throughput`` without a name."""
    if argv in (["-h"], ["--help"]):
        print("usage: benchmark.py [NAME] [OPTIONS ...]; benchmark.py NAME --help tells its options\n")
        print("\n".join(f"  {name:12}{purpose}" for name, (_, purpose) in _BENCHMARKS.items()))
        return None
    name, rest = "throughput", argv
    # what looks like an option (--task) or a setting (presets=cpu) is no name
    if argv and not argv[0].startswith("-") and "=" not in argv[0]:
        name, *rest = argv
    if name not in _BENCHMARKS:
        raise InputError(f"Unknown benchmark '{name}': use one of {', '.join(_BENCHMARKS)}.")
    body, _ = _BENCHMARKS[name]
    return body(rest)


def main() -> int:
    """Entry point of the script."""
    return run_main(run)
