# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Models: networks in the hub's cache, whether the hub answers, and the robots' files."""

from __future__ import annotations

import pkgutil
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlparse

import gymnasium as gym

from nil_ext.errors import InputError
from nil_ext.perception.encoders import TIMESFORMER
from nil_ext.reference.generators.video_models import VIDEO_MODELS

from .line import Line

_PATIENCE = 4.0
"""How long the hub may take to answer [s]."""


def check_hub() -> Iterator[Line]:
    """Lines about the hub and the networks that come from it. Their absence is never a problem: all have a stand-in."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        yield Line("model hub", "warning", "switched off (HF_HUB_OFFLINE)", "unset it to download models")
    elif _answers(constants.ENDPOINT):
        yield Line("model hub", "ok", "answers")
    else:
        yield Line("model hub", "warning", "does not answer", "use the network, or copy models into the hub's cache")
    cached = _cached_models()
    yield _network(
        "TimeSformer",
        [name for name in cached if name == TIMESFORMER],
        "env.commands.reference.encoder=efficientnet does without",
    )
    yield _network("SAM2", [name for name in cached if "sam2" in name.lower()], "plain backgrounds need none")
    known = {model.hub_id for model in VIDEO_MODELS}
    yield _network("video diffusion", [name for name in cached if name in known], "use a clip, or the task's sketch")


def check_robot(task: str) -> Line:
    """A line about the model file of a task's robot."""
    from nil_ext.robots.model import model_file

    robot = pkgutil.resolve_name(gym.spec(task).kwargs["robot_entry_point"])
    try:
        file = model_file(robot.model.package, robot.model.path)
    except InputError as error:
        return Line(f"model {robot.name}", "problem", str(error), "./isaaclab.sh -i")
    source = robot.model.package or file.parent
    return Line(f"model {robot.name}", "ok", f"{file.name} of {source} ({robot.model.licence})")


def _network(subject: str, cached: list[str], instead: str) -> Line:
    if cached:
        return Line(subject, "ok", f"cached: {', '.join(cached)}")
    return Line(subject, "warning", "not in the hub's cache", instead)


def _cached_models() -> list[str]:
    """Hub ids of the models in the cache."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        return sorted(repo.repo_id for repo in scan_cache_dir().repos if repo.size_on_disk > 0)
    except CacheNotFound:
        return []


def _answers(address: str) -> bool:
    """Whether a server accepts a connection; never takes longer than the patience, name look-up included."""
    url, reached = urlparse(address), threading.Event()

    def knock() -> None:
        try:
            with socket.create_connection((url.hostname, url.port or 443), timeout=_PATIENCE):
                reached.set()
        except OSError:
            pass

    thread = threading.Thread(target=knock, daemon=True)  # a name look-up cannot be given a time limit
    thread.start()
    thread.join(_PATIENCE)
    return reached.is_set()
