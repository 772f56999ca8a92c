# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Several evaluations beside each other."""

from __future__ import annotations

import numpy as np

from .metrics import METRICS
from .results import POLICY, Evaluation, cell, iqm_cell, mean_cell
from .statistics import probability_of_improvement


def comparison(evaluations: list[Evaluation]) -> str:
    """A Markdown table of the methods alone, mean and IQM, and the probability that the first beats each other."""
    metrics = [name for name in METRICS if any(name in entry.metrics() for entry in evaluations)]
    rows = [entry.summaries(POLICY) for entry in evaluations]
    first, *others = evaluations
    titles = [title for entry in evaluations for title in (entry.name, f"{entry.name}, IQM")]
    titles += [f"P({first.name} better than {entry.name})" for entry in others]
    lines = ["| metric | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for name in metrics:
        cells = [cell(part(row[name])) for row in rows for part in (mean_cell, iqm_cell)]
        cells += [improvement(first, entry, name) for entry in others]
        lines.append(f"| {METRICS[name].title} | " + " | ".join(cells) + " |")
    return "\n".join(lines + [f"\n{note}" for note in differences(evaluations)])


def improvement(ours: Evaluation, theirs: Evaluation, metric: str) -> str:
    """Probability that ours is better and its interval, over seeds, or over episodes where one side has one seed."""
    better = METRICS[metric].better
    samples = [_runs(ours, metric), _runs(theirs, metric)]
    if min(map(len, samples)) < 2:
        samples = [_episodes(ours, metric), _episodes(theirs, metric)]
    if better == 0 or not all(map(len, samples)):
        return "–"
    probability, interval = probability_of_improvement(*(better * values for values in samples))
    return f"{probability:.2f}" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")


def differences(evaluations: list[Evaluation]) -> list[str]:
    """What was not the same, so that numbers may not be compared as they stand; a sentence each."""
    notes = []
    for title, value in (
        ("task", lambda about: about["task"]),
        ("reference", lambda about: about["reference"]["digest"][:12]),
        ("settings", lambda about: about["settings"]),
        ("episodes", lambda about: about["episodes"]),
    ):
        values = [value(entry.about) for entry in evaluations]
        if any(other != values[0] for other in values):
            told = (f"{entry.name}: {_told(v)}" for entry, v in zip(evaluations, values, strict=True))
            notes.append(f"Not the same {title}: {'; '.join(told)}.")
    return notes


def _told(value: object) -> str:
    return ", ".join(f"{key} {entry}" for key, entry in value.items()) if isinstance(value, dict) else str(value)


def _episodes(evaluation: Evaluation, metric: str) -> np.ndarray:
    values = np.concatenate([seed[metric] for seed in evaluation.episodes[POLICY]])
    return values[~np.isnan(values)]


def _runs(evaluation: Evaluation, metric: str) -> np.ndarray:
    """Mean of each seed that has a value."""
    known = [seed[metric][~np.isnan(seed[metric])] for seed in evaluation.episodes[POLICY]]
    return np.array([values.mean() for values in known if len(values)])
