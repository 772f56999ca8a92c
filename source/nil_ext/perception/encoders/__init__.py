# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Frozen networks that turn a clip of frames into an embedding."""

from __future__ import annotations

import torch

from nil_ext.errors import InputError
from nil_ext.perception.encoders.encoder import Encoder

__all__ = ["ENCODERS", "TIMESFORMER", "Encoder", "make_encoder", "require_encoder"]

ENCODERS = ("efficientnet", "timesformer")
"""Names of the encoders."""

TIMESFORMER = "facebook/timesformer-base-finetuned-k400"
"""The paper's encoder on the model hub: TimeSformer, divided space-time attention, Kinetics-400."""


def make_encoder(
    name: str,
    device: torch.device | str = "cpu",
    image_size: int = 0,
    weights: str = TIMESFORMER,
    pooling: str = "mean",
    precision: str = "fp32",
    compiled: bool = False,
    max_clips: int = 64,
    runtime: str = "auto",
    tokens: float = 1.0,
) -> Encoder:
    """Build an encoder by its name.

    Args:
        name: one of :data:`ENCODERS`.
        device: torch device that the frames live on.
        image_size: side of the network's input [pixel]; 0 for the encoder's own (efficientnet: 64, timesformer: its
            model's, the only one it takes).
        weights: local folder or hub id (timesformer).
        pooling: ``mean``, ``class`` or ``flat`` (timesformer).
        precision: ``fp32`` or ``bf16`` (timesformer).
        compiled: whether torch.compile is used (timesformer).
        max_clips: clips in one forward pass (timesformer).
        runtime: ``auto``, ``onnx`` or ``torch`` (efficientnet).
        tokens: share of a clip's patches that are kept (timesformer).
    """
    _require_known(name)
    if name == "timesformer":
        from nil_ext.perception.encoders.timesformer import TimesformerEncoder

        return TimesformerEncoder(weights, image_size, pooling, precision, compiled, max_clips, device, tokens)
    from nil_ext.perception.encoders.efficientnet import EfficientNetEncoder

    return EfficientNetEncoder(image_size=image_size or 64, device=device, runtime=runtime)


def require_encoder(name: str, weights: str = TIMESFORMER) -> None:
    """Refuse what :func:`make_encoder` would refuse for want of weights, before a simulator is started.

    Downloads the weights where they are named by a hub id and are not on this machine yet.

    Raises:
        InputError: When there is no such encoder or its weights cannot be had.
    """
    _require_known(name)
    if name == "timesformer":
        from nil_ext.perception.encoders.timesformer_weights import find_weights

        find_weights(weights)


def _require_known(name: str) -> None:
    if name not in ENCODERS:
        raise InputError(f"Unknown encoder '{name}': use one of {', '.join(ENCODERS)}.")
