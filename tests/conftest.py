# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Fixtures that every test folder may use."""

from __future__ import annotations

from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared"
"""Third-party clips, trajectories and golden numbers, laid beside the checkout where they may be used."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of third-party test inputs; the test is skipped where it is absent."""
    if not _SHARED.is_dir():
        pytest.skip("needs the third-party inputs in ../shared, which are not part of the repository")
    return _SHARED


@pytest.fixture(scope="session")
def tiny_timesformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TimeSformer with random weights in the files of the real one: 8 frames of 32 px, 2 layers 24 wide."""
    import torch
    from transformers import TimesformerConfig, TimesformerForVideoClassification, VideoMAEImageProcessor

    torch.manual_seed(0)
    sizes = {"image_size": 32, "patch_size": 8, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    # the usual 0.02 is for training: with it the attention of a random network hardly changes anything
    model = TimesformerForVideoClassification(
        TimesformerConfig(**sizes, intermediate_size=48, num_frames=8, initializer_range=0.2, num_labels=5)
    )
    torch.nn.init.normal_(model.timesformer.embeddings.time_embeddings, std=0.4)  # zeros: frames could change places
    folder = tmp_path_factory.mktemp("timesformer")
    model.save_pretrained(folder)
    VideoMAEImageProcessor(
        size={"shortest_edge": 32},
        crop_size={"height": 32, "width": 32},
        image_mean=[0.45, 0.45, 0.45],
        image_std=[0.225, 0.225, 0.225],
    ).save_pretrained(folder)
    return folder
