# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""From what an evaluation was made, in plain values without times."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

import nil_ext

from ..files import file_hash
from ..reference import Reference
from .recorded_run import RecordedRun
from .session import Session

_PACKAGES = ("isaaclab", "rsl-rl-lib", "torch", "warp-lang")


def about(session: Session, reference: Reference, reference_path: str, seed: int) -> dict:
    """Task, environment, reference and versions of an open session."""
    env, cfg = session.env.unwrapped, session.reference.cfg
    source = reference.meta["source"]
    return {
        "task": session.runner.infos["task"],
        "robot": cfg.robot,
        "seed": seed,
        "environments": env.num_envs,
        "device": str(env.device),
        "settings": {
            "control rate [Hz]": round(1.0 / env.step_dt, 6),
            "physics": type(env.cfg.sim.physics).__name__.removesuffix("Cfg"),
            "physics step [s]": env.cfg.sim.dt,
            "action": type(env.action_manager.get_term("joints")).__name__,
            "picture [px]": int(session.reference.masks.shape[-1]),
            "camera follows": cfg.camera_follows,
            "encoder": session.reference.similarity.encoder.manifest()["name"],
            "clip": f"{cfg.clip_length} frames, stride {cfg.clip_stride}, every {cfg.film_every}, "
            + ("centred" if cfg.centred else "plain"),
            "episode [s]": round((session.reference.length - 1) * env.step_dt, 6),
        },
        "reference": {
            "path": reference_path or "embedded",
            "source": f"{source['kind']} {source.get('name', '')}".strip(),
            "digest": reference.digest,
        },
        "versions": {"nil_ext": nil_ext.__version__, **{package: version(package) for package in _PACKAGES}},
        "commit": commit(),
    }


def checkpoint_facts(run: RecordedRun, content: dict) -> dict:
    """What is known of a checkpoint; ``content`` is the checkpoint's own."""
    return {
        "path": str(run.checkpoint),
        "sha256": file_hash(run.checkpoint),
        "iteration": content.get("iter"),
        "environment steps": content.get("transitions"),
        "minutes": round(content.get("seconds", 0.0) / 60.0, 2),
        "trained by commit": run.commit,
    }


def commit() -> str:
    """Commit of this program, with ``+`` behind it where files were changed since; ``unknown`` outside a checkout."""
    folder = Path(nil_ext.__file__).parent
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
