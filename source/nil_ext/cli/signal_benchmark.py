# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""``scripts/benchmark.py signal``: what the imitation streams say of rollouts that are wrong in a known way."""

from __future__ import annotations

import argparse
import pkgutil
from typing import TYPE_CHECKING

import gymnasium as gym
import numpy as np
import torch

from ..perception.encoders import ENCODERS, require_encoder
from ..perception.masks import change_weight, composite, fit_frames, iou, shaped, soft_iou
from ..perception.similarity import VideoSimilarity
from ..reference import Reference
from ..reference.reference import is_reference
from ..tasks.embedded import ASSETS, at_control_rate, describe, embedded_reference, load_reference, view_of
from .common import parse_args, resolve_cfgs, simulation
from .signal_variants import ITSELF, SHIFTS, ahead, motion_variants, video_variants

if TYPE_CHECKING:
    from ..tasks.mdp import ReferenceCommandCfg

Video = tuple[torch.Tensor, torch.Tensor]
"""Frames (T, S, S, 3) uint8, robot on white, and masks (T, S, S) bool."""

NEAR = 0.04
"""A rollout that is so far ahead [s] is still a good one."""


def run(argv: list[str]) -> None:
    """Film the wrong rollouts, score all of them with every stream, and print the table."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py signal", description="Measure what each reward stream says of rollouts that are wrong."
    )
    parser.add_argument("--reference", help="Video file or prepared folder; default: the task's embedded sketch.")
    parser.add_argument(
        "--encoder",
        action="append",
        choices=ENCODERS,
        help="Encoder to measure, may be repeated; default: efficientnet, and timesformer if its weights are here.",
    )
    args = parse_args(parser, argv, agent=False)
    env_cfg, _ = resolve_cfgs(args, "bro_cfg_entry_point")
    env_cfg.sim.device = args.device
    cfg, rate = env_cfg.commands.reference, 1.0 / (env_cfg.sim.dt * env_cfg.decimation)
    encoders = _encoders(args.encoder, cfg.encoder_weights)
    given = load_reference(cfg, device=args.device)
    reference = at_control_rate(given, cfg, rate)
    size = env_cfg.scene.camera.height
    count = min(len(reference), round(env_cfg.episode_length_s * rate) + 1)
    video = _video(reference, size, args.device, count)
    rollouts = {name: (video[0][index], video[1][index]) for name, index in video_variants(count).items()}
    with simulation(env_cfg, args):
        rollouts |= _film(args.task, env_cfg, size, count, rate, args.device, view_of(given))
    rollouts |= _other_robots(args.task, cfg, rate, size, args.device, count)
    streams = {"mask IoU": _overlap(video, rollouts, plain=True), "shaped": _overlap(video, rollouts, plain=False)}
    for name in encoders:
        for centred in (False, True) if cfg.similarity == "cosine" else (False,):
            label = f"S_v {name}" + (", centred" if centred else "") + (", l2" if cfg.similarity == "l2" else "")
            streams[label] = _similarity(env_cfg, name, centred, video, rollouts)
    apart = 1000.0 * cfg.clip_stride * cfg.film_every / rate
    print(f"\nReference: {describe(given)}.")
    print(f"{size} px at {rate:g} Hz; clips of {cfg.clip_length} frames, {apart:g} ms apart; means over the frames.\n")
    print(table(streams))
    near = ahead(min(SHIFTS, key=lambda shift: abs(shift / rate - NEAR)))
    print("\n" + verdicts(streams, near))


def table(streams: dict[str, dict[str, float]]) -> str:
    """A Markdown table of scores, one row a rollout, one column a stream."""
    lines = ["| rollout | " + " | ".join(streams) + " |", "|---" * (len(streams) + 1) + "|"]
    for row in next(iter(streams.values())):
        lines.append(f"| {row} | " + " | ".join(f"{scores[row]:.3f}" for scores in streams.values()) + " |")
    return "\n".join(lines)


def verdicts(streams: dict[str, dict[str, float]], near: str) -> str:
    """A Markdown table that says which streams put a good rollout above every wrong one.

    Args:
        streams: score of each rollout, by stream.
        near: name of the rollout that still counts as good.
    """
    right = {ITSELF, "the sketch, filmed again", *(ahead(shift) for shift in SHIFTS)}
    lines = [
        f"| stream | {ITSELF} | {near} | best wrong rollout | falls with the shift until | orders them |",
        "|---|---|---|---|---|---|",
    ]
    for name, scores in streams.items():
        wrong = max((row for row in scores if row not in right), key=scores.get)
        shifts = [scores[ITSELF]] + [scores[ahead(shift)] for shift in SHIFTS if ahead(shift) in scores]
        falls = next((i for i in range(1, len(shifts)) if shifts[i] >= shifts[i - 1]), len(shifts)) - 1
        until = f"{SHIFTS[falls - 1]} frames" if falls else "never"
        orders = "yes" if scores[ITSELF] > scores[near] > scores[wrong] else "no"
        cells = (name, f"{scores[ITSELF]:.3f}", f"{scores[near]:.3f}", f"{wrong}: {scores[wrong]:.3f}", until, orders)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _encoders(wanted: list[str] | None, weights: str) -> list[str]:
    """Encoders to measure; what is left out is said."""
    if wanted:
        for name in wanted:
            require_encoder(name, weights)
        return wanted
    from ..perception.encoders.timesformer_weights import local_weights

    if local_weights(weights) is not None:
        return list(ENCODERS)
    print(f"[nil_ext] timesformer is left out: '{weights}' is not on this machine (--encoder timesformer fetches it).")
    return ["efficientnet"]


def _video(reference: Reference, size: int, device: str, count: int) -> Video:
    """A reference, at the control rate, as the task's camera would have seen it."""
    frames, masks = (torch.from_numpy(values[:count]).to(device) for values in (reference.frames, reference.masks))
    return fit_frames(frames, masks, size)


def _film(
    task: str, env_cfg, size: int, count: int, rate: float, device: str, view: tuple[float, float]
) -> dict[str, Video]:
    """Film the variants of the task's sketch from an azimuth and elevation; call inside a launched simulation."""
    from ..tasks.playback import film_motion

    motion, entry_point = embedded_reference(task).motion, gym.spec(task).kwargs.get("sketch_entry_point")
    if motion is None or entry_point is None:
        print(f"[nil_ext] {task} has no sketch whose motion is known: rollouts that need one are left out.")
        return {}
    motion = at_control_rate(embedded_reference(task), env_cfg.commands.reference, rate).motion
    variants = motion_variants(motion, pkgutil.resolve_name(entry_point), count, rate)
    joined = {
        "joint_names": motion["joint_names"],
        "joint_pos": np.concatenate([joints for joints, _ in variants.values()]),
        "root_pose": np.concatenate([root for _, root in variants.values()]),
    }
    _, frames, masks = film_motion(env_cfg, lambda default: joined, size, view=view)
    frames, masks = torch.from_numpy(frames).to(device), torch.from_numpy(masks).to(device)
    lengths = [len(joints) for joints, _ in variants.values()]
    pieces = zip(composite(frames, masks).split(lengths), masks.split(lengths), strict=True)
    return dict(zip(variants, pieces, strict=True))


def _other_robots(
    task: str, cfg: ReferenceCommandCfg, rate: float, size: int, device: str, count: int
) -> dict[str, Video]:
    """Embedded references of other robots."""
    videos = {}
    for folder in sorted((ASSETS / "references").iterdir()):
        if folder.name == task or not is_reference(folder):
            continue
        other = Reference.load(folder)
        name = other.meta.get("robot", folder.name)
        if name != cfg.robot:
            videos[f"another robot: {name}"] = _video(at_control_rate(other, cfg, rate), size, device, count)
    return videos


def _overlap(reference: Video, rollouts: dict[str, Video], plain: bool) -> dict[str, float]:
    """Mean mask IoU of each rollout, or mean shaped mask score."""
    weight = None if plain else change_weight(reference[1])
    scores = {}
    for name, (_, masks) in rollouts.items():
        target = reference[1][: len(masks)]
        if plain:
            score = iou(masks, target)
        else:  # as ReferenceCommand has it
            soft = soft_iou(masks, target, weight)
            score = shaped(soft)
        scores[name] = float(score.mean())
    return scores


def _similarity(env_cfg, encoder: str, centred: bool, reference: Video, rollouts: dict[str, Video]) -> dict[str, float]:
    """Mean S_v of each rollout, computed as training does: one environment a rollout, all in step."""
    from ..tasks.mdp.commands import encoder_from_cfg

    cfg, device = env_cfg.commands.reference.copy(), reference[1].device
    cfg.encoder = encoder
    streams = VideoSimilarity(
        encoder_from_cfg(cfg, device),
        *reference,
        len(rollouts),
        clip_length=cfg.clip_length,
        clip_stride=cfg.clip_stride,
        every=cfg.film_every,
        centred=centred,
        kind=cfg.similarity,
        starts=(0,),
        device=device,
    )
    lengths = torch.tensor([len(masks) for _, masks in rollouts.values()], device=device)
    total = torch.zeros(len(rollouts), device=device)
    streams.reset()
    for t in range(int(lengths.max())):
        if t % streams.every == 0:
            # a rollout that is over shows its last frame, which does not count
            now = [min(t, len(masks) - 1) for _, masks in rollouts.values()]
            frames, masks = (
                torch.stack([video[part][at] for video, at in zip(rollouts.values(), now, strict=True)])
                for part in (0, 1)
            )
            streams.update(frames, masks, torch.full_like(lengths, t))
        total += streams.value * (t < lengths)
    return dict(zip(rollouts, (total / lengths).tolist(), strict=True))
