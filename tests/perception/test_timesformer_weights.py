# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Where the TimeSformer's weights come from, and what is said in one line where they cannot be had. No network."""

from __future__ import annotations

import json
import pickle
import shutil

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file

from nil_ext.errors import InputError
from nil_ext.perception.encoders import TIMESFORMER, make_encoder, require_encoder
from nil_ext.perception.encoders.timesformer_weights import find_weights

COMMIT = "0" * 40


@pytest.fixture
def copy(tiny_timesformer, tmp_path):
    """A copy of the model's folder to spoil."""
    return shutil.copytree(tiny_timesformer, tmp_path / "copy")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The hub's cache on a machine without a network: an empty folder."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def fill(hub, folder, names) -> None:
    """Lay files into the cache as the hub's client does, the newest commit under refs/main."""
    repo = hub / ("models--" + TIMESFORMER.replace("/", "--"))
    snapshot = repo / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    for name in names:
        shutil.copy(folder / name, snapshot / name)


def refusal(weights: object) -> str:
    """What is said of weights; one line that names both remedies."""
    with pytest.raises(InputError) as caught:
        make_encoder("timesformer", weights=str(weights))
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    assert "set env.commands.reference.encoder=efficientnet, or name a folder" in message
    assert "env.commands.reference.encoder_weights" in message
    return message


def test_the_cache_of_the_hub_goes_first(hub, tiny_timesformer):
    fill(hub, tiny_timesformer, ["config.json", "preprocessor_config.json", "model.safetensors"])
    require_encoder("timesformer")
    assert make_encoder("timesformer").clip_length == 8
    assert find_weights(TIMESFORMER).name == COMMIT


def test_offline_without_weights(hub):
    message = refusal(TIMESFORMER)
    assert message.startswith(f"TimeSformer '{TIMESFORMER}' is not on this machine and cannot be downloaded (")
    with pytest.raises(InputError, match="cannot be downloaded"):
        require_encoder("timesformer")
    require_encoder("efficientnet")


def test_half_a_download(hub, tiny_timesformer):
    fill(hub, tiny_timesformer, ["config.json", "preprocessor_config.json"])
    message = refusal(TIMESFORMER)
    assert "is incomplete in" in message and "model.safetensors is missing" in message


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file(copy, name):
    (copy / name).unlink()
    assert refusal(copy).startswith(f"TimeSformer folder '{copy}' lacks {name}: ")


def test_a_folder_that_is_not_there(tmp_path):
    assert "neither a folder nor a hub id" in refusal(tmp_path / "nothing")


@pytest.mark.parametrize("size", [0, 100, 20_000])
def test_a_torn_file(copy, size):
    with open(copy / "model.safetensors", "r+b") as file:
        file.truncate(size)
    assert refusal(copy).startswith(f"TimeSformer '{copy}' cannot be read (")


def test_another_model(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"model_type": "videomae"}))
    assert f"'{copy}' holds a model of type 'videomae', not a timesformer" in refusal(copy)
    (copy / "config.json").write_text("{")
    assert "cannot be read" in refusal(copy)


def test_a_part_of_the_model_is_not_filled_up_with_random_numbers(copy):
    tensors = load_file(copy / "model.safetensors")
    del tensors["timesformer.encoder.layer.1.attention.attention.qkv.weight"]
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    assert "is only a part of the model ('encoder.layer.1.attention.attention.qkv.weight' is missing)" in refusal(copy)


def test_a_processor_of_another_size(copy):
    config = json.loads((copy / "preprocessor_config.json").read_text())
    config["crop_size"] = {"height": 24, "width": 24}
    (copy / "preprocessor_config.json").write_text(json.dumps(config))
    with pytest.raises(
        InputError, match="takes pictures of 32 px, but its image processor resizes to 32 and crops to 24"
    ):
        make_encoder("timesformer", weights=str(copy))


def test_the_hub_s_older_formats_load(copy, tiny_timesformer):
    """The published model: weights in pytorch_model.bin, and a preprocessor_config.json from before 2023."""
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    old = {
        "crop_size": 32,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "VideoMAEFeatureExtractor",
        "image_mean": [0.45, 0.45, 0.45],
        "image_std": [0.225, 0.225, 0.225],
        "resample": 2,
        "size": 32,
    }
    (copy / "preprocessor_config.json").write_text(json.dumps(old))
    clip = torch.randint(0, 256, (2, 8, 20, 20, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = make_encoder("timesformer", weights=str(tiny_timesformer)).clip(clip)
    torch.testing.assert_close(make_encoder("timesformer", weights=str(copy)).clip(clip), expected, atol=0, rtol=0)


class Intruder:
    """Runs code when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_checkpoint_runs_no_code(copy, tmp_path):
    (copy / "model.safetensors").unlink()
    content = {"timesformer.layernorm.bias": Intruder(tmp_path / "owned")}
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(content, protocol=2))
    assert "cannot be read" in refusal(copy)
    torch.save(content, copy / "pytorch_model.bin")
    assert "cannot be read" in refusal(copy)
    assert not (tmp_path / "owned").exists()
