# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Agreement of cheaper similarities with the exact one, on recordings that were made up; no simulator."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nil_ext.cli import benchmark, signal_fast
from nil_ext.cli.signal_benchmark import _similarity
from nil_ext.cli.signal_fast import KINDS, MODES, Recording, compare_modes, interpolate
from nil_ext.perception.similarity import KINDS as KINDS_OF_SIMILARITY
from nil_ext.tasks.mdp.commands_cfg import ReferenceCommandCfg


def test_values_between_lie_on_a_line_within_their_episode():
    held = np.array([[0, 0, 4, 4, 8, 1, 2, 2, 6, 9]], dtype=float).T  # episodes begin at steps 5 and 9
    ended = np.zeros((10, 1), dtype=bool)
    ended[[4, 8]] = True
    assert interpolate(held, ended, 2)[:, 0].tolist() == [0, 2, 4, 6, 8, 2, 2, 4, 6, 9]
    ended[:] = False
    ended[9] = True  # the end of the recording changes nothing
    assert interpolate(np.array([[1, 1, 1, 5, 5, 5, 7, 7, 7, 1.0]]).T, ended, 3)[:, 0] == pytest.approx(
        [1, 7 / 3, 11 / 3, 5, 17 / 3, 19 / 3, 7, 5, 3, 1]
    )


def recording(count: int = 12, size: int = 64) -> tuple[Recording, tuple[torch.Tensor, torch.Tensor]]:
    """A bar that swings; environment i, of kind i, lags by i frames."""
    masks = torch.zeros(count + len(KINDS), size, size, dtype=torch.bool)
    for t in range(len(masks)):
        left = round(20 + 12 * np.sin(t / 3))
        masks[t, 10:50, left : left + 10] = True
    frames = torch.full((*masks.shape, 3), 90, dtype=torch.uint8).masked_fill(~masks.unsqueeze(-1), 255)
    lag = torch.arange(len(KINDS))
    steps = [torch.full_like(lag, t) + lag for t in range(count)]
    nothing = torch.zeros(len(KINDS), dtype=torch.bool)
    made = Recording(
        [frames[step] for step in steps],
        [masks[step] for step in steps],
        [step - lag for step in steps],
        [nothing] * count,
    )
    return made, (frames[:count], masks[:count])


@pytest.mark.parametrize("encoder", list(MODES))
def test_the_exact_way_agrees_with_itself(encoder, tiny_timesformer, tmp_path, monkeypatch):
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path))
    made, video = recording()
    cfg = ReferenceCommandCfg(encoder_weights=str(tiny_timesformer), centred=True)
    lines = compare_modes(made, video, cfg, encoder).splitlines()
    rows = {cells[0]: cells[1:] for cells in (line.strip("| ").split(" | ") for line in lines[2:-2])}
    assert list(rows) == [mode.name for mode in MODES[encoder]]
    assert rows["exact"][:5] == ["1.0", "1.000", "1.000", "0.0000", "1.000"]
    assert float(rows["every 4 steps, held"][3]) > 0.0
    if encoder == "efficientnet":
        assert rows["torch instead of ONNX Runtime"][1:] == rows["exact"][1:]


def test_signal_compares_as_training_would(tmp_path, monkeypatch):
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path))
    (frames, masks) = recording()[1]
    rollouts = {"itself": (frames, masks), "backwards": (frames.flip(0), masks.flip(0))}
    scores = {}
    for kind in KINDS_OF_SIMILARITY:
        cfg = SimpleNamespace(commands=SimpleNamespace(reference=ReferenceCommandCfg(similarity=kind)))
        scores[kind] = _similarity(cfg, "efficientnet", False, (frames, masks), rollouts)
    assert scores["cosine"]["itself"] == pytest.approx(1.0, abs=1e-4) and scores["cosine"]["backwards"] < 1.0
    assert scores["l2"]["itself"] == pytest.approx(0.0, abs=1e-2) and scores["l2"]["backwards"] < -0.1


def test_fast_counts_its_environments_itself(refuse, monkeypatch):
    monkeypatch.setattr(signal_fast, "open_session", None)
    line = refuse(benchmark.run, "fast", "--task", "NIL-A1-Walk", "--num_envs", 4)
    assert line == "--num_envs 4: here --copies says how many, of each kind of rollout."
