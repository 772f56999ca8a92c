# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Robot masks: overlap measures, white-background frames, resizing, and a low-dimensional code.

Everything works on batches of masks on any device and never waits for the device.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)

SHAPING_WIDTH = 0.2
"""Width of the exponential shaping of a similarity (notes of the first learning trials; ours)."""

CHANGE_FLOOR = 0.25
"""Weight of a pixel that never changes, relative to the one that changes most (ours)."""


def iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Intersection over union of bool masks: the paper's S_M.

    Two empty masks agree, so they score 1; a reference mask is never empty, so a lost robot scores 0.

    Args:
        a: (N, H, W) bool.
        b: (N, H, W) bool, or (H, W) to compare all with one.

    Returns:
        (N,) float32 in [0, 1].
    """
    intersection = (a & b).sum(dim=(-2, -1))
    union = (a | b).sum(dim=(-2, -1))
    return torch.where(union > 0, intersection / union.clamp(min=1), 1.0)


def soften(mask: torch.Tensor) -> torch.Tensor:
    """Blur bool masks twice with a 3 x 3 box; beyond the image there is no robot.

    Sums of shifted copies, one direction after the other: ten times faster on a CPU than pooling.

    Args:
        mask: (N, H, W) bool.

    Returns:
        (N, H, W) float32 in [0, 1].
    """
    soft = F.pad(mask.float(), (2, 2, 2, 2))
    for dim in (-2, -1, -2, -1):
        count = soft.shape[dim] - 2
        soft = soft.narrow(dim, 0, count) + soft.narrow(dim, 1, count) + soft.narrow(dim, 2, count)
    return soft / 81.0


def soft_iou(a: torch.Tensor, b: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Overlap that has a slope where thin legs pass each other by a pixel or two.

    Plain IoU is flat there: a leg beside the reference's leg scores the same at 3 and at 30 pixels. Both masks are
    softened and compared by sum(min * weight) / sum(max * weight).

    Args:
        a: (N, H, W) bool, or float if softened already (the reference's masks are softened once).
        b: (N, H, W) bool or float.
        weight: (H, W) importance of each pixel, e.g. :func:`change_weight`.

    Returns:
        (N,) float32 in [0, 1]; 1 for two empty masks, as :func:`iou`.
    """
    a, b = (soften(mask) if mask.dtype == torch.bool else mask for mask in (a, b))
    smaller, larger = torch.minimum(a, b), torch.maximum(a, b)
    if weight is not None:
        smaller, larger = smaller * weight, larger * weight
    total = larger.sum(dim=(-2, -1))
    return torch.where(total > 0, smaller.sum(dim=(-2, -1)) / total.clamp(min=1e-6), 1.0)


def shaped(similarity: torch.Tensor) -> torch.Tensor:
    """Mean of s and exp(-(1 - s) / 0.2), in [0, 1].

    The exponential pays most for the last tenths of overlap; the plain half shows the way from far off (a fall, a
    crouch), where the exponential is flat.
    """
    return 0.5 * (similarity + torch.exp((similarity - 1.0) / SHAPING_WIDTH))


def change_weight(masks: torch.Tensor, floor: float = CHANGE_FLOOR) -> torch.Tensor:
    """Weight of each pixel by how much the reference changes there over time.

    The trunk fills most of a mask and says nothing about the gait; legs are thin and say all. The weight is the
    standard deviation over time of the softened mask, raised to a floor so that the trunk and a limb in the wrong
    place still count.

    Args:
        masks: (T, H, W) bool masks of the reference.
        floor: weight of a pixel that never changes, relative to the largest weight.

    Returns:
        (H, W) float32 with mean 1; all ones for a reference that does not move.
    """
    deviation = soften(masks).std(dim=0, correction=0)
    weight = floor + (1.0 - floor) * deviation / deviation.max().clamp(min=1e-6)
    return weight / weight.mean()


def composite(rgb: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Robot on pure white.

    Args:
        rgb: (N, H, W, 3) uint8.
        mask: (N, H, W) bool.

    Returns:
        (N, H, W, 3) uint8.
    """
    # 0 on the robot, 255 elsewhere. Written out for each colour: eight times as fast on a CPU as a broadcast fill.
    white = mask.view(torch.uint8) - 1
    return rgb | torch.stack([white] * 3, dim=-1)


def fit_frames(frames: torch.Tensor, masks: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Resize frames and masks together to what a camera of that size would have seen.

    A renderer gives an edge pixel the robot's colour or the background's, never a mixture: colours are averaged over
    the robot's pixels alone, the rest is white.

    Args:
        frames: (N, H, W, 3) uint8.
        masks: (N, H, W) bool.
        size: side of the square result [pixel].

    Returns:
        frames (N, size, size, 3) uint8 on white, masks (N, size, size) bool.
    """
    if masks.shape[-2:] == (size, size):
        return composite(frames, masks), masks
    share = masks.unsqueeze(1).float()
    colour = _resize(frames.permute(0, 3, 1, 2).float() * share, size)
    share = _resize(share, size)
    colour = (colour / share.clamp(min=1e-6)).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    small = share.squeeze(1) >= 0.5
    return composite(colour, small), small


def _resize(images: torch.Tensor, size: int) -> torch.Tensor:
    """(N, C, H, W) float to (N, C, size, size): mean over areas when shrinking, bilinear when growing."""
    if size <= min(images.shape[-2:]):
        rows, columns = (_shares(count, size, images.device) for count in images.shape[-2:])
        return rows @ images @ columns.T
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)


def _shares(count: int, size: int, device: torch.device) -> torch.Tensor:
    """Share (size, count) of each source pixel in the length of each target pixel.

    PyTorch's own "area" counts every pixel that a target touches in full: at 224 to 64 that costs 0.03 of a mask's IoU.
    """
    edges = torch.arange(size + 1, device=device) * (count / size)
    pixel = torch.arange(count, device=device)
    overlap = torch.minimum(edges[1:, None], pixel + 1) - torch.maximum(edges[:-1, None], pixel)
    return overlap.clamp(min=0.0) * (size / count)


class MaskCode:
    """Principal components of the reference's masks: a few numbers that say what its silhouette looks like.

    The policy must know what comes next, and a video gives no joint angles; the code of the masks a few frames ahead
    tells it (notes of the first learning trials; ours).
    """

    def __init__(self, masks: torch.Tensor, num_components: int = 6):
        """Fit on the reference.

        Args:
            masks: (T, H, W) bool.
            num_components: number k of coefficients.
        """
        flat = soften(masks).flatten(1)
        self.mean = flat.mean(dim=0)
        """Mean softened mask (H * W,)."""
        centred = flat - self.mean
        # The Gram matrix is T x T, far smaller than the covariance of the pixels; float64 keeps its square exact.
        values, vectors = torch.linalg.eigh(centred.double() @ centred.double().T)
        k = min(num_components, len(values))
        values, vectors = values.flip(0)[:k].clamp(min=0.0), vectors.flip(1)[:, :k]
        # An eigenvector's sign is arbitrary: the first frame that weighs most gets a positive coefficient.
        vectors = vectors * torch.sign(vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True)))
        deviation = (values / len(flat)).sqrt()
        # Below a thousandth of the largest (or of a pixel) there is only rounding, which must not be scaled up.
        used = deviation > 1e-3 * deviation.max().clamp(min=1.0)
        # coefficient = centred . direction / deviation, direction = centred^T vector / sqrt(value)
        scale = torch.where(used, 1.0 / (values.sqrt() * deviation).clamp(min=1e-12), 0.0)
        basis = centred.T @ (vectors * scale).float()
        self.basis = F.pad(basis, (0, num_components - k))
        """(H * W, k), scaled so that each coefficient has unit variance over the reference."""

    def encode(self, masks: torch.Tensor) -> torch.Tensor:
        """Coefficients (N, k) of bool masks (N, H, W)."""
        return (soften(masks).flatten(1) - self.mean) @ self.basis
