# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""ST-LPIPS: how unlike two pictures look, by a network that small shifts do not upset (Ghildyal and Liu, ECCV 2022).

LPIPS with an AlexNet whose steps are blurred before they are thinned, trained anew. Its numbers are not LPIPS's. The
weights are those of the ``stlpips-pytorch`` package (BSD-2), whose own code is not run: it wants packages that nothing
else here needs. ``tests/reference/test_st_lpips.py`` holds the two against each other.
"""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from nil_ext.errors import InputError

VARIANT = "ST-LPIPS (AlexNet, shift-tolerant, vST0.0)"
"""Which measure it is, by the weights' own name; for reports."""

BATCH = 8
"""Pairs in one pass (ours; some hundred MB at 224 px)."""


class StLpips:
    """Distance of pictures: 0 for equal ones, about 0.1 to 0.6 for others."""

    def __init__(self, weights: Path | None = None, device: str | torch.device = "cpu"):
        """Load the network.

        Args:
            weights: file of the published weights; those of the ``stlpips-pytorch`` package if None.
            device: where to run.
        """
        path = wheel_weights() if weights is None else weights
        try:
            stored = torch.load(path, map_location=device, weights_only=True)
            self._layers = [
                (stored[f"net.{name}.weight"], stored[f"net.{name}.bias"])
                for name in ("slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13")
            ]
            self._shares = [stored[f"lin{layer}.model.1.weight"] for layer in range(len(self._layers))]
            self._shift, self._scale = stored["scaling_layer.shift"], stored["scaling_layer.scale"]
        except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError, AttributeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"{path} does not hold the weights of ST-LPIPS ({reason}): install stlpips-pytorch==0.0.2 again."
            ) from error

    @torch.inference_mode()
    def __call__(self, some: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Distances (N,) of pictures (N, H, W, 3) uint8 to others of the same shape."""
        parts = range(0, len(some), BATCH)
        return np.concatenate([self._distance(some[i : i + BATCH], others[i : i + BATCH]) for i in parts])

    def _distance(self, some: np.ndarray, others: np.ndarray) -> np.ndarray:
        total = torch.zeros(len(some), device=self._shift.device)
        for one, other, share in zip(self._features(some), self._features(others), self._shares, strict=True):
            total += functional.conv2d((one - other) ** 2, share).mean(dim=(1, 2, 3))
        return total.cpu().double().numpy()

    def _features(self, pictures: np.ndarray) -> list[torch.Tensor]:
        """Features (N, C, h, w) of each layer, of length 1 at each place."""
        x = torch.from_numpy(np.ascontiguousarray(pictures)).to(self._shift.device).permute(0, 3, 1, 2)
        x = (x.float() / 127.5 - 1.0 - self._shift) / self._scale
        found = []
        for layer, (weight, bias) in enumerate(self._layers):
            if layer in (1, 2):
                x = _halved(functional.max_pool2d(x, 3, stride=1))
            x = functional.conv2d(x, weight, bias, padding=2 if layer < 2 else 1)
            x = functional.relu(_halved(x) if layer == 0 else x)
            found.append(x / (x.norm(dim=1, keepdim=True) + 1e-10))
        return found


def _halved(x: torch.Tensor) -> torch.Tensor:
    """Blurred by 1, 2, 1 in both directions, and every second row and column of it; two more on each side, mirrored."""
    line = torch.tensor([0.25, 0.5, 0.25], device=x.device)
    kernel = torch.outer(line, line).expand(x.shape[1], 1, 3, 3)
    return functional.conv2d(functional.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, stride=2, groups=x.shape[1])


def wheel_weights() -> Path:
    """The weights that the ``stlpips-pytorch`` package carries, found without importing it.

    Raises:
        InputError: When it is not installed.
    """
    spec = importlib.util.find_spec("stlpips_pytorch")
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / "weights" / "vST0.0" / "alex_shift_tolerant.pth" if folders else None
    if path is None or not path.is_file():
        raise InputError(
            "The weights of ST-LPIPS are not installed: install the package stlpips-pytorch==0.0.2, or leave "
            "--mocap_render out."
        )
    return path
