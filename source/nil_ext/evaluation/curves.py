# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Training curves from a run's TensorBoard events, drawn as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from .run_params import read_params

_STEPS = "Train/env_steps"
_SHOWN = ("Train/mean", "Metrics/", "Episode_Reward/", "Episode_Termination/")
_OVER_SECONDS = "/time"
"""End of the tags that rsl_rl logs a second time, by seconds instead of iterations."""

_POINTS = 200
"""Most points of a drawn line; more would only make the page heavy."""

_WIDTH, _HEIGHT = 320, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 8, 8, 22


@dataclass(frozen=True)
class Curve:
    """A scalar over training."""

    steps: np.ndarray
    """Environment steps, or iterations where the run does not tell those. Shape is (K,)."""

    values: np.ndarray
    """Shape is (K,)."""

    colour: int = 0
    """Number of the method, which has a colour of its own."""


def read_curves(folder: Path, colour: int = 0) -> dict[str, Curve]:
    """Every scalar of a run worth drawing, by tag; empty where the folder holds no events."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not any(folder.glob("events.out.tfevents.*")):
        return {}
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    tags = events.Tags()["scalars"]
    env_steps = {event.step: event.value for event in events.Scalars(_STEPS)} if _STEPS in tags else {}
    each = None if env_steps else _steps_of_an_iteration(folder)

    def env_step(iteration: int) -> float:
        if env_steps:
            # a run that was killed may lack those of its last iteration
            return float(np.interp(iteration, *zip(*sorted(env_steps.items()), strict=True)))
        # rsl_rl's own runner counts no environment steps, and its first iteration is number 0
        return iteration if each is None else (iteration + 1) * each

    curves = {}
    shown = (tag for tag in tags if tag.startswith(_SHOWN) and not tag.endswith(_OVER_SECONDS))
    for tag in sorted(shown, key=_order):
        scalars = events.Scalars(tag)
        kept = np.unique(np.linspace(0, len(scalars) - 1, min(_POINTS, len(scalars))).round().astype(int))
        points = [(env_step(scalars[i].step), scalars[i].value) for i in kept]
        steps, values = np.array(points, dtype=float).T
        finite = np.isfinite(values)
        if finite.any():
            curves[tag] = Curve(steps[finite], values[finite], colour)
    return curves


def _steps_of_an_iteration(folder: Path) -> int | None:
    """Environment steps of an iteration, as a run's settings tell; None where they do not."""
    try:
        env, agent = read_params(folder)
        return env["scene"]["num_envs"] * agent["num_steps_per_env"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def draw(tag: str, curves: list[Curve]) -> str:
    """One chart as an SVG element, coloured by the page's style (classes ``line c0``, ``c1``, ...)."""
    x_range = _range(np.concatenate([curve.steps for curve in curves]))
    y_range = _range(np.concatenate([curve.values for curve in curves]))

    def x(values: np.ndarray) -> np.ndarray:
        return _LEFT + (values - x_range[0]) / (x_range[1] - x_range[0]) * (_WIDTH - _LEFT - _RIGHT)

    def y(values: np.ndarray) -> np.ndarray:
        return _HEIGHT - _BOTTOM - (values - y_range[0]) / (y_range[1] - y_range[0]) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(tag)}">']
    for value in y_range:
        height = float(y(np.array(value)))
        parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{height:.1f}" y2="{height:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 4}" y="{height + 3:.1f}" text-anchor="end">{value:.3g}</text>')
    for value, anchor in zip(x_range, ("start", "end"), strict=True):
        place = float(x(np.array(value)))
        parts.append(f'<text x="{place:.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{_short(value)}</text>')
    for curve in curves:
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x(curve.steps), y(curve.values), strict=True))
        if len(curve.steps) == 1:
            centre = points.split(",")
            parts.append(f'<circle class="dot c{curve.colour}" cx="{centre[0]}" cy="{centre[1]}" r="2.5"/>')
        else:
            parts.append(f'<polyline class="line c{curve.colour}" points="{points}"/>')
    return "".join(parts) + "</svg>"


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _order(tag: str) -> tuple[int, str]:
    return next(place for place, prefix in enumerate(_SHOWN) if tag.startswith(prefix)), tag


def _short(count: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if abs(count) >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.3g}"
