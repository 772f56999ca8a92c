# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""SAM2: follows the robot through the clip from the mask of its first frame, on any background."""

from __future__ import annotations

import pickle
import pkgutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from nil_ext.errors import ClipError, InputError, first_line
from nil_ext.reference.segmenters.segmentation import Segmentation, clean_mask

if TYPE_CHECKING:
    from sam2.sam2_video_predictor import SAM2VideoPredictor

    from nil_ext.reference.segmenters import SegmenterChoice

SHAPE_TOLERANCE = 0.03
"""How far width over height of the mask and of the clip may differ: services round sizes (ours)."""

_POSTPROCESSING = {
    "sam_mask_decoder_extra_args": {
        "dynamic_multimask_via_stability": True,
        "dynamic_multimask_stability_delta": 0.05,
        "dynamic_multimask_stability_thresh": 0.98,
    },
    "binarize_mask_from_pts_for_mem_enc": True,
}
"""What ``sam2.build_sam`` sets for videos. Its hole filling is left out: it needs a CUDA extension, and masks are
cleaned here."""


def segment(frames: np.ndarray, choice: SegmenterChoice, reason: str) -> Segmentation:
    """Follow the robot through the clip.

    Args:
        frames: (T, H, W, 3) uint8.
        choice: model, device, and the robot in the first frame.
        reason: why SAM2 was chosen.

    Raises:
        ClipError: When the mask has another shape than the clip.
        InputError: Without a mask, or a model that can be loaded.
    """
    prompt = _fit_prompt(choice.first_mask, frames.shape[1:3])
    predictor, checkpoint = load_predictor(choice.sam2_model, choice.sam2_config, choice.device)
    results = [clean_mask(mask) for mask in _follow(predictor, frames, prompt)]
    return Segmentation(
        masks=np.stack([mask for mask, _ in results]),
        second=np.array([second for _, second in results]),
        name="sam2",
        reason=reason,
        about={"model": checkpoint.name},
    )


def load_predictor(model: str, config: str | None, device: str) -> tuple[SAM2VideoPredictor, Path]:
    """Build the video predictor and load its weights; no code is run from either file.

    Args:
        model: hub id or local checkpoint.
        config: name within the ``sam2`` package or a YAML file; None where the model's name tells.
        device: ``cpu`` or a CUDA device.

    Returns:
        The predictor and its checkpoint.
    """
    try:
        from hydra.utils import instantiate
        from omegaconf import OmegaConf
        from sam2.build_sam import HF_MODEL_ID_TO_FILENAMES
    except ImportError as error:
        raise InputError(f"SAM2 is not installed ({error}): uv pip install -e '.[sam2]'.") from error
    checkpoint, known = _find_checkpoint(model, HF_MODEL_ID_TO_FILENAMES)
    settings = OmegaConf.load(_find_config(config or known, checkpoint)).model
    settings = OmegaConf.merge(settings, _POSTPROCESSING)
    settings._target_ = "sam2.sam2_video_predictor.SAM2VideoPredictor"
    _require_own_classes(OmegaConf.to_container(settings, resolve=True))
    predictor = instantiate(settings, _recursive_=True)
    try:
        weights = torch.load(checkpoint, map_location="cpu", weights_only=True)
        predictor.load_state_dict(weights.get("model", weights))
    except (OSError, RuntimeError, AttributeError, TypeError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(
            f"{checkpoint} holds no weights for this SAM2 configuration ({first_line(error)}): give the "
            "checkpoint's own --sam2_config, or download it again."
        ) from error
    return predictor.to(device).eval(), checkpoint


def _find_checkpoint(model: str, known: dict[str, tuple[str, str]]) -> tuple[Path, str | None]:
    """A local checkpoint or one from the hub, and the configuration that its name tells."""
    by_name = {checkpoint: config for config, checkpoint in known.values()}
    path = Path(model).expanduser()
    if path.is_file():
        return path, by_name.get(path.name)
    if model not in known:
        raise InputError(f"No such SAM2 checkpoint: '{model}'. Give a .pt file or one of {', '.join(known)}.")
    import httpx
    from huggingface_hub import hf_hub_download

    config, name = known[model]
    try:
        return Path(hf_hub_download(repo_id=model, filename=name)), config
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise InputError(
            f"SAM2's weights {model} cannot be had from the hub ({first_line(error)}): check "
            "the network, or name a local checkpoint with --sam2_model."
        ) from error


def _find_config(config: str | None, checkpoint: Path) -> Path:
    """The YAML file of a configuration."""
    import sam2

    if config is None:
        raise InputError(
            f"Which SAM2 is in {checkpoint}? Its name does not tell: name its configuration with --sam2_config, e.g. "
            "configs/sam2.1/sam2.1_hiera_s.yaml."
        )
    for path in (Path(config).expanduser(), Path(sam2.__path__[0]) / config):
        if path.is_file():
            return path
    raise InputError(
        f"No such SAM2 configuration: '{config}'. Give e.g. configs/sam2.1/sam2.1_hiera_s.yaml, or a file."
    )


def _require_own_classes(settings: object) -> None:
    """A configuration names the classes to build: none but SAM2's own are built."""
    if isinstance(settings, dict):
        if "_target_" in settings and not _is_own_class(str(settings["_target_"])):
            raise InputError(
                f"The SAM2 configuration asks for '{settings['_target_']}', which is none of SAM2's classes: use "
                "another."
            )
        settings = list(settings.values())
    if isinstance(settings, list):
        for value in settings:
            _require_own_classes(value)


def _is_own_class(target: str) -> bool:
    """Whether a name leads to a network of SAM2's; names lead through modules to what those import, too."""
    if not target.startswith("sam2."):
        return False  # not even imported
    try:
        found = pkgutil.resolve_name(target)
    except (ImportError, AttributeError, ValueError):
        return False
    # SAM2's functions and class methods build what their arguments say, so only its networks are taken
    return isinstance(found, type) and issubclass(found, torch.nn.Module) and found.__module__.startswith("sam2.")


def _fit_prompt(mask: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray:
    """The first frame's mask in the clip's size (H, W) bool."""
    if mask is None or not mask.any():
        raise InputError(
            "SAM2 has to be shown the robot in the first frame: name its mask with --first_frame_mask (white on black)."
        )
    height, width = shape
    if abs(mask.shape[1] / mask.shape[0] / (width / height) - 1.0) > SHAPE_TOLERANCE:
        raise ClipError(
            f"the first frame's mask is {mask.shape[1]}x{mask.shape[0]}, the clip {width}x{height}, another shape: "
            "give the mask of the picture that the clip starts with."
        )
    return cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) >= 0.5


def _follow(predictor: SAM2VideoPredictor, frames: np.ndarray, prompt: np.ndarray) -> np.ndarray:
    """Raw masks (T, H, W) bool; the predictor reads numbered JPEG files only."""
    masks = np.zeros(frames.shape[:3], dtype=bool)
    with tempfile.TemporaryDirectory(prefix="nil_ext_sam2_") as folder:
        for number, frame in enumerate(frames):
            path = str(Path(folder) / f"{number:05d}.jpg")
            if not cv2.imwrite(path, frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98]):
                raise InputError(f"Cannot write {path}: make room in the folder for temporary files (TMPDIR).")
        state = predictor.init_state(folder, offload_video_to_cpu=True)
    predictor.add_new_mask(state, frame_idx=0, obj_id=1, mask=prompt)
    for number, _, scores in predictor.propagate_in_video(state):
        masks[number] = (scores[0, 0] > 0.0).cpu().numpy()
    return masks
