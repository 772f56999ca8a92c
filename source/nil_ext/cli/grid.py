# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Tables whose cells are training runs and their evaluations, each in a process of its own; what is done stays done."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..evaluation import METRICS, Evaluation
from ..evaluation.results import JSON_FILE
from ..files import require_writable, whole_file
from ..reference.reference import load_kept
from ..reference.verdict import REFUSE
from ..rl.runners.checkpoint import last_checkpoint, read_checkpoint
from ..rl.runners.off_policy_runner import WITHIN_WARM_UP
from ..tasks.embedded import ASSETS
from ..tasks.mdp.actions_cfg import ReferencePositionActionCfg
from .common import resolve_cfgs
from .recorded_run import action_overrides

SCRIPTS = ASSETS.parent / "scripts"
"""The scripts of the checkout; it is they that run, as a user would run them."""

VIDEO_ALONE = (
    "env.tracking_steps=0",
    "env.speed_weight=0",
    "env.commands.reference.observe_motion=false",
    "env.commands.reference.start_along_reference=0",
)
"""Nothing of the reference but what its video shows, as the paper has it. The ``cpu`` profile also uses the joint
angles of a sketch or a lifted clip, which no other method of the tables gets."""

SHOWN = ("env_reward", "survival", "forward_speed", "mask_iou")
"""Metrics of the tables: the Env. Reward separates poorly, so it never stands alone."""

_TRAINED = "trained.json"
_SETTINGS = "settings.json"


class CellError(Exception):
    """A process has failed; the others go on without its cell."""


@dataclass(frozen=True)
class Cell:
    """A method on a task."""

    name: str
    """What tables call the method."""

    task: str
    """Gym id."""

    folder: str
    """Name of its folder below the output."""

    arguments: tuple[str, ...] = ()
    """What ``train.py`` gets beside task, seed and budget: options and overrides."""

    agent: str = "bro"
    """``--agent``."""

    drawn: tuple[str, ...] = ()
    """What ``generate.py`` gets to make a reference for this cell alone; empty where it needs none."""

    shared: tuple[str, ...] = ()
    """Overrides that ``train.py`` and ``evaluate.py`` get, because they choose what the policy acts in."""


def add_grid_args(parser: argparse.ArgumentParser) -> None:
    """Options of every table."""
    parser.add_argument("--seeds", default="1", help="Seeds, separated by commas: 1,2,3. Default: 1.")
    parser.add_argument("--max_iterations", type=int, help="Iterations of each run; default: the agent's.")
    parser.add_argument("--max_minutes", type=float, help="Minutes of each run; default: the agent's.")
    parser.add_argument("--episodes", type=int, default=25, help="Episodes of each evaluation (25).")
    parser.add_argument("--output", type=Path, help="Folder of runs and table; the same again goes on. Default: logs.")


class Grid:
    """Trains and evaluates cells one after the other, going on where an earlier call was stopped."""

    def __init__(self, args: argparse.Namespace, output: Path):
        """Take the options; :func:`add_grid_args` has added them.

        Raises:
            InputError: For numbers that make no sense, or an output that cannot be written.
        """
        try:
            self.seeds = [int(seed) for seed in args.seeds.split(",")]
        except ValueError:
            raise InputError(f"--seeds {args.seeds}: give whole numbers separated by commas, as 1,2,3.") from None
        if len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"--seeds {args.seeds}: a seed is named twice, which would be one run.")
        if args.seed is not None:
            raise InputError(f"--seed {args.seed}: a table has a run a seed, name them with --seeds.")
        for name in ("episodes", "max_iterations", "max_minutes"):
            value = getattr(args, name)
            if value is not None and value <= 0:
                raise InputError(f"--{name} {value:g} leaves nothing to do: give more than 0.")
        self.output = output.expanduser().absolute()
        require_writable(self.output)
        self._args = args
        self._overrides = tuple(sys.argv[1:])
        self.failed: list[str] = []
        """Cells whose processes ended with an error."""

    def evaluate(self, cell: Cell) -> Evaluation | None:
        """Train every seed of a cell and judge them together; None where that fails.

        Raises:
            InputError: When the folder holds runs of other settings.
        """
        folder = self.output / cell.folder
        self._require_same(cell)
        try:
            self._draw(cell)
            runs = [self.train(cell, seed) for seed in self.seeds]
            done = folder / "evaluation"
            if not (done / JSON_FILE).is_file():
                checkpoints = [part for run in runs for part in ("--checkpoint", str(run))]
                options = ("--episodes", str(self._args.episodes), "--name", cell.name, "--output", str(done))
                self.call("evaluate.py", cell, folder, *checkpoints, *options, *cell.shared)
            return Evaluation.read(done)
        except CellError as error:
            print(f"[nil_ext] {cell.task}, {cell.name}: {error}", file=sys.stderr)
            self.failed.append(f"{cell.task}, {cell.name}")
            return None

    def train(self, cell: Cell, seed: int) -> Path:
        """Train a seed of a cell, from its newest checkpoint where there is one; return its run folder.

        Raises:
            CellError: When the training ends with an error.
            InputError: When the folder holds runs of other settings.
        """
        folder = self.output / cell.folder / f"seed_{seed}"
        self._require_same(cell)
        if (folder / _TRAINED).is_file():
            return folder / json.loads((folder / _TRAINED).read_text(encoding="utf-8"))["run"]
        iterations, minutes = self._budget(cell)
        checkpoint = _newest(folder)
        arguments = ["--agent", cell.agent, "--seed", str(seed), "--no_evaluation", *cell.arguments, *cell.shared]
        if cell.drawn:
            arguments += ["--reference", str(self._drawn(cell))]
        if minutes != float("inf"):
            arguments += ["--max_minutes", f"{minutes:g}"]
        if checkpoint is not None:
            content = read_checkpoint(checkpoint, "cpu")
            iterations -= content["iter"]
            if content.get("seconds", 0.0) >= 60.0 * minutes:
                iterations = 0
            arguments += ["--checkpoint", str(checkpoint)]
        if iterations > 0:
            self.call("train.py", cell, folder, *arguments, "--max_iterations", str(iterations))
        run = _newest(folder).parent
        with whole_file(folder / _TRAINED) as file:
            file.write_text(json.dumps({"run": str(run.relative_to(folder))}) + "\n", encoding="utf-8")
        return run

    def call(self, script: str, cell: Cell, folder: Path, *arguments: str) -> None:
        """Run a script in a folder, show its progress, and keep everything it says in a log there.

        Raises:
            CellError: When it ends with an error.
        """
        folder.mkdir(parents=True, exist_ok=True)
        robot = self._args.robot
        which = ["--task", cell.task] if robot is None else ["--robot", str(robot.expanduser().absolute())]
        options = ["--device", self._args.device]
        if self._args.num_envs is not None and script in ("train.py", "play.py"):
            options += ["--num_envs", str(self._args.num_envs)]
        command = [sys.executable, str(SCRIPTS / script), *which, *options, *arguments, *self._overrides]
        log = folder / Path(script).with_suffix(".log")
        print(f"[nil_ext] {cell.task}, {cell.name}: {script} (log: {log})", flush=True)
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
        # a session of its own: Ctrl-C reaches this process alone, which passes it on once
        process = subprocess.Popen(command, cwd=folder, start_new_session=True, env=_environment(), **pipe)
        try:
            with open(log, "a", encoding="utf-8") as file:
                for line in process.stdout:
                    file.write(line)
                    file.flush()
                    if WITHIN_WARM_UP in line:
                        print(f"  {cell.name}: {line.rstrip()}", flush=True)
                    elif "env-steps" in line:
                        print(f"  {cell.name}: {line.rstrip()[:100]}", flush=True)
        except KeyboardInterrupt:
            process.terminate()  # SIGINT would be ignored where a shell has started the table in the background
            raise
        finally:
            status = process.wait()
        if status == 130:  # somebody stopped the run itself
            raise KeyboardInterrupt
        if status != 0:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise CellError(f"{script} failed ({status}): {''.join(last)} (see {log})")

    def _drawn(self, cell: Cell) -> Path:
        """Where a cell's own reference is."""
        return self.output / cell.folder / "reference"

    def _draw(self, cell: Cell) -> None:
        """Make a cell's own reference, where it has one and none that may be used is there yet."""
        folder = self._drawn(cell)
        if not cell.drawn:
            return
        kept = load_kept(folder)
        if kept is None or kept.meta.get("quality", {}).get("verdict") == REFUSE:
            self.call("generate.py", cell, folder.parent, "--output", str(folder), *cell.drawn)

    def _budget(self, cell: Cell) -> tuple[int, float]:
        """Iterations and minutes of a run."""
        args = self._args
        _, agent_cfg = resolve_cfgs(
            argparse.Namespace(**vars(args) | {"task": cell.task}), f"{cell.agent}_cfg_entry_point"
        )
        minutes = agent_cfg.max_minutes if args.max_minutes is None else args.max_minutes
        return args.max_iterations or agent_cfg.max_iterations, minutes

    def _require_same(self, cell: Cell) -> None:
        """Refuse to go on with runs of other settings in the same folder."""
        file = self.output / cell.folder / _SETTINGS
        args = self._args
        settings = {
            "task": cell.task,
            "arguments": [cell.agent, *cell.arguments, *cell.shared, *cell.drawn],
            "overrides": list(self._overrides),
            "budget": [args.max_iterations, args.max_minutes, args.num_envs, args.episodes],
            "seeds": self.seeds,
        }
        if not file.is_file():
            with whole_file(file) as temporary:
                temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
            return
        theirs = json.loads(file.read_text(encoding="utf-8"))
        differ = [name for name, value in settings.items() if theirs.get(name) != value]
        if differ:
            raise InputError(
                f"'{file.parent}' holds runs with other {', '.join(differ)}: give the same, or another --output."
            )


def video_alone(env_cfg) -> tuple[str, ...]:
    """:data:`VIDEO_ALONE`, and position targets around e0 where the settings have them around the reference's motion.

    Args:
        env_cfg: settings of the task. With the paper's, whose actions are torques, nothing changes.
    """
    residual = isinstance(env_cfg.actions.joints, ReferencePositionActionCfg)
    return (*VIDEO_ALONE, *(action_overrides("position") if residual else ()))


def run_grid(grid: Grid, body) -> int:
    """Run a table's body; Ctrl-C and SIGTERM stop it, and the same call goes on."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        body()
    except KeyboardInterrupt:
        print(f"\n[nil_ext] Stopped. The same command goes on with what is in {grid.output}")
        return 130
    if grid.failed:
        print(f"[nil_ext] {len(grid.failed)} failed: {'; '.join(grid.failed)}. The same command tries them again.")
    return 1 if grid.failed else 0


def values(evaluation: Evaluation | None, who: str = "policy") -> dict[str, dict | None]:
    """Mean and 95 % interval of each of :data:`SHOWN`; None where there is none."""
    found: dict[str, dict | None] = dict.fromkeys(SHOWN)
    for metric, summary in ({} if evaluation is None else evaluation.summaries(who)).items():
        if metric in found and summary.mean is not None:
            found[metric] = {"mean": summary.mean, "ci": list(summary.seeds_ci or summary.episodes_ci or ())}
    return found


def titles() -> list[str]:
    """What tables call :data:`SHOWN`."""
    return [METRICS[metric].title for metric in SHOWN]


def text(number: dict | None) -> str:
    """A cell of a table."""
    if number is None:
        return "–"
    interval = f" [{number['ci'][0]:.3g}, {number['ci'][1]:.3g}]" if number["ci"] else ""
    return f"{number['mean']:.3g}{interval}"


def write_table(folder: Path, name: str, content: dict, table: Sequence[str]) -> None:
    """Print a table and write it as Markdown, and what it was made from as JSON."""
    lines = "\n".join(table)
    print(f"\n{lines}\n")
    with whole_file(folder / f"{name}.json") as file:
        file.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    with whole_file(folder / f"{name}.md") as file:
        file.write_text(lines + "\n", encoding="utf-8")
    print(f"[nil_ext] Wrote {name}.md and {name}.json to {folder}")


def _newest(folder: Path) -> Path | None:
    """The newest checkpoint of the newest run below a folder."""
    for run in sorted(folder.glob("logs/nil_ext/*/*"), reverse=True):
        checkpoint = last_checkpoint(run)
        if checkpoint is not None:
            return checkpoint
    return None


def _environment() -> dict[str, str]:
    """The environment of a process, whose progress is to come at once."""
    return {**os.environ, "PYTHONUNBUFFERED": "1"}
