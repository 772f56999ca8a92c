# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""One adapter for all image-to-video pipelines of diffusers: load once, sample one candidate after another."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from nil_ext.errors import InputError, first_line
from nil_ext.reference.first_frame import FirstFrame
from nil_ext.reference.generators.video_models import VideoModel


@dataclass(frozen=True)
class Sampling:
    """How videos are drawn."""

    prompt: str
    steps: int
    """Denoising steps."""
    guidance: float


class VideoDiffusion:
    """A loaded image-to-video pipeline."""

    def __init__(self, row: VideoModel, folder: Path, device: str):
        """Load the weights; safetensors only, no code from the model's folder.

        Args:
            row: the family and its settings.
            folder: a complete model, see :func:`~nil_ext.reference.generators.model_folder.find_model`.
            device: ``cpu`` or a CUDA device.

        Raises:
            InputError: When the folder cannot be loaded.
        """
        import diffusers

        self.row = row
        self.folder = folder
        self.device = torch.device(device)
        self.dtype = "float32" if self.device.type == "cpu" else row.dtype
        dtypes = {"default": getattr(torch, self.dtype), **dict.fromkeys(row.float32, torch.float32)}
        try:
            self.pipeline = getattr(diffusers, row.pipeline).from_pretrained(
                folder, dtype=dtypes, use_safetensors=True, trust_remote_code=False, local_files_only=True
            )
        except (ImportError, OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            raise InputError(
                f"Model {folder} cannot be loaded as a {row.pipeline} ({first_line(error)}): install what it names, or "
                "download the model again."
            ) from error
        self.placement = self._place()

    def _place(self) -> str:
        """Move the parts to the device, all at once where they fit; says which."""
        with suppress(
            NotImplementedError
        ):  # Stable Video Diffusion's decoder works through few frames at a time instead
            self.pipeline.vae.enable_tiling()  # decoding all of a 720p video at once takes more than the network does
        if self.device.type == "cpu":
            return "on the CPU"
        free = torch.cuda.mem_get_info(self.device)[0] / 2**30
        if free >= self.row.memory:
            self.pipeline.to(self.device)
            return f"on {self.device}"
        try:
            self.pipeline.enable_model_cpu_offload(device=self.device)
        except ImportError as error:
            raise InputError(
                f"{self.device} has {free:.0f} GiB free, {self.row.hub_id} needs {self.row.memory:.0f}: "
                "install the package 'accelerate' to keep its parts on the GPU one at a time."
            ) from error
        return f"one part at a time on {self.device} ({free:.0f} of {self.row.memory:.0f} GiB free)"

    def sample(self, first: FirstFrame, sampling: Sampling, seed: int, label: str = "") -> np.ndarray:
        """Draw one video; the progress of the denoising goes to stderr.

        Args:
            first: the picture to start from; its size is the video's.
            sampling: prompt, steps and guidance.
            seed: of the noise. It is drawn on the CPU, so that every device starts from the same.
            label: what the progress bar says.

        Returns:
            Frames (T, H, W, 3) uint8.

        Raises:
            InputError: When the GPU is too small or the model draws no pictures.
        """
        from PIL import Image

        self.pipeline.set_progress_bar_config(desc=label)
        height, width = first.mask.shape
        arguments = {self.row.guidance_argument: sampling.guidance, **self.row.extra}
        if self.row.prompted:
            arguments["prompt"] = sampling.prompt
        try:
            video = self.pipeline(
                image=Image.fromarray(first.frame),
                height=height,
                width=width,
                num_frames=self.row.frames,
                num_inference_steps=sampling.steps,
                generator=torch.Generator("cpu").manual_seed(seed),
                output_type="np",
                **arguments,
            ).frames[0]
        except torch.cuda.OutOfMemoryError as error:
            raise InputError(
                f"{self.device} has too little memory for {self.row.hub_id} at {width}x{height}: give a smaller "
                "--size, or another --generator."
            ) from error
        if not np.isfinite(video).all():
            raise InputError(f"{self.row.hub_id} gave numbers that are no colours (seed {seed}): try another --seed.")
        return np.rint(255.0 * np.clip(video, 0.0, 1.0)).astype(np.uint8)

    def manifest(self) -> dict:
        """What a reader needs to draw the same video again, apart from prompt, seed and first frame."""
        return {
            "generator": self.row.generator,
            **_model_id(self.folder),
            "pipeline": self.row.pipeline,
            "licence": self.row.licence,
            "device": str(self.device),
            "dtype": self.dtype,
            "placement": self.placement,
            "frames": self.row.frames,
            "rate": self.row.rate,
            **{f"{name}_version": version(name) for name in ("diffusers", "transformers", "torch")},
        }


def _model_id(folder: Path) -> dict[str, str]:
    """Name of a local model; hub id and revision of one in the hub's cache, ``models--<id>/snapshots/<revision>``."""
    if folder.parent.name != "snapshots":
        return {"model": folder.name}
    return {"model": folder.parents[1].name.removeprefix("models--").replace("--", "/"), "revision": folder.name}
