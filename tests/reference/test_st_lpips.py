# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""ST-LPIPS: against the code that its wheel carries, on pictures of the sketch, and without its weights."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from nil_ext.errors import InputError
from nil_ext.reference import Reference, st_lpips
from nil_ext.reference.st_lpips import StLpips, wheel_weights

SKETCH = Path(__file__).resolve().parents[2] / "assets" / "references" / "NIL-H1-Walk"


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """The H1's legs in its sketch at 50 Hz."""
    torch.set_num_threads(1)
    return Reference.load(SKETCH).frames[:46, 112:208, 64:160]


@pytest.fixture
def wheels_own(monkeypatch):
    """The wheel's own measure, which is imported for a drawing of networks and a console that it never uses."""
    for name in ("torchsummary", "IPython"):
        module = types.ModuleType(name)
        module.summary = module.embed = None
        monkeypatch.setitem(sys.modules, name, module)
    yield importlib.import_module("stlpips_pytorch.stlpips").LPIPS(net="alex", variant="shift_tolerant", verbose=False)
    for name in [name for name in sys.modules if name.startswith("stlpips_pytorch")]:
        del sys.modules[name]


def test_the_numbers_are_those_of_the_wheels_own_code(wheels_own, frames):
    some, others = frames[[0, 0, 5]], frames[[3, 12, 40]]
    images = [torch.from_numpy(x).permute(0, 3, 1, 2) / 127.5 - 1 for x in (some, others)]
    with torch.inference_mode():
        theirs = wheels_own(*images).flatten().numpy()
    np.testing.assert_allclose(StLpips()(some, others), theirs, rtol=1e-4, atol=1e-6)


def test_a_shift_counts_less_than_another_pose_and_batches_do_not_matter(frames, monkeypatch):
    monkeypatch.setattr(st_lpips, "BATCH", 2)
    first = frames[:1].repeat(3, axis=0)
    others = np.stack([frames[0], np.roll(frames[0], 1, axis=1), frames[12]])
    same, shifted, posed = StLpips()(first, others)
    assert same == pytest.approx(0.0, abs=1e-7)
    assert 0.0 < shifted < 0.3 * posed


def test_without_usable_weights_the_remedy_is_named(monkeypatch, tmp_path):
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"layer": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save(StLpips, tmp_path / "code.pth")  # never executed
    for name in ("text.pth", "other.pth", "code.pth"):
        with pytest.raises(InputError, match=name) as caught:
            StLpips(tmp_path / name)
        assert "\n" not in str(caught.value)
    monkeypatch.setattr(st_lpips.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"install the package stlpips-pytorch==0\.0\.2"):
        wheel_weights()
