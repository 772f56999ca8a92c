# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The image-to-video models that diffusers can run, and how their authors sample from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nil_ext.errors import InputError


@dataclass(frozen=True)
class VideoModel:
    """One model. Size, frames, rate, steps and guidance are those of its model card or of diffusers' example."""

    generator: str
    """What ``--generator`` calls the family."""
    hub_id: str
    """Where the weights are published."""
    pipeline: str
    """Class in diffusers."""
    backbone: str
    """Class of the denoising network: tells a folder of this family from others."""
    sizes: tuple[tuple[int, int], ...]
    """Widths and heights that it was trained for [px]; the one that draws the robot largest is taken."""
    multiple: int
    """Width and height must be multiples of this [px]."""
    frames: int
    """Length of the video [frames]."""
    rate: float
    """Frames per second that the motion is meant for [Hz]."""
    steps: int
    """Denoising steps."""
    guidance: float
    """Scale of the guidance."""
    memory: float
    """GPU memory that must be free for all parts to stay on the GPU [GiB]; with less, one part is there at a time.
    Estimated from the parameter counts in 16 bit with a third to a half added for activations; not measured."""
    licence: str
    """Licence of the weights. What it allows is the user's business."""
    dtype: str = "bfloat16"
    """Precision on a GPU; a CPU runs float32."""
    float32: tuple[str, ...] = ()
    """Parts that stay in float32."""
    prompted: bool = True
    """Whether it reads a prompt."""
    guidance_argument: str = "guidance_scale"
    """What the pipeline calls the guidance."""
    needs: tuple[str, ...] = ()
    """Packages without which diffusers cannot run it."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Further arguments of a call."""


VIDEO_MODELS = (
    VideoModel(
        generator="wan",
        hub_id="Wan-AI/Wan2.2-TI2V-5B-Diffusers",
        pipeline="WanImageToVideoPipeline",
        backbone="WanTransformer3DModel",
        sizes=((1280, 704), (704, 1280)),
        multiple=32,
        frames=121,
        rate=24.0,
        steps=50,
        guidance=5.0,
        memory=36.0,
        licence="Apache-2.0",
        float32=("vae",),  # as diffusers' examples do
        needs=("accelerate", "ftfy"),  # parts in float32 among 16-bit ones; the prompt's clean-up
    ),
    VideoModel(
        generator="wan",
        hub_id="Wan-AI/Wan2.1-I2V-14B-480P-Diffusers",
        pipeline="WanImageToVideoPipeline",
        backbone="WanTransformer3DModel",
        sizes=((832, 480), (480, 832)),
        multiple=16,
        frames=81,
        rate=16.0,
        steps=50,
        guidance=5.0,
        memory=64.0,
        licence="Apache-2.0",
        float32=("vae", "image_encoder"),
        needs=("accelerate", "ftfy"),
    ),
    VideoModel(
        generator="wan",
        hub_id="Wan-AI/Wan2.2-I2V-A14B-Diffusers",
        pipeline="WanImageToVideoPipeline",
        backbone="WanTransformer3DModel",
        sizes=((832, 480), (480, 832)),
        multiple=16,
        frames=81,
        rate=16.0,
        steps=40,
        guidance=3.5,
        memory=96.0,
        licence="Apache-2.0",
        float32=("vae",),
        needs=("accelerate", "ftfy"),
    ),
    VideoModel(
        generator="cogvideox",
        hub_id="THUDM/CogVideoX1.5-5B-I2V",
        pipeline="CogVideoXImageToVideoPipeline",
        backbone="CogVideoXTransformer3DModel",
        sizes=((1360, 768), (768, 1360)),
        multiple=16,
        frames=81,
        rate=16.0,
        steps=50,
        guidance=6.0,
        memory=36.0,
        licence="CogVideoX licence",
    ),
    VideoModel(
        generator="ltx",
        hub_id="Lightricks/LTX-Video",
        pipeline="LTXImageToVideoPipeline",
        backbone="LTXVideoTransformer3DModel",
        sizes=((704, 480), (480, 704)),
        multiple=32,
        frames=121,
        rate=25.0,
        steps=50,
        guidance=3.0,
        memory=20.0,
        licence="LTX-Video licence",
        extra={"frame_rate": 25, "decode_timestep": 0.05, "decode_noise_scale": 0.025},
    ),
    VideoModel(
        generator="hunyuan",
        hub_id="hunyuanvideo-community/HunyuanVideo-I2V",
        pipeline="HunyuanVideoImageToVideoPipeline",
        backbone="HunyuanVideoTransformer3DModel",
        sizes=((1280, 720), (720, 1280)),
        multiple=16,
        frames=129,
        rate=24.0,
        steps=50,
        guidance=6.0,
        memory=72.0,
        licence="Tencent Hunyuan Community licence",
    ),
    VideoModel(
        generator="svd",
        hub_id="stabilityai/stable-video-diffusion-img2vid-xt",
        pipeline="StableVideoDiffusionPipeline",
        backbone="UNetSpatioTemporalConditionModel",
        sizes=((1024, 576), (576, 1024)),
        multiple=64,
        frames=25,
        rate=7.0,
        steps=25,
        guidance=3.0,
        memory=20.0,
        licence="Stability AI Community licence",
        dtype="float16",
        prompted=False,
        guidance_argument="max_guidance_scale",
        extra={"fps": 7, "motion_bucket_id": 127, "noise_aug_strength": 0.02, "decode_chunk_size": 8},
    ),
)
"""The first of each family is its default."""

GENERATORS = tuple(dict.fromkeys(model.generator for model in VIDEO_MODELS))
"""The families, by their ``--generator`` names."""


def video_model(generator: str, model: str | None = None) -> VideoModel:
    """The row of a family: that of the named hub id if there is one, else the family's default.

    A local folder or an unlisted hub id is sampled with the default's settings.

    Raises:
        InputError: When the hub id belongs to another family.
    """
    rows = [row for row in VIDEO_MODELS if row.hub_id == model]
    if rows and rows[0].generator != generator:
        raise InputError(f"--model {model} is no '{generator}' model: give --generator {rows[0].generator}.")
    return rows[0] if rows else next(row for row in VIDEO_MODELS if row.generator == generator)
