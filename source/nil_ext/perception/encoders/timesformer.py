# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""TimeSformer: the paper's video encoder."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import nn

from nil_ext.errors import InputError
from nil_ext.perception.encoders.encoder import Encoder
from nil_ext.perception.encoders.timesformer_weights import find_weights, fingerprint, load_model
from nil_ext.perception.masks import composite

POOLINGS = ("mean", "class", "flat")
"""What is kept of the final hidden state (N, 1 + P * n_T, C): the mean of all tokens (N, C), the class token (N, C), or
every token side by side (N, (1 + P * n_T) * C)."""

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


class TimesformerEncoder(Encoder):
    """Final hidden state (after the last layer normalisation) of a TimeSformer on clips of white-background frames.

    The rings store uint8 pictures of the camera's size: the patch projection, the only layer that sees single frames,
    is half a percent of the work, and its output would take four times the memory of the pixels. Preprocessing is the
    model's own image processor's, as batched tensor code on the device.
    """

    name = "timesformer"
    per_frame = False

    def __init__(
        self,
        weights: str,
        image_size: int = 0,
        pooling: str = "mean",
        precision: str = "fp32",
        compiled: bool = False,
        max_clips: int = 64,
        device: torch.device | str = "cpu",
        tokens: float = 1.0,
    ):
        """Load the network.

        Args:
            weights: local folder or hub id.
            image_size: side of the network's input [pixel]; 0 or the model's own.
            pooling: one of :data:`POOLINGS`. The paper says "final hidden state" and no more; the mean is our reading.
            precision: ``fp32``, or ``bf16`` for weights and activations (the embedding is float32 in both).
            compiled: whether the network goes through torch.compile.
            max_clips: clips in one forward pass.
            device: where the frames live.
            tokens: share of a clip's patches that are kept, those that show most of the robot in any of its frames.
                Below 1 the embedding is another one: most patches of a white frame are white and say nothing of the
                pose, but the network was trained with all of them. Ours, unproven with real weights.
        """
        _require(pooling in POOLINGS, f"Unknown encoder_pooling '{pooling}': use one of {', '.join(POOLINGS)}.")
        _require(precision in PRECISIONS, f"Unknown encoder_precision '{precision}': use fp32 or bf16.")
        _require(0.0 < tokens <= 1.0, f"encoder_tokens {tokens} is no share: give more than 0 and at most 1.")
        _require(max_clips >= 1, f"encoder_batch {max_clips} leaves nothing to encode: give at least 1.")
        folder = find_weights(weights)
        model, processor = load_model(folder)
        size = model.config.image_size
        _require(
            image_size in (0, size),
            f"encoder_size {image_size} does not fit the TimeSformer '{weights}', which takes {size}: leave it at 0.",
        )
        self.clip_length = model.config.num_frames
        self.max_clips = max_clips
        self.pooling = pooling
        self.precision = precision
        self.preprocess = Preprocess(processor, size, device)
        """From uint8 pictures to the network's input."""
        self._rows = math.ceil(tokens * (size // model.config.patch_size))
        fuse_attention(model)
        self._network = model.to(device, PRECISIONS[precision])
        self._forward = torch.compile(self._hidden) if compiled else self._hidden
        self._manifest = {
            "name": self.name,
            "model": weights,
            "weights_sha256": fingerprint(folder),
            "clip_length": self.clip_length,
            "image_size": size,
            "state": "final hidden state",
            "pooling": pooling,
            "precision": precision,
            "compiled": compiled,
            "tokens": tokens,
            "reason": "the paper's encoder",
        }

    def frame(self, rgb: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Pictures (N, H, W, 3) uint8 of frames (N, H, W, 3) with robot masks (N, H, W)."""
        return composite(rgb, mask)

    @torch.no_grad()
    def clip(self, frames: torch.Tensor) -> torch.Tensor:
        """Embedding (N, D) of clips (N, n_T, H, W, 3) uint8.

        Raises:
            InputError: When the device's memory does not hold them.
        """
        try:
            hidden = self._forward(self.preprocess(frames).to(PRECISIONS[self.precision])).float()
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"The TimeSformer ran out of memory with {len(frames)} clips: lower "
                f"env.commands.reference.encoder_batch (now {self.max_clips}) or env.scene.num_envs, or set "
                "env.commands.reference.encoder_precision=bf16."
            ) from error
        if self.pooling == "mean":
            return hidden.mean(dim=1)
        return hidden[:, 0] if self.pooling == "class" else hidden.flatten(1)

    def manifest(self) -> dict:
        """What runs and why."""
        return dict(self._manifest)

    def _hidden(self, pixels: torch.Tensor) -> torch.Tensor:
        """Final hidden state (N, 1 + K * n_T, C) of pixels (N, n_T, 3, S, S), K patches of each frame kept."""
        network = self._network
        columns = network.config.image_size // network.config.patch_size
        if self._rows == columns:
            return network(pixels).last_hidden_state
        hidden = network.embeddings(pixels)
        patches = hidden[:, 1:].unflatten(1, (-1, self.clip_length))  # (N, P, n_T, C)
        # whole rows of patches, into whose number the layers fold a frame; which patch stands where is in the tokens
        kept = self._ink(pixels).topk(self._rows * columns, dim=1).indices.sort(dim=1).values
        patches = patches.gather(1, kept[:, :, None, None].expand(-1, -1, *patches.shape[2:]))
        hidden = network.encoder(torch.cat([hidden[:, :1], patches.flatten(1, 2)], dim=1), return_dict=True)
        return network.layernorm(hidden.last_hidden_state)

    def _ink(self, pixels: torch.Tensor) -> torch.Tensor:
        """How much each patch (N, P) differs from white, over all frames of a clip."""
        differs = (self.preprocess.white - pixels.float()).abs().sum(dim=(1, 2))
        return F.avg_pool2d(differs.unsqueeze(1), self._network.config.patch_size).flatten(1)


class Preprocess:
    """An image processor's resizing and normalising of square pictures, for batches on any device."""

    def __init__(self, processor, size: int, device: torch.device | str):
        """Read the processor's settings.

        Args:
            processor: image processor of the model.
            size: side of the model's input [pixel].
            device: where the pictures live.
        """
        from transformers.image_utils import pil_torch_interpolation_mapping

        edge = processor.size.get("shortest_edge") or processor.size.get("height")
        crop = processor.crop_size["height"] if processor.do_center_crop else edge
        _require(
            processor.do_resize and edge == crop == size,
            f"The TimeSformer takes pictures of {size} px, but its image processor resizes to {edge} and crops to "
            f"{crop}: name a folder whose preprocessor_config.json belongs to its config.json.",
        )
        self._size = [size, size]
        self._interpolation = pil_torch_interpolation_mapping[processor.resample]
        scale = processor.rescale_factor if processor.do_rescale else 1.0
        mean, std = (processor.image_mean, processor.image_std) if processor.do_normalize else ([0.0] * 3, [1.0] * 3)
        # (x * scale - mean) / std in one multiplication and one addition, in float64 up to here
        self._gain = torch.tensor([scale / s for s in std], device=device).view(3, 1, 1)
        self._offset = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device).view(3, 1, 1)
        self.white = self._offset + 255.0 * self._gain
        """What white becomes. Shape is (3, 1, 1)."""

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        """Pixels (N, n_T, 3, S, S) float32 of pictures (N, n_T, H, H, 3) uint8."""
        from torchvision.transforms.v2.functional import resize

        images = frames.flatten(0, 1).permute(0, 3, 1, 2)
        if list(images.shape[-2:]) != self._size:
            # on uint8, as the processor does it: its result is rounded to whole levels
            images = resize(images, self._size, interpolation=self._interpolation, antialias=True)
        return torch.addcmul(self._offset, images.float(), self._gain).unflatten(0, frames.shape[:2])


class _FusedAttention(nn.Module):
    """Transformers' TimeSformer attention through torch's fused kernel: the weights of all pairs are never stored."""

    def __init__(self, plain: nn.Module):
        super().__init__()
        self.qkv = plain.qkv
        self.num_heads = plain.num_heads
        self.scale = plain.scale

    def forward(self, hidden: torch.Tensor, output_attentions: bool = False) -> tuple[torch.Tensor]:
        query, key, value = self.qkv(hidden).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        context = F.scaled_dot_product_attention(query, key, value, scale=self.scale)
        return (context.transpose(1, 2).flatten(2),)


def fuse_attention(model: nn.Module) -> None:
    """Replace every attention of a TimeSformer by the fused form, in place; the numbers stay the same."""
    from transformers.models.timesformer.modeling_timesformer import TimeSformerAttention

    for module in model.modules():
        if isinstance(module, TimeSformerAttention):
            module.attention = _FusedAttention(module.attention)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)
