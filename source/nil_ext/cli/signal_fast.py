# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""``scripts/benchmark.py fast``: what a cheaper video similarity saves, and how well it agrees with the exact one."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import pkgutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from scipy.stats import spearmanr

from isaaclab.envs.mdp import JointPositionActionCfg

from ..errors import InputError
from ..perception.encoders import ENCODERS, make_encoder
from ..perception.similarity import VideoSimilarity
from ..tasks.embedded import embedded_reference
from ..tasks.mdp.actions_cfg import ReferencePositionActionCfg
from .checkpoints import find_checkpoint, load_checkpoint
from .common import parse_args, resolve_cfgs
from .controls import Policy, random_actions, start_pose
from .session import Session, open_session

_STRIDES = (2, 4)
"""Reward strides to try [control steps]."""


@dataclass(frozen=True)
class Mode:
    """A way to compute S_v."""

    name: str
    encoder: dict = field(default_factory=dict)
    """Arguments of ``make_encoder`` that differ."""

    every: int = 1
    """Reward stride [control steps]."""

    interpolated: bool = False
    """Whether values between are interpolated, for which the later one must be known, instead of held."""


MODES = {
    "efficientnet": (
        Mode("exact"),
        Mode("torch instead of ONNX Runtime", {"runtime": "torch"}),
        *(Mode(f"every {k} steps, held", every=k) for k in _STRIDES),
        *(Mode(f"every {k} steps, interpolated", every=k, interpolated=True) for k in _STRIDES),
        Mode("input of 48 px", {"image_size": 48}),
        Mode("input of 32 px", {"image_size": 32}),
    ),
    "timesformer": (
        Mode("exact"),
        Mode("bf16", {"precision": "bf16"}),
        Mode("half of the patches", {"tokens": 0.5}),
        Mode("a quarter of the patches", {"tokens": 0.25}),
        *(Mode(f"every {k} steps, held", every=k) for k in _STRIDES),
        *(Mode(f"every {k} steps, interpolated", every=k, interpolated=True) for k in _STRIDES),
    ),
}
"""Ways to compute S_v of each encoder; the first is what the others are held against."""


@dataclass
class Recording:
    """What the camera saw of rollouts, T steps of N environments."""

    frames: list[torch.Tensor]
    """Colours (N, S, S, 3) uint8 of each step."""

    masks: list[torch.Tensor]
    """Robot masks (N, S, S) bool of each step."""

    index: list[torch.Tensor]
    """Wanted frames (N,) of the reference at each step."""

    ended: list[torch.Tensor]
    """Environments (N,) bool whose episode ended with the step."""


def run(argv: list[str]) -> None:
    """Film good and bad rollouts in the simulator, score them in every way, and print the tables."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py fast", description="Measure what a cheaper video similarity saves and how well it agrees."
    )
    parser.add_argument("--checkpoint", help="The good policy; default: the one that comes with the task.")
    parser.add_argument("--copies", type=int, default=4, help="Environments of each kind of rollout (4).")
    parser.add_argument(
        "--encoder", action="append", choices=ENCODERS, help="May be repeated; default: the profile's encoder."
    )
    args = parse_args(parser, argv)
    if args.copies < 1:
        raise InputError(f"--copies {args.copies} leaves nothing to film: give at least 1.")
    if args.num_envs is not None:
        raise InputError(f"--num_envs {args.num_envs}: here --copies says how many, of each kind of rollout.")
    env_cfg, agent_cfg = resolve_cfgs(args, args.agent)
    checkpoint = find_checkpoint(args.checkpoint, agent_cfg.experiment_name, args.task, args.agent)
    args.num_envs = len(KINDS) * args.copies
    with open_session(args, env_cfg, agent_cfg, None) as session:
        recording = _record(session, checkpoint)
        reference, cfg = session.reference, session.reference.cfg
        video, control = (reference.frames, reference.masks), 1.0 / session.env.unwrapped.step_dt
    print(f"\n{len(recording.index)} steps at {control:g} Hz of {args.copies} environments a kind; {args.task}.")
    print(f"Policy: {checkpoint}")
    for name in args.encoder or [cfg.encoder]:
        print(f"\n{name}:\n\n{compare_modes(recording, video, cfg, name)}")


def compare_modes(recording: Recording, video: tuple[torch.Tensor, torch.Tensor], cfg, encoder: str) -> str:
    """A Markdown table: for each way its speed, its agreement with the exact one, and the mean S_v of each kind.

    Args:
        recording: what was filmed.
        video: the reference's frames and masks as the camera would have seen them.
        cfg: settings of the reference command.
        encoder: which encoder's ways to compare.
    """
    lines = [
        f"| way | times as fast | Spearman, steps | Spearman, rollouts | mean error | {' | '.join(KINDS)} |",
        "|---" * (5 + len(KINDS)) + "|",
    ]
    exact, base = np.empty(0), 0.0
    for mode in MODES[encoder]:
        values, seconds = _score(recording, video, cfg, encoder, mode)
        if mode is MODES[encoder][0]:
            exact, base = values, seconds
        kinds = [values[:, k :: len(KINDS)].mean() for k in range(len(KINDS))]
        cells = (
            mode.name,
            f"{base / seconds:.1f}",
            f"{_rank_correlation(values, exact):.3f}",
            f"{_rank_correlation(values.mean(axis=0), exact.mean(axis=0)):.3f}",
            f"{np.abs(values - exact).mean():.4f}",
            *(f"{value:.3f}" for value in kinds),
        )
        lines.append("| " + " | ".join(cells) + " |")
    lines.append(f"\nexact: {1000.0 * base:.1f} ms a step of {exact.shape[1]} environments, comparison included")
    return "\n".join(lines)


def interpolate(values: np.ndarray, ended: np.ndarray, every: int) -> np.ndarray:
    """Values between encoded steps, on a line from one to the next instead of held.

    Before the first and after the last of an episode its value is held; an episode without one keeps what it has.

    Args:
        values: S_v (T, N), held between every k-th step.
        ended: whether an episode ended with the step. Shape is (T, N) bool.
        every: reward stride k.
    """
    result = values.copy()
    for env in range(values.shape[1]):
        begins = np.concatenate([[0], np.flatnonzero(ended[:-1, env]) + 1, [len(values)]])
        for first, end in itertools.pairwise(begins):
            known = np.arange(-(-first // every) * every, end, every)
            if len(known):
                result[first:end, env] = np.interp(np.arange(first, end), known, values[known, env])
    return result


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's, in which values that only rounding tells apart are equal."""
    return float(spearmanr(a.round(5).ravel(), b.round(5).ravel()).statistic)


def _score(
    recording: Recording, video: tuple[torch.Tensor, torch.Tensor], cfg, encoder: str, mode: Mode
) -> tuple[np.ndarray, float]:
    """S_v (T, N) of the recorded rollouts, and seconds a step."""
    device = video[1].device
    settings = {"weights": cfg.encoder_weights, "pooling": cfg.encoder_pooling, "max_clips": cfg.encoder_batch}
    network = make_encoder(encoder, device, **(settings | mode.encoder))
    # clips look as far back in every mode as the profile's, or as near to that as the stride allows
    apart = cfg.clip_stride * cfg.film_every
    streams = VideoSimilarity(
        network,
        *video,
        len(recording.index[0]),
        clip_length=network.clip_length or cfg.clip_length,
        clip_stride=max(1, round(apart / mode.every)),
        every=mode.every,
        centred=cfg.centred,
        kind=cfg.similarity,
        starts=range(mode.every + 1),
        device=device,
    )
    streams.reset()
    rows, seconds = [], 0.0
    for step, (frames, masks, index, ended) in enumerate(
        zip(recording.frames, recording.masks, recording.index, recording.ended, strict=True)
    ):
        if step % mode.every == 0:
            begin = _clock(device)
            streams.update(frames, masks, index)
            seconds += _clock(device) - begin
        rows.append(streams.value.clone())
        streams.reset(ended)
    values = torch.stack(rows).cpu().numpy()
    if mode.interpolated:
        values = interpolate(values, torch.stack(recording.ended).cpu().numpy(), mode.every)
    return values, seconds / len(rows)


def _clock(device: torch.device) -> float:
    """Time [s]: of the CPU spent where it runs there, so that other processes do not count."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


Act = Callable[[object, int], torch.Tensor]
"""Actions (N, A) for observations and the step of the episode."""


def _trained(session: Session, checkpoint: Path) -> Policy:
    load_checkpoint(session, checkpoint)
    return session.runner.get_inference_policy(device=session.env.device)


def _closed_loop(policy: Policy) -> Act:
    return lambda obs, step: policy(obs)


def _open_loop(session: Session, rows: torch.Tensor, speed: float | None = None) -> Act:
    """Joint targets of the task's sketch, one frame ahead, whatever the robot does; with another speed if given."""
    env, robot = session.env.unwrapped, session.reference.robot
    sketch, task = gym.spec(env.cfg.commands.reference.task).kwargs.get("sketch_entry_point"), env.cfg.commands
    if not sketch:
        raise InputError("The open-loop rollouts need a task with a sketch.")
    rate = 1.0 / env.step_dt
    if speed is None:
        motion = embedded_reference(task.reference.task).resample(rate).motion
    else:
        gait = dataclasses.replace(pkgutil.resolve_name(sketch), speed=speed)
        start = dict(zip(robot.joint_names, start_pose(session).tolist(), strict=True))
        motion = gait.motion(start, env.cfg.episode_length_s, rate)
    order = [list(motion["joint_names"]).index(name) for name in robot.joint_names]
    angles = torch.as_tensor(motion["joint_pos"][:, order], dtype=torch.float32, device=env.device)
    return _towards(session, rows, angles)


def _towards(session: Session, rows: torch.Tensor, angles: torch.Tensor) -> Act:
    """Joint targets that are the angles (T, J) of the next frame in some environments.

    By actions, as far as their range allows, where targets go around e0.

    Raises:
        InputError: When actions are no joint targets.
    """
    env = session.env.unwrapped
    term = env.action_manager.get_term("joints")
    if not isinstance(term.cfg, JointPositionActionCfg):
        raise InputError("The rollouts need joint targets as actions: leave 'torque' out of the presets.")
    scale = torch.as_tensor(term._scale, device=env.device)

    def act(obs: object, step: int) -> torch.Tensor:
        targets = angles[min(step + 1, len(angles) - 1)]
        if isinstance(term.cfg, ReferencePositionActionCfg):
            term.aim(targets, rows)
            return torch.zeros_like(term.raw_actions)
        return ((targets - start_pose(session)) / scale).clamp(-1.0, 1.0)

    return act


KINDS: dict[str, Callable[[Session, Path, torch.Tensor], Act]] = {
    "policy": lambda session, checkpoint, _: _closed_loop(_trained(session, checkpoint)),
    "open-loop sketch": lambda session, _, rows: _open_loop(session, rows),
    "marching": lambda session, _, rows: _open_loop(session, rows, speed=0.0),
    "standing": lambda session, _, rows: _towards(session, rows, start_pose(session)[None]),
    "random": lambda session, _, __: _closed_loop(random_actions(session, 0)),
}
"""Kinds of rollouts, hoped to be good ones first; environment i is of kind i modulo their number."""


@torch.no_grad()
def _record(session: Session, checkpoint: Path) -> Recording:
    """One episode's time of every kind side by side, from e0; one that falls begins again."""
    env, reference = session.env, session.reference
    rows = torch.arange(env.num_envs, device=env.device)
    acts = [make(session, checkpoint, rows[k :: len(KINDS)]) for k, make in enumerate(KINDS.values())]
    recording = Recording([], [], [], [])

    def read() -> None:
        recording.frames.append(reference.latest_frames.clone())
        recording.masks.append(reference.latest_mask.clone())
        recording.index.append(reference.frame.clone())

    reference.probes.append(read)
    try:
        with reference.from_e0():
            obs, _ = env.reset()
            for step in range(reference.length - 1):
                actions = torch.stack([act(obs, step) for act in acts])  # (K, N, A)
                obs, _, dones, _ = env.step(actions[rows % len(acts), rows])
                recording.ended.append(dones.bool().clone())
    finally:
        reference.probes.remove(read)
    return recording
