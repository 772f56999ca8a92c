# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Frozen networks that turn a clip of frames into an embedding."""

from __future__ import annotations

from nil_ext.perception.encoders.encoder import Encoder

__all__ = ["Encoder", "make_encoder"]


def make_encoder(name: str, device: str = "cpu", **settings) -> Encoder:
    """Build an encoder by its name.

    Args:
        name: one of ``efficientnet``.
        device: torch device that the frames live on.
        settings: keyword arguments of the encoder's class.
    """
    from nil_ext.errors import InputError
    from nil_ext.perception.encoders.efficientnet import EfficientNetEncoder

    encoders = {"efficientnet": EfficientNetEncoder}
    if name not in encoders:
        raise InputError(f"Unknown encoder '{name}': use one of {', '.join(sorted(encoders))}.")
    return encoders[name](device=device, **settings)
