# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""One self-contained HTML page of one or several evaluations: videos, curves, tables, settings, provenance."""

from __future__ import annotations

import base64
from pathlib import Path

from ..files import whole_file
from .compare import differences, improvement
from .curves import Curve, draw, read_curves
from .metrics import METRICS
from .results import POLICY, VIDEO_FILE, Evaluation, iqm_cell, mean_cell

COLOURS = 6
"""Methods that have a colour of their own; further ones start again."""

_TEMPLATE = "report.html.j2"


def write_report(evaluations: list[Evaluation], path: Path) -> None:
    """Write the page; it needs no network and no other file.

    Args:
        evaluations: at least one, each with its folder; the first is the one that others are compared with.
        path: the file to write.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template(_TEMPLATE).render(
        title=" · ".join(dict.fromkeys(entry.about["task"] for entry in evaluations)),
        methods=[_method(entry, number) for number, entry in enumerate(evaluations)],
        comparison=_comparison(evaluations) if len(evaluations) > 1 else None,
        charts=_charts(evaluations),
    )
    with whole_file(path) as file:
        file.write_text(page, encoding="utf-8")


def _method(evaluation: Evaluation, number: int) -> dict:
    """What the page shows of one evaluation."""
    about = evaluation.about
    columns = {who: evaluation.summaries(who) for who in evaluation.episodes}
    plain = {key: value for key, value in about.items() if not isinstance(value, (dict, list))}
    return {
        "name": evaluation.name,
        "colour": number % COLOURS,
        "seeds": len(evaluation.episodes[POLICY]),
        "episodes": about["episodes"],
        "columns": [*columns, f"{POLICY}, IQM"],
        "rows": [
            {
                "title": METRICS[name].title,
                "cells": [mean_cell(column[name]) for column in columns.values()] + [iqm_cell(columns[POLICY][name])],
            }
            for name in evaluation.metrics()
        ],
        "video": _video(evaluation),
        "settings": {**about["settings"], **_flat("env reward", about["env reward"])},
        "provenance": {
            **plain,
            **_flat("reference", about["reference"]),
            **_flat("mocap", about["mocap"] or {}),
            **_flat("version of", about["versions"]),
            **{
                key: value
                for seed, checkpoint in enumerate(about["checkpoints"])
                for key, value in _flat(f"checkpoint {seed}", checkpoint).items()
            },
        },
    }


def _comparison(evaluations: list[Evaluation]) -> dict:
    first, *others = evaluations
    summaries = [entry.summaries(POLICY) for entry in evaluations]
    names = [name for name in METRICS if any(name in entry.metrics() for entry in evaluations)]
    return {
        "columns": [title for entry in evaluations for title in (entry.name, f"{entry.name}, IQM")]
        + [f"P({first.name} > {entry.name})" for entry in others],
        "rows": [
            {
                "title": METRICS[name].title,
                "cells": [part(summary[name]) for summary in summaries for part in (mean_cell, iqm_cell)]
                + [_split(improvement(first, entry, name)) for entry in others],
            }
            for name in names
        ],
        "notes": differences(evaluations),
    }


def _charts(evaluations: list[Evaluation]) -> list[dict[str, str]]:
    """Charts by tag, a line a run."""
    by_tag: dict[str, list[Curve]] = {}
    for number, entry in enumerate(evaluations):
        for folder in dict.fromkeys(Path(checkpoint["path"]).parent for checkpoint in entry.about["checkpoints"]):
            for tag, curve in read_curves(folder, number % COLOURS).items():
                by_tag.setdefault(tag, []).append(curve)
    return [{"tag": tag, "svg": draw(tag, curves)} for tag, curves in by_tag.items()]


def _video(evaluation: Evaluation) -> str | None:
    """The rollout's film as base64, or None where it was taken away."""
    path = None if evaluation.folder is None else evaluation.folder / VIDEO_FILE
    return base64.b64encode(path.read_bytes()).decode() if path is not None and path.is_file() else None


def _split(text: str) -> tuple[str, str]:
    head, _, tail = text.partition(" ")
    return head, tail


def _flat(prefix: str, values: dict) -> dict[str, str]:
    return {
        f"{prefix} {key}": ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in values.items()
    }
