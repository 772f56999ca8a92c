# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Where a video model's weights are: a local folder or the hub's cache, verified before anything is launched."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

from nil_ext.errors import InputError, first_line
from nil_ext.reference.generators.video_models import VideoModel

_CONFIGS = ("config.json", "scheduler_config.json", "tokenizer_config.json", "preprocessor_config.json")
"""One of these describes each part of a pipeline; ``config.json`` means that it has weights."""


def find_model(row: VideoModel, model: str | None = None) -> Path:
    """The complete folder of a model in diffusers' layout.

    Args:
        row: the family and its settings.
        model: local folder or hub id; the row's own hub id if None. A hub id is downloaded where it is not cached.

    Raises:
        InputError: When it is not there, not complete or of another family.
    """
    _require_packages(row)
    model = model or row.hub_id
    folder = Path(model).expanduser()
    if not folder.exists():
        if not re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", model):
            raise InputError(f"No such model: '{model}'. Give a folder in diffusers' layout, or a hub id.")
        folder = _download(row, model)
    verify_model(folder, row, model)
    return folder


def _require_packages(row: VideoModel) -> None:
    missing = [name for name in row.needs if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"'{row.generator}' models need packages that are missing: uv pip install {' '.join(missing)}."
        )


def _download(row: VideoModel, model: str) -> Path:
    """The model's folder in the hub's cache, downloaded as far as it is missing there."""
    import diffusers
    import httpx

    try:
        pipeline = getattr(diffusers, row.pipeline)
        return Path(pipeline.download(model, use_safetensors=True, trust_remote_code=False))
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise InputError(
            f"Model '{model}' is no folder here and cannot be had from the hub ({first_line(error)}): check the name "
            "and the network, accept the model's licence on its page if it asks to, or give --model a local folder."
        ) from error


def verify_model(folder: Path, row: VideoModel, model: str) -> None:
    """Refuse a folder that is no pipeline, another family's, or lacks files.

    Args:
        folder: the model's folder.
        row: the family.
        model: what the user called it.
    """
    index = folder / "model_index.json"
    if not index.is_file():
        raise InputError(
            f"'{model}' is no model in diffusers' layout (model_index.json is missing): give the folder that "
            "save_pretrained or a hub download made."
        )
    try:
        parts = {
            name: entry[1]
            for name, entry in json.loads(index.read_text(encoding="utf-8")).items()
            if isinstance(entry, list) and len(entry) == 2 and entry[1] is not None
        }
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{index} cannot be read ({first_line(error)}): download the model again.") from error
    if row.backbone not in parts.values():
        found = ", ".join(str(cls) for name, cls in parts.items() if name in ("transformer", "unet"))
        raise InputError(
            f"'{model}' is no '{row.generator}' model (it holds {found or 'no video network'}, not {row.backbone}): "
            "choose the --generator that fits it."
        )
    for name in parts:
        problem = _problem(folder / name)
        if problem:
            raise InputError(
                f"Model '{model}' is incomplete ({name}: {problem}, in {folder}): download it again, going online."
            )


def _problem(part: Path) -> str | None:
    """What a part of a pipeline lacks; None for nothing."""
    from safetensors import SafetensorError, safe_open

    if not any((part / name).is_file() for name in _CONFIGS):
        return "nothing to load"
    if not (part / "config.json").is_file():
        return None
    wanted = set()
    for index in part.glob("*.safetensors.index.json"):
        try:
            wanted |= set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return f"{index.name} is damaged"
    weights = [part / name for name in sorted(wanted)] or sorted(part.glob("*.safetensors"))
    if not weights:
        return "no .safetensors weights"
    for path in weights:
        if not path.is_file():
            return f"{path.name} is missing"
        try:
            with safe_open(path, framework="np"):
                pass
        except (SafetensorError, OSError) as error:
            return f"{path.name} is damaged, {first_line(error)}"
    return None
