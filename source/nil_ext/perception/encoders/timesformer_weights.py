# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Where the TimeSformer's weights are: a local folder, the hub's cache, or the hub. Plain tensors only, no code."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nil_ext.errors import InputError

if TYPE_CHECKING:
    from transformers import BaseImageProcessor, TimesformerModel

_CONFIG, _PROCESSOR = "config.json", "preprocessor_config.json"

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Best first. The second is unpickled as tensors only (transformers: ``weights_only=True``)."""

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")

_REMEDY = (
    "set env.commands.reference.encoder=efficientnet, or name a folder that holds "
    f"{_CONFIG}, {_PROCESSOR} and {_WEIGHTS[0]} with env.commands.reference.encoder_weights"
)


def find_weights(weights: str) -> Path:
    """Folder that holds the model; what is on this machine goes first, then the hub is asked.

    Args:
        weights: local folder or hub id.

    Raises:
        InputError: When it is nowhere, incomplete, or another kind of model.
    """
    folder = local_weights(weights)
    if folder is None and Path(weights).expanduser().is_dir():
        raise InputError(f"TimeSformer folder '{weights}' lacks {_missing(Path(weights).expanduser())}: {_REMEDY}.")
    if folder is None and not _HUB_ID.fullmatch(weights):
        raise InputError(f"No TimeSformer at '{weights}' (neither a folder nor a hub id): {_REMEDY}.")
    folder = folder or _download(weights)
    _require_timesformer(folder / _CONFIG, weights)
    return folder


def local_weights(weights: str) -> Path | None:
    """Folder on this machine that holds all files of the model, or None; nothing is downloaded."""
    folder = Path(weights).expanduser()
    if not folder.is_dir():
        folder = _cached(weights) if _HUB_ID.fullmatch(weights) else None
    return None if folder is None or _missing(folder) else folder


def load_model(folder: Path) -> tuple[TimesformerModel, BaseImageProcessor]:
    """The frozen model in float32 and its image processor.

    Raises:
        InputError: When the files are damaged or hold only a part of the model.
    """
    from transformers import AutoImageProcessor, TimesformerModel

    try:
        with _quiet_transformers():  # it would report the classifier that is left out, and draw a progress bar
            processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            model, report = TimesformerModel.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
    # a damaged file shows itself as anything: SafetensorError, UnpicklingError, OSError, RuntimeError, ValueError
    except Exception as error:
        raise InputError(f"TimeSformer '{folder}' cannot be read ({_first_line(error)}): {_REMEDY}.") from error
    if report["missing_keys"]:  # transformers would go on with random numbers in their place
        name = sorted(report["missing_keys"])[0]
        raise InputError(f"TimeSformer '{folder}' is only a part of the model ('{name}' is missing): {_REMEDY}.")
    return model.eval().requires_grad_(False), processor


def fingerprint(folder: Path) -> str:
    """Hash (hex) of the files that the embedding depends on."""
    content = hashlib.sha256()
    for name in (_CONFIG, _PROCESSOR, next(name for name in _WEIGHTS if (folder / name).is_file())):
        with open(folder / name, "rb") as file:
            content.update(hashlib.file_digest(file, "sha256").digest())
    return content.hexdigest()


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[None]:
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _missing(folder: Path) -> str:
    """Name of a file that is not there, or nothing."""
    for name in (_CONFIG, _PROCESSOR):
        if not (folder / name).is_file():
            return name
    return "" if any((folder / name).is_file() for name in _WEIGHTS) else _WEIGHTS[0]


def _cached(hub_id: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(hub_id, _CONFIG)
    return Path(path).parent if isinstance(path, str) else None


def _download(hub_id: str) -> Path:
    """Fetch what is missing into the hub's own cache."""
    import httpx
    from huggingface_hub import snapshot_download

    print(f"[nil_ext] TimeSformer '{hub_id}' is not on this machine: asking the model hub.")
    try:
        folder = Path(snapshot_download(hub_id, allow_patterns=[_CONFIG, _PROCESSOR, _WEIGHTS[0]]))
        if not (folder / _WEIGHTS[0]).is_file():
            folder = Path(snapshot_download(hub_id, allow_patterns=[_CONFIG, _PROCESSOR, _WEIGHTS[1]]))
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise InputError(
            f"TimeSformer '{hub_id}' is not on this machine and cannot be downloaded ({type(error).__name__}): "
            f"{_REMEDY}."
        ) from error
    if missing := _missing(folder):
        raise InputError(f"TimeSformer '{hub_id}' is incomplete in '{folder}' ({missing} is missing): {_REMEDY}.")
    return folder


def _require_timesformer(path: Path, weights: str) -> None:
    try:
        kind = json.loads(path.read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"TimeSformer '{weights}': {path} cannot be read ({_first_line(error)}): {_REMEDY}."
        ) from error
    if kind != "timesformer":
        raise InputError(f"'{weights}' holds a model of type '{kind}', not a timesformer: {_REMEDY}.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
