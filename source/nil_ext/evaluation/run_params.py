# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The settings that a run folder keeps in ``params/``, as plain values."""

from __future__ import annotations

from pathlib import Path

import yaml

OPAQUE = object()
"""Stands for whatever would run code."""


class _PlainLoader(yaml.SafeLoader):
    """Plain values and tuples; whatever would run code becomes :data:`OPAQUE`."""


_PlainLoader.add_constructor(
    "tag:yaml.org,2002:python/tuple", lambda loader, node: tuple(loader.construct_sequence(node, deep=True))
)
_PlainLoader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: OPAQUE)


def read_params(folder: Path) -> tuple[dict, dict]:
    """Settings of a run's environment and agent; empty where an older run did not write them.

    Args:
        folder: the run's folder.

    Raises:
        OSError: When a file cannot be read.
        ValueError: When one holds no settings.
    """
    env, agent = (_plain(folder / "params" / name) for name in ("env.yaml", "agent.yaml"))
    return env, agent


def _plain(path: Path) -> dict:
    if not path.is_file():
        return {}
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_PlainLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds no settings")
    return content
