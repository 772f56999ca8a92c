# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Evaluations made up here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nil_ext.evaluation import METRICS, Evaluation
from nil_ext.evaluation.results import VIDEO_FILE
from nil_ext.reference.video import write_video


def _seed(value: float, episodes: int = 4) -> dict[str, np.ndarray]:
    """Every metric ``value``, ``value + 1``, ...; nobody's gait repeats, and the first episode has no symmetry."""
    values = {name: value + np.arange(float(episodes)) for name in METRICS}
    values["gait_period"] = values["gait_period_error"] = np.full(episodes, np.nan)
    values["symmetry"] = np.where(np.arange(episodes) == 0, np.nan, values["symmetry"])
    return values


@pytest.fixture
def make_evaluation(tmp_path: Path) -> Callable[..., Evaluation]:
    """``make_evaluation(name, *values)``: a written evaluation, a seed a value, with a film and a run folder."""

    def make(name: str, *values: float, film: bool = True) -> Evaluation:
        run = tmp_path / name
        about = {
            "task": "NIL-H1-Walk",
            "episodes": 4,
            "settings": {"control rate [Hz]": 25.0, "encoder": "efficientnet"},
            "reference": {"path": "embedded", "digest": "aa8a6937a21fb8d384d757677ceaa3f6"},
            "versions": {"nil_ext": "0.1.0"},
            "commit": "59a5e72eccc48018d70b2e9bfede523a246c8d9f",
            "env reward": {"kind": "humanoid", "largest value": 400},
            "mocap": None,
            "checkpoints": [
                {"path": str(run / f"model_{number}.pt"), "sha256": "0f" * 32, "seed": 6 + number}
                for number in range(len(values))
            ],
        }
        controls = {"standing": [_seed(0.0)], "random": [_seed(-5.0)]}
        evaluation = Evaluation(name, about, {"policy": [_seed(value) for value in values]} | controls)
        evaluation.write(run / "evaluation")
        if film:
            pictures = np.random.default_rng(0).integers(0, 255, (10, 64, 192, 3), dtype=np.uint8)
            write_video(run / "evaluation" / VIDEO_FILE, pictures, 25.0)
        return evaluation

    return make
