# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The throughput benchmark over numbers of environments, with its table and plot."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..evaluation.curves import Curve, draw
from ..files import whole_file
from ..tasks.embedded import ASSETS

JSON_FILE, PLOT_FILE = "throughput.json", "throughput.svg"

_COLOURS = {
    "physics": "#888888",
    "physics + camera": "#1f77b4",
    "environment": "#2ca02c",
    "loop": "#9467bd",
    "loop, learning beside": "#ff7f0e",
    "one by one on the host": "#d62728",
}
"""Parts in table and plot, env-steps/s of each, and their colours; not every machine has all."""

_LINE_HEIGHT = 12


def environment_counts(text: str) -> list[int]:
    """Numbers of environments in a list such as ``1,16,64``, ascending."""
    try:
        counts = sorted({int(part) for part in text.split(",")})
    except ValueError:
        counts = []
    if not counts or counts[0] < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of numbers of environments such as 1,16,64")
    return counts


def sweep(argv: list[str], counts: list[int], output: Path | None) -> None:
    """Measure one number of environments after the other, until one does not fit.

    Args:
        argv: command line of the benchmark.
        counts: numbers of environments, ascending.
        output: folder for all results and the plot; None to print the table only.

    Raises:
        InputError: When not even the first can be measured.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--envs", "--output", "--num_envs"):
        parser.add_argument(option)
    _, rest = parser.parse_known_args(argv)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            command = [sys.executable, str(ASSETS.parent / "scripts" / "benchmark.py"), "throughput", *rest]
            done = subprocess.run([*command, "--num_envs", str(count), "--output", folder], check=False)
            if done.returncode:
                print(f"[nil_ext] {count} environments could not be measured (exit code {done.returncode}): see above.")
                break
            results.append(json.loads(Path(folder, JSON_FILE).read_text(encoding="utf-8")))
    if not results:
        raise InputError(f"Nothing was measured with {counts[0]} environments: see the message above.")
    print("\n" + table(results))
    if output is not None:
        for name, content in ((JSON_FILE, json.dumps(results, indent=2) + "\n"), (PLOT_FILE, plot(results))):
            with whole_file(output / name) as file:
                file.write_text(content, encoding="utf-8")
        print(f"\n[nil_ext] Wrote {JSON_FILE} and {PLOT_FILE} to {output}")


def table(results: list[dict]) -> str:
    """A Markdown table: env-steps/s, split of a loop step and memory by number of environments."""
    split, shown = list(results[0]["split [s]"]), _shown(results)
    lines = [
        f"| environments | {' | '.join(f'{name}, env-steps/s' for name in shown)} | {' | '.join(split)} "
        "| against the host | GiB in use |",
        "|---" * (3 + len(shown) + len(split)) + "|",
    ]
    for result in results:
        speeds = (f"{result['env-steps per second'][name]:.0f}" for name in shown)
        shares = (f"{result['split [s]'][name] / result['seconds per step']['loop']:.0%}" for name in split)
        used = f"{result['memory [byte]']['used'] / 2**30:.1f}"
        ratio = f"{result['environment against the host']:.1f} times"
        lines.append("| " + " | ".join((str(result["num_envs"]), *speeds, *shares, ratio, used)) + " |")
    return "\n".join(lines)


def plot(results: list[dict]) -> str:
    """A picture (SVG): env-steps/s of each part against the number of environments."""
    counts, shown = np.array([result["num_envs"] for result in results], dtype=float), _shown(results)
    curves = [
        Curve(counts, np.array([result["env-steps per second"][name] for result in results]), colour)
        for colour, name in enumerate(shown)
    ]
    style = "text{font:9px sans-serif}.line{fill:none;stroke-width:1.5}.axis{stroke:#cccccc}" + "".join(
        f".c{number}{{stroke:{_COLOURS[name]}}}" for number, name in enumerate(shown)
    )
    legend = "".join(
        f'<text x="52" y="{18 + _LINE_HEIGHT * number}" fill="{_COLOURS[name]}">{name}</text>'
        for number, name in enumerate(shown)
    )
    chart = draw("env-steps/s by number of environments", curves)
    head = '<svg xmlns="http://www.w3.org/2000/svg" width="640"'
    return chart.replace("<svg", head, 1).replace("</svg>", f"<style>{style}</style>{legend}</svg>")


def _shown(results: list[dict]) -> list[str]:
    """Parts that were measured everywhere."""
    return [name for name in _COLOURS if all(name in result["seconds per step"] for result in results)]
