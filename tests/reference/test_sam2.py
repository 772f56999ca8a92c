# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Segmenters: the choice, the clean-up, and SAM2's real video predictor with few random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from nil_ext.errors import ClipError, InputError
from nil_ext.reference.segmenters import SegmenterChoice, sam2_video, segment
from nil_ext.reference.segmenters.segmentation import Segmentation, clean_mask

pytest.importorskip("sam2", reason="SAM2 is an optional package")
OmegaConf = pytest.importorskip("omegaconf").OmegaConf


@pytest.fixture(scope="module")
def tiny_sam2(tmp_path_factory: pytest.TempPathFactory) -> SegmenterChoice:
    """SAM2.1's own tiny configuration with every width cut down, and random weights as the package saves them."""
    import sam2

    folder = tmp_path_factory.mktemp("sam2")
    config = OmegaConf.load(Path(sam2.__path__[0]) / "configs" / "sam2.1" / "sam2.1_hiera_t.yaml")
    model = config.model
    model.image_size = 128
    # random weights cannot tell whether the object is there: it always is
    model.update(pred_obj_scores=False, pred_obj_scores_mlp=False, fixed_no_obj_ptr=False)
    trunk, neck = model.image_encoder.trunk, model.image_encoder.neck
    trunk.update(embed_dim=8, stages=[1, 1, 2, 1], global_att_blocks=[3])
    neck.update(d_model=32, backbone_channel_list=[64, 32, 16, 8])
    neck.position_encoding.num_pos_feats = 32
    model.memory_attention.update(d_model=32, num_layers=1)
    layer = model.memory_attention.layer
    layer.update(d_model=32, dim_feedforward=32)
    layer.self_attention.update(embedding_dim=32, feat_sizes=[8, 8])
    layer.cross_attention.update(embedding_dim=32, feat_sizes=[8, 8], kv_in_dim=16)
    memory = model.memory_encoder
    memory.update(in_dim=32, out_dim=16)
    memory.position_encoding.num_pos_feats = 16
    memory.mask_downsampler.embed_dim = 32
    memory.fuser.layer.dim = 32
    OmegaConf.save(config, folder / "tiny.yaml")

    from hydra.utils import instantiate

    torch.manual_seed(0)
    settings = OmegaConf.merge(model, sam2_video._POSTPROCESSING)
    torch.save({"model": instantiate(settings).state_dict()}, folder / "tiny.pt")
    return SegmenterChoice(sam2_model=str(folder / "tiny.pt"), sam2_config=str(folder / "tiny.yaml"))


# -- SAM2


def test_sam2_follows_from_the_first_frame_s_mask(walk, tiny_sam2):
    frames, masks = walk(6)
    choice = replace(tiny_sam2, name="sam2", first_mask=masks[0])
    found = segment(frames, choice)
    assert found.masks.shape == masks.shape and found.masks.dtype == bool
    # the mask that it is shown comes back as the first frame's, up to the network's 128 px and the clean-up
    assert (found.masks[0] & masks[0]).sum() / (found.masks[0] | masks[0]).sum() > 0.8
    assert np.array_equal(segment(frames, choice).masks, found.masks)
    other = segment(frames, replace(choice, first_mask=masks[0][:, ::-1]))
    assert not np.array_equal(other.masks[1:], found.masks[1:])  # the prompt is remembered in later frames
    assert found.manifest() | {"failures": {}} == {
        "name": "sam2",
        "reason": "asked for",
        "model": "tiny.pt",
        "failures": {},
    }


def test_the_prompt_is_brought_to_the_clip_s_size(walk, tiny_sam2):
    _, masks = walk(1)
    height, width = masks.shape[1:]
    large = masks[0].repeat(3, axis=0).repeat(3, axis=1)
    assert np.array_equal(sam2_video._fit_prompt(large, (height, width)), masks[0])
    with pytest.raises(InputError, match="is 120x160, the clip 160x120, another shape"):
        sam2_video._fit_prompt(masks[0], (width, height))
    with pytest.raises(InputError, match="has to be shown the robot in the first frame"):
        segment(walk(1)[0], replace(tiny_sam2, name="sam2"))


def test_wrong_weights_and_configurations_are_one_line(tiny_sam2, tmp_path, monkeypatch):
    def load(model: object = tiny_sam2.sam2_model, config: object = tiny_sam2.sam2_config) -> str:
        with pytest.raises(InputError) as caught:
            sam2_video.load_predictor(str(model), config and str(config), "cpu")
        assert "\n" not in str(caught.value)
        return str(caught.value)

    class Code:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    assert "No such SAM2 checkpoint: 'facebook/sam3'" in load("facebook/sam3")
    assert "Its name does not tell" in load(config=None)
    assert "No such SAM2 configuration: 'sam2_xl'" in load(config="sam2_xl")
    torch.save({"model": {"weight": torch.zeros(1)}}, tmp_path / "other.pt")
    assert "holds no weights for this SAM2 configuration" in load(tmp_path / "other.pt")
    torch.save({"model": Code()}, tmp_path / "code.pt")
    assert "holds no weights" in load(tmp_path / "code.pt")
    assert not (tmp_path / "ran").exists()
    (tmp_path / "empty.pt").touch()
    assert "holds no weights" in load(tmp_path / "empty.pt")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert "cannot be had from the hub" in load("facebook/sam2.1-hiera-tiny", None)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "sam2.build_sam.torch.load",  # through a module of SAM2's to what it imports
        "sam2.build_sam.build_sam2",  # builds whatever its overrides name
        "sam2.sam2_video_predictor.SAM2VideoPredictor.from_pretrained",
        "sam2.modeling.backbones.hieradet.nn.Linear",
        "sam2.modeling",
        "sam2.no_such.Thing",
    ],
)
def test_a_configuration_builds_nothing_but_sam2_s_networks(target, tiny_sam2, tmp_path):
    class Code:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save(Code(), tmp_path / "code.pt")
    config = OmegaConf.load(tiny_sam2.sam2_config)
    config.model.memory_encoder.fuser = {"_target_": target, "f": str(tmp_path / "code.pt"), "weights_only": False}
    OmegaConf.save(config, tmp_path / "evil.yaml")
    with pytest.raises(InputError, match=f"asks for '{target}', which is none of SAM2's classes"):
        sam2_video.load_predictor(tiny_sam2.sam2_model, str(tmp_path / "evil.yaml"), "cpu")
    assert not (tmp_path / "ran").exists()


# -- the choice


def test_the_background_decides_and_the_reason_is_recorded(walk, tiny_sam2):
    frames, masks = walk(3)
    found = segment(frames, replace(tiny_sam2, first_mask=masks[0]))
    assert (found.name, found.reason) == ("background", "100% of the picture's rim has one colour")
    assert found.manifest()["background"] == pytest.approx([251] * 3, abs=1)
    noise = np.random.default_rng(0).integers(0, 256, frames.shape).astype(np.uint8)
    busy = np.where(masks[..., None], frames, noise)
    found = segment(busy, replace(tiny_sam2, first_mask=masks[0]))
    assert found.name == "sam2" and "of the picture's rim has one colour" in found.reason
    # without weights it is this clip that cannot be used, unless SAM2 was asked for: one on a plain background could
    lacking = replace(tiny_sam2, first_mask=masks[0], sam2_model=tiny_sam2.sam2_config)
    with pytest.raises(ClipError):
        segment(busy, lacking)
    with pytest.raises(InputError) as refused:
        segment(busy, replace(lacking, name="sam2"))
    assert not isinstance(refused.value, ClipError)
    for name in ("auto", "background"):  # without a prompt, or where the key is asked for
        with pytest.raises(InputError, match="not plain"):
            segment(busy, SegmenterChoice(name=name, first_mask=masks[0] if name == "background" else None))


def test_the_cache_tells_choices_apart(tiny_sam2):
    mask = np.eye(8, dtype=bool)
    keys = [SegmenterChoice(), SegmenterChoice("sam2"), tiny_sam2, SegmenterChoice(first_mask=mask)]
    keys += [SegmenterChoice(first_mask=mask[::-1])]
    assert len({str(choice.key()) for choice in keys}) == 5


# -- the clean-up


def test_specks_second_objects_and_holes_go():
    raw = np.zeros((120, 120), dtype=bool)
    raw[20:100, 20:60] = True  # 80 x 40 = 3200 pixels
    robot = raw.copy()
    raw[50:53, 30:34] = False  # 12 pixels: a hole below 0.4 %
    raw[60:70, 40:50] = robot[60:70, 40:50] = False  # 100: daylight
    raw[101:103, 30:40] = robot[101:103, 30:40] = True  # one pixel below the body: a foot cut off, 20 pixels
    raw[20:60, 90:110] = True  # 800 pixels, 30 away: another object
    raw[110, 110] = True  # a speck
    mask, second = clean_mask(raw)
    assert np.array_equal(mask, robot)
    assert second == pytest.approx(800 / 3120)
    assert not clean_mask(np.zeros_like(raw))[0].any()
    kept, second = clean_mask(raw, sure=cv2.rectangle(np.zeros(raw.shape, np.uint8), (95, 30), (96, 31), 1, -1) > 0)
    assert kept.sum() == 800 and second == 0.0  # only the piece that holds a sure pixel


def test_failures_are_named_by_frame():
    masks = np.zeros((6, 20, 20), dtype=bool)
    masks[:, :10, :10] = True
    masks[1] = False
    masks[2, 5:] = False  # half of it
    masks[3, :10, :17] = True
    found = Segmentation(masks, np.array([0, 0, 0, 0, 0.4, 0.1]), "sam2", "asked for", {})
    assert found.failures == {
        1: "no robot",
        2: "area 50% of the median",
        3: "area 170% of the median",
        4: "a second piece of 40%",
    }
    assert list(found.manifest()["failures"]) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("clip", ["h1", "g1", "talos", "a1"])
def test_real_clips_have_no_failures(shared, clip):
    from nil_ext.reference.video import decode_video

    frames, _ = decode_video(shared / "references" / f"{clip}_walk.mp4")
    assert segment(frames[::5], SegmenterChoice()).failures == {}
