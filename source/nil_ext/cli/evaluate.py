# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/evaluate.py``."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..evaluation import METRICS, Evaluation, Rollout, Yardstick, judge_episodes, roll_out
from ..evaluation.compare import comparison
from ..evaluation.mocap import MocapClip, load_mocap, shared_joints
from ..evaluation.results import CSV_FILE, JSON_FILE, POLICY, TABLE_FILE, VIDEO_FILE
from ..files import file_hash, require_writable
from ..rl.runners.checkpoint import read_checkpoint
from ..tasks.embedded import describe
from .checkpoints import find_checkpoint, load_checkpoint, output_folder, with_shipped_profile
from .common import parse_args, resolve_cfgs, run_main
from .controls import Policy, controls
from .judge import write_rollout_video
from .probe import SimulatorProbe, yardstick
from .provenance import about, checkpoint_facts
from .recorded_run import RecordedRun, default_selector, require_seeds, same_settings
from .session import Session, open_session

REGULARISATION_ONLY = "regularisation only"
"""Name of the control that was trained without the imitation streams."""

REPORT_FILE = "report.html"

EPISODES = 100
"""Episodes of each policy and control."""

_JUDGING = ("name", "episodes", "reference", "mocap", "regularisation_only", "num_envs", "seed")
"""Options that say how a checkpoint is judged; earlier evaluations alone are only put beside each other."""


def run(argv: list[str]) -> None:
    """Judge checkpoints beside their controls, compare them with earlier evaluations, and write what was found."""
    argv = with_shipped_profile(argv)
    args = parse_args(_parser(), argv, num_envs="one an episode")
    if args.compare and not args.checkpoint:
        _require_comparing(args)
    args.episodes = EPISODES if args.episodes is None else args.episodes
    if args.episodes < 1:
        raise InputError(f"--episodes {args.episodes} leaves nothing to judge: give at least 1.")
    compared = [Evaluation.read(Path(path).expanduser()) for path in args.compare]
    evaluations = compared
    if args.checkpoint or not compared:
        evaluations = [_evaluate(args, argv), *compared]
    if len(evaluations) > 1:
        print(f"\n{comparison(evaluations)}\n")
    if args.report:
        from ..evaluation.report import write_report

        path = Path(args.output).expanduser() if args.output else evaluations[0].folder
        require_writable(path)
        write_report(evaluations, path / REPORT_FILE)
        print(f"[nil_ext] Report: {path / REPORT_FILE}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Judge a policy by every metric, beside its controls.")
    many = {"action": "append", "default": [], "metavar": "PATH"}
    parser.add_argument(
        "--checkpoint",
        **many,
        help="A file, a run folder, 'latest' or 'best', again for each further seed; default: the policy that comes "
        "with the task, else 'latest'.",
    )
    parser.add_argument("--name", help="What tables call the method; default: the run folder's name.")
    parser.add_argument("--episodes", type=int, help=f"Episodes of each policy and control ({EPISODES}).")
    parser.add_argument("--reference", help="Judge against this one instead of the run's own reference.")
    parser.add_argument("--mocap", help="LocoMuJoCo trajectory (.npz) to compare joint angles with.")
    parser.add_argument(
        "--regularisation_only", metavar="PATH", help="Checkpoint trained without imitation streams: a control more."
    )
    parser.add_argument(
        "--compare",
        **many,
        help="Folder of an earlier evaluation to put beside; may be repeated, and without --checkpoint these are all.",
    )
    parser.add_argument("--report", action="store_true", help="Write a self-contained HTML page too.")
    parser.add_argument("--output", help="Where to write; default: <run folder>/evaluation/<checkpoint>.")
    return parser


def _require_comparing(args: argparse.Namespace) -> None:
    """Refuse what only judging a checkpoint would use."""
    given = [option for option in _JUDGING if getattr(args, option) is not None]
    if given:
        raise InputError(f"--{given[0]} is for judging a policy: name one with --checkpoint, or leave it out.")
    if args.output and not args.report:
        raise InputError("--output is where the page of a comparison goes: add --report, or leave it out.")


@dataclass
class _Candidates:
    """What is to be judged, and the settings to do it in."""

    runs: list[RecordedRun]
    """A checkpoint a seed."""

    control: RecordedRun | None
    """One that was trained on the regularisation alone."""

    env_cfg: object
    agent_cfg: object


def _evaluate(args: argparse.Namespace, argv: list[str]) -> Evaluation:
    """Simulate, judge, print and write."""
    found = _candidates(args, argv)
    runs, env_cfg = found.runs, found.env_cfg
    contents = [read_checkpoint(entry.checkpoint, "cpu") for entry in runs]
    reference = runs[0].reference(env_cfg, bool(args.reference), args.device)
    mocap = load_mocap(args.mocap, env_cfg.commands.reference.robot) if args.mocap else None
    args.num_envs = _environments(args, argv, env_cfg)
    output = Path(args.output).expanduser() if args.output else _default_folder(runs, args.task)
    require_writable(output)
    for entry in runs:
        print(f"[nil_ext] Checkpoint: {entry.checkpoint}")
    print(f"[nil_ext] Reference: {describe(reference)}")
    with open_session(args, env_cfg, found.agent_cfg, None) as session:
        judge = _Judge(session, yardstick(session, mocap), args.episodes)
        episodes = judge.everybody(found, found.agent_cfg.seed)
        write_rollout_video(output / VIDEO_FILE, session, judge.film)
        facts = about(session, reference, env_cfg.commands.reference.path, found.agent_cfg.seed)
        facts |= _more_facts(args, judge.measure, session, mocap)
    facts["checkpoints"] = [
        {**checkpoint_facts(entry, content), "seed": entry.seed} for entry, content in zip(runs, contents, strict=True)
    ]
    facts["reference"]["is the run's own"] = reference.digest == runs[0].metadata.get("reference")
    evaluation = Evaluation(args.name or runs[0].folder.name, facts, episodes)
    evaluation.write(output)
    print(f"\n{args.episodes} episodes each, from e0 (mean and 95 % interval):\n{evaluation.table()}\n")
    print(f"[nil_ext] Wrote {', '.join((JSON_FILE, TABLE_FILE, CSV_FILE, VIDEO_FILE))} to {output}")
    return evaluation


def _candidates(args: argparse.Namespace, argv: list[str]) -> _Candidates:
    """Find the checkpoints and bring the settings to what they were trained with."""
    env_cfg, agent_cfg = resolve_cfgs(args, args.agent)

    def find(selector: str | None) -> RecordedRun:
        path = find_checkpoint(selector, agent_cfg.experiment_name, args.task, args.agent)
        return RecordedRun.of(path, args.task)

    runs = [find(selector) for selector in args.checkpoint or [default_selector(args)]]
    require_seeds(runs)
    same_settings(runs)
    control = find(args.regularisation_only) if args.regularisation_only else None
    if control is not None:
        _require_regularisation_only(control)
        same_settings([runs[0], control])
    env_cfg, agent_cfg = runs[0].resolve(args, argv)
    return _Candidates(runs, control, env_cfg, agent_cfg)


class _Judge:
    """Rolls policies out in one session until all episodes are counted."""

    def __init__(self, session: Session, measure: Yardstick, episodes: int):
        self.measure = measure
        self.film: Rollout | None = None
        """The first rollout, with its frames."""
        self._session = session
        self._episodes = episodes
        self._joint_names = tuple(session.reference.robot.joint_names)

    def __call__(self, act: Policy) -> dict[str, np.ndarray]:
        """Every metric of exactly as many episodes as were asked for."""
        parts: list[dict[str, np.ndarray]] = []
        with SimulatorProbe(self._session).attached() as probe:
            while sum(len(part["survival"]) for part in parts) < self._episodes:
                film = self.film is None
                rollout = roll_out(self._session.env, act, probe, self.measure.rate, self._joint_names, film)
                self.film = rollout if film else self.film
                parts.append(judge_episodes(rollout, self.measure))
        return {name: np.concatenate([part[name] for part in parts])[: self._episodes] for name in METRICS}

    def everybody(self, found: _Candidates, seed: int) -> dict[str, list[dict[str, np.ndarray]]]:
        """The policy, a list entry a checkpoint, and its controls."""
        episodes = {POLICY: [self.checkpoint(run) for run in found.runs]}
        episodes |= {who: [self(act)] for who, act in controls(self._session, seed).items()}
        if found.control is not None:
            episodes[REGULARISATION_ONLY] = [self.checkpoint(found.control)]
        return episodes

    def checkpoint(self, run: RecordedRun) -> dict[str, np.ndarray]:
        """The same of a checkpoint's policy."""
        load_checkpoint(self._session, run.checkpoint)
        return self(self._session.runner.get_inference_policy(device=self._session.env.device))


def _require_regularisation_only(run: RecordedRun) -> None:
    """Refuse a control that was trained on imitation after all."""
    weights = {
        name: (run.env.get("rewards", {}).get(name) or {}).get("weight") for name in ("video_similarity", "mask_iou")
    }
    if any(weight != 0.0 for weight in weights.values()):
        raise InputError(
            f"'{run.checkpoint}' is no control without imitation (weights {weights}): train one with "
            "env.rewards.video_similarity.weight=0 env.rewards.mask_iou.weight=0."
        )


def _environments(args: argparse.Namespace, argv: list[str], env_cfg) -> int:
    """How many environments to open: one an episode, unless the command line says otherwise.

    From the same start pose a second batch repeats the first, to the last digit on a CPU, and adds no knowledge;
    environments side by side differ at least by rounding, which a gait at the edge of falling feels.
    """
    if args.num_envs is None and not any(token.startswith("env.scene.num_envs=") for token in argv):
        return args.episodes
    batches = math.ceil(args.episodes / (args.num_envs or env_cfg.scene.num_envs))
    if batches > 1:
        print(f"[nil_ext] {batches} batches: a deterministic policy repeats itself in each, leave out --num_envs.")
    return math.ceil(args.episodes / batches)


def _more_facts(args: argparse.Namespace, measure: Yardstick, session: Session, mocap: MocapClip | None) -> dict:
    reachable = min(measure.reward_steps, round(100.0 * (session.reference.length - 1) / measure.rate))
    period, names = measure.gait_period, tuple(session.reference.robot.joint_names)
    return {
        "agent": args.agent,
        "episodes": args.episodes,
        "env reward": {
            "kind": measure.reward_kind,
            "speed [m/s]": measure.speed,
            "largest value": measure.reward_steps,
            "largest value in an episode of this length": reachable,
        },
        "reference gait period [s]": None if math.isnan(period) else period,
        "mocap": mocap
        and {
            "path": str(args.mocap),
            "sha256": file_hash(Path(args.mocap).expanduser()),
            "joints compared": sorted(mocap.joint_names[theirs] for theirs, _ in shared_joints(mocap, names)),
        },
    }


def _default_folder(runs: list[RecordedRun], task: str) -> Path:
    stem = runs[0].checkpoint.stem + (f"_and_{len(runs) - 1}_more" if len(runs) > 1 else "")
    return output_folder(runs[0].checkpoint, task) / "evaluation" / stem


def main() -> int:
    """Entry point of the script."""
    return run_main(run)
