# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""An evaluation and its files: JSON (all of it), Markdown (the table) and CSV (a row an episode)."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import whole_file
from .metrics import METRICS
from .statistics import Interval, Summary, summarise

SCHEMA = 1
"""Version of the JSON."""

POLICY = "policy"
"""Name of what is evaluated; every other entry is a control."""

JSON_FILE, TABLE_FILE, CSV_FILE, VIDEO_FILE = "evaluation.json", "evaluation.md", "episodes.csv", "rollout.mp4"

_OF_A_RUN = ("seed", "path", "sha256")
"""What each row of the CSV tells of its checkpoint: the seed it was trained with, its file and that file's hash."""


@dataclass
class Evaluation:
    """Episodes of a method (one list entry a seed) and of its controls, with what they were made from."""

    name: str
    """What comparisons call the method."""

    about: dict
    """Task, settings, reference, checkpoints and versions, in plain values. No times: the same evaluation twice is
    the same file."""

    episodes: dict[str, list[dict[str, np.ndarray]]]
    """For :data:`POLICY` and each control: a dict a seed, of values (N,) by metric, NaN where there is none."""

    folder: Path | None = None
    """Where it was read from or written to."""

    _summaries: dict[str, dict[str, Summary]] = field(default_factory=dict, repr=False)

    def metrics(self) -> list[str]:
        """Names of the metrics that anybody has a value of."""
        return [
            name
            for name in METRICS
            if any(np.isfinite(values[name]).any() for seeds in self.episodes.values() for values in seeds)
        ]

    def summaries(self, who: str) -> dict[str, Summary]:
        """Every metric of a policy; computed once."""
        if who not in self._summaries:
            self._summaries[who] = {name: summarise([v[name] for v in self.episodes[who]]) for name in METRICS}
        return self._summaries[who]

    def write(self, folder: Path) -> None:
        """Write the three files."""
        self.folder = folder
        content = {
            "schema": SCHEMA,
            "name": self.name,
            "about": self.about,
            "summary": {
                who: {name: asdict(summary) for name, summary in self.summaries(who).items()} for who in self.episodes
            },
            "episodes": {who: [_plain(values) for values in seeds] for who, seeds in self.episodes.items()},
        }
        with whole_file(folder / JSON_FILE) as file:
            file.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        with whole_file(folder / TABLE_FILE) as file:
            file.write_text(self.table() + "\n", encoding="utf-8")
        with whole_file(folder / CSV_FILE) as file, open(file, "w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(["policy", "run", *_OF_A_RUN, "episode", *METRICS])
            for who, seeds in self.episodes.items():
                checkpoints = self.about.get("checkpoints", []) if who == POLICY else []
                for run, (values, checkpoint) in enumerate(zip_longest(seeds, checkpoints, fillvalue={})):
                    about = [checkpoint.get(key, "") for key in _OF_A_RUN]
                    for episode, row in enumerate(zip(*(values[name] for name in METRICS), strict=True)):
                        numbers = ("" if np.isnan(v) else f"{v:.6g}" for v in row)
                        rows.writerow([who, run, *about, episode, *numbers])

    @classmethod
    def read(cls, path: Path) -> Evaluation:
        """Read a folder (or its JSON) that :meth:`write` wrote.

        Raises:
            InputError: When there is none, or one of another version.
        """
        path = path / JSON_FILE if path.is_dir() else path
        if not path.is_file():
            raise InputError(f"No evaluation at '{path}': run scripts/evaluate.py --checkpoint first.")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["schema"] != SCHEMA:
                raise InputError(f"'{path}' has schema {content['schema']}, not {SCHEMA}: evaluate anew.")
            episodes = {
                who: [{name: _values(values, name) for name in METRICS} for values in seeds]
                for who, seeds in content["episodes"].items()
            }
            return cls(content["name"], content["about"], episodes, path.parent)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"'{path}' cannot be read as an evaluation ({error!r}): evaluate anew.") from error

    def table(self, metrics: list[str] | None = None) -> str:
        """A Markdown table: a row a metric, a column a policy, means with their 95 % intervals."""
        rows = {who: self.summaries(who) for who in self.episodes}
        lines = ["| metric | " + " | ".join(rows) + " |", "|---" * (len(rows) + 1) + "|"]
        for name in metrics or self.metrics():
            lines.append(
                f"| {METRICS[name].title} | " + " | ".join(cell(mean_cell(row[name])) for row in rows.values()) + " |"
            )
        return "\n".join(lines)


def mean_cell(summary: Summary) -> tuple[str, str]:
    """Mean and 95 % interval, over seeds where there are several, else over episodes; a dash for no value."""
    return _number_and_interval(summary.mean, summary.seeds_ci or summary.episodes_ci)


def iqm_cell(summary: Summary) -> tuple[str, str]:
    """Interquartile mean and its 95 % interval; a dash for no value."""
    return _number_and_interval(summary.iqm, summary.iqm_ci)


def cell(parts: tuple[str, str]) -> str:
    """Number and interval in one."""
    return " ".join(filter(None, parts))


def _number_and_interval(value: float | None, interval: Interval | None) -> tuple[str, str]:
    if value is None:
        return "–", ""
    return f"{value:.3g}", f"[{interval[0]:.3g}, {interval[1]:.3g}]" if interval else ""


def _values(values: dict[str, list[float | None]], name: str) -> np.ndarray:
    """A metric's values (N,); NaN throughout where the file is older than the metric."""
    known = values.get(name) or [None] * len(values["survival"])
    return np.array([np.nan if value is None else value for value in known])


def _plain(values: dict[str, np.ndarray]) -> dict[str, list[float | None]]:
    """Values that JSON can hold."""
    return {name: [None if np.isnan(v) else float(v) for v in row] for name, row in values.items()}
