# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The short evaluation after training and in playback: a policy beside standing and random, and a video."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..evaluation import METRICS, Rollout, Yardstick, judge_streams, roll_out
from ..evaluation.side_by_side import side_by_side
from ..files import whole_file
from ..reference.video import write_video
from .controls import Policy, controls
from .probe import SimulatorProbe, yardstick
from .session import Session

SHORT = ("env_reward", "forward_speed", "survival", "mask_iou", "video_similarity")
"""Metrics of the short table; scripts/evaluate.py gives all."""

CONTROLS = ("standing", "random")
"""Controls of the short table."""

Row = dict[str, tuple[float, float]]


def judge(session: Session, policy: Policy, folder: Path, name: str) -> Path:
    """Roll the policy and its controls out from e0, print the table, and write it and a video into a folder.

    Args:
        session: the open environment.
        policy: the policy to judge.
        folder: where ``<name>.mp4`` and ``<name>.json`` go.
        name: stem of the files.

    Returns:
        Path of the video.
    """
    env, measure = session.env, yardstick(session)
    others = {key: act for key, act in controls(session, seed=0).items() if key in CONTROLS}
    print(f"[nil_ext] Rolling out {', '.join(['policy', *others])}: {env.num_envs} episodes each.")
    with SimulatorProbe(session).attached() as probe:
        rollout = roll_out(env, policy, probe, measure.rate, film=True)
        rows = {"policy": short_row(rollout, measure)}
        for key, act in others.items():  # not kept: a rollout of a thousand environments takes most of a gigabyte
            rows[key] = short_row(roll_out(env, act, probe, measure.rate), measure)
    print(f"\n{env.num_envs} episodes each, from e0 (mean ± standard deviation over episodes):\n{short_table(rows)}\n")
    video = folder / f"{name}.mp4"
    write_rollout_video(video, session, rollout)
    numbers = {key: {m: {"mean": v[0], "std": v[1]} for m, v in row.items()} for key, row in rows.items()}
    with whole_file(folder / f"{name}.json") as file:
        file.write_text(json.dumps({"episodes": env.num_envs, **numbers}, indent=2) + "\n", encoding="utf-8")
    return video


def short_row(rollout: Rollout, measure: Yardstick) -> Row:
    """Mean and standard deviation over episodes of each of :data:`SHORT`."""
    values = judge_streams(rollout, measure)
    return {name: (float(np.mean(values[name])), float(np.std(values[name]))) for name in SHORT}


def short_table(rows: dict[str, Row]) -> str:
    """A Markdown table, one row a policy."""
    lines = ["| policy | " + " | ".join(METRICS[m].title for m in SHORT) + " |", "|---" * (len(SHORT) + 1) + "|"]
    for policy, row in rows.items():
        lines.append(f"| {policy} | " + " | ".join(f"{row[m][0]:.3g} ± {row[m][1]:.2g}" for m in SHORT) + " |")
    return "\n".join(lines)


def write_rollout_video(path: Path, session: Session, rollout: Rollout) -> None:
    """Film of a rollout beside its reference, and both masks over each other."""
    reference = session.reference
    first = slice(1, None)  # the first frame of a rollout is the one after the first step
    pictures = side_by_side(reference.frames.cpu().numpy()[first], reference.masks.cpu().numpy()[first], rollout.frames)
    write_video(path, pictures, rollout.rate)
