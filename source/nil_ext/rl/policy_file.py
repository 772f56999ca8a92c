# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What an exported policy says about itself, inside the ONNX and TorchScript files."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np

from nil_ext.errors import InputError
from nil_ext.files import whole_file

CONTRACT_VERSION = 2
"""Version of the contract's keys (docs/agent.md lists them)."""

_PREFIX = "nil_ext."
"""Begin of our keys among an ONNX file's properties."""

TORCHSCRIPT_ENTRY = "nil_ext.json"
"""Name of the extra file in a TorchScript archive that holds the whole contract."""


def write_contract(contract: dict, onnx_file: Path, torchscript_file: Path) -> None:
    """Add a contract of plain values to exported policies; the files are replaced whole.

    ONNX Runtime shows the keys as ``get_modelmeta().custom_metadata_map``, each value as JSON.
    """
    import onnx
    import torch

    content = {"version": CONTRACT_VERSION, **contract}
    model = onnx.load(str(onnx_file))
    onnx.helper.set_model_props(model, {_PREFIX + key: json.dumps(value) for key, value in content.items()})
    with whole_file(onnx_file) as file:
        onnx.save(model, str(file))
    script = torch.jit.load(str(torchscript_file))
    with whole_file(torchscript_file) as file:
        torch.jit.save(script, str(file), _extra_files={TORCHSCRIPT_ENTRY: json.dumps(content)})


def read_contract(properties: dict[str, str], file: Path) -> dict:
    """Return the contract among an ONNX file's properties.

    Raises:
        InputError: When there is none, or a newer one than this program knows.
    """
    contract = {k.removeprefix(_PREFIX): json.loads(v) for k, v in properties.items() if k.startswith(_PREFIX)}
    if "version" not in contract:
        raise InputError(f"{file} carries no nil_ext contract: export the policy again with scripts/play.py.")
    if contract["version"] > CONTRACT_VERSION:
        raise InputError(
            f"{file} has contract version {contract['version']}: update nil_ext, which knows up to {CONTRACT_VERSION}."
        )
    if contract["version"] == 1:  # every joint was moved, and targets went at once
        contract["action"] = {"joints": contract["joint_names"], "ramped": False, **contract["action"]}
    return contract


def pack_table(table: np.ndarray) -> dict:
    """Return a float table (T, D) as plain values: its shape and its little-endian float32 bytes in base64."""
    data = np.ascontiguousarray(table, dtype="<f4")
    return {"shape": list(data.shape), "float32": base64.b64encode(data.tobytes()).decode("ascii")}


def unpack_table(packed: dict) -> np.ndarray:
    """Return the table (T, D) that :func:`pack_table` packed."""
    return np.frombuffer(base64.b64decode(packed["float32"]), dtype="<f4").reshape(packed["shape"])
