# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Make a trained policy the one that comes with its task: ``python -m nil_ext.cli.ship --help``.

It is for who releases the extension. The policy alone is kept, without critics, optimisers and replay: enough to play,
to evaluate and to export, too little to train from.
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path

from ..errors import InputError
from ..evaluation import Evaluation
from ..files import file_hash, whole_file
from ..rl.algorithms import policy_alone
from ..rl.runners.checkpoint import read_checkpoint, write_checkpoint
from ..tasks.embedded import ASSETS
from ..tasks.walk.register import IMITATION
from .common import run_main


def manifest(checkpoint: dict, digest: str, evaluation: Evaluation, command: str, commit: str | None = None) -> dict:
    """What is known about a policy, for the file beside it.

    Args:
        checkpoint: the run's.
        digest: SHA-256 of its file.
        evaluation: what ``scripts/evaluate.py`` found of it.
        command: how it was trained.
        commit: of the code that trained it; as the run recorded it if None.

    Raises:
        InputError: When the evaluation is of another checkpoint, or of a reference that did not come with the task.
    """
    about = evaluation.about
    judged = [each for each in about["checkpoints"] if each["sha256"] == digest]
    if len(judged) != len(about["checkpoints"]) or not judged:
        raise InputError(f"The evaluation '{evaluation.name}' is not of this checkpoint alone: evaluate it by itself.")
    reference = about["reference"]
    if reference["path"] != "embedded" or not reference["is the run's own"]:
        raise InputError(
            f"The policy learned from '{reference['path']}' and holds codes of it: only what learned from the "
            "reference that comes with the task can come with it."
        )

    def numbers(who: str) -> dict:
        summaries = {name: s for name, s in evaluation.summaries(who).items() if s.mean is not None}
        return {
            name: {"mean": round(s.mean, 4), "ci95": s.episodes_ci and [round(bound, 4) for bound in s.episodes_ci]}
            for name, s in summaries.items()
        }

    return {
        "task": about["task"],
        "reference": reference["digest"],
        "reference_kind": f"embedded {reference['source']}",
        "trained": {
            "date": datetime.date.today().isoformat(),
            "command": command,
            "commit": commit or judged[0]["trained by commit"] or about["commit"],
            "reward": (checkpoint["infos"] or {}).get("reward", IMITATION),
            "environment_steps": checkpoint["transitions"],
            "updates": checkpoint["gradient_steps"],
            "minutes": round(checkpoint["seconds"] / 60.0, 2),
        },
        "evaluated": {
            "command": f"./isaaclab.sh -p scripts/evaluate.py --task {about['task']} --checkpoint <run> "
            f"--episodes {about['episodes']} --seed {about['seed']}",
            "episodes": about["episodes"],
            **{who: numbers(who) for who in evaluation.episodes},
        },
    }


def run(argv: list[str]) -> None:
    """Write ``assets/policies/<task>/policy.pt`` and ``manifest.json``."""
    parser = argparse.ArgumentParser(prog="ship", description="Make a policy the one that comes with its task.")
    parser.add_argument("--checkpoint", type=Path, required=True, help="model_<iteration>.pt of a run.")
    parser.add_argument("--evaluation", type=Path, required=True, help="Folder that evaluate.py wrote of it.")
    parser.add_argument("--command", required=True, help="How it was trained, for the manifest.")
    parser.add_argument("--commit", help="Of the code that trained it, where the run did not record it.")
    parser.add_argument("--output", type=Path, default=ASSETS / "policies", help="Where to. Default: assets/policies.")
    args = parser.parse_args(argv)
    checkpoint = read_checkpoint(args.checkpoint, "cpu")
    policy = policy_alone(checkpoint)
    evaluation = Evaluation.read(args.evaluation)
    about = manifest(checkpoint, file_hash(args.checkpoint), evaluation, args.command, args.commit)
    folder = args.output / about["task"]
    write_checkpoint(policy, folder / "policy.pt")
    with whole_file(folder / "manifest.json") as file:
        file.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    size = (folder / "policy.pt").stat().st_size / 1e6
    print(f"[nil_ext] Wrote {folder / 'policy.pt'} ({size:.2f} MB) and manifest.json")


def main() -> int:
    """Entry point of the module."""
    return run_main(run)


if __name__ == "__main__":
    raise SystemExit(main())
