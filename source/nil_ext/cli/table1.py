# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""``scripts/benchmark.py table1``: the paper's table of robots and methods."""

from __future__ import annotations

import argparse
from pathlib import Path

import gymnasium as gym

from ..errors import InputError
from ..rl.imitation import load_trajectories
from ..tasks.walk.register import BASELINES
from .common import parse_args, resolve_cfgs
from .grid import SHOWN, Cell, CellError, Grid, add_grid_args, run_grid, text, titles, values, video_alone, write_table
from .run_folders import log_root

METHODS = {
    "NIL": ("bro", ()),
    "AMP": ("amp", ()),
    "GAIfO": ("gaifo", ()),
    "BCO": ("bco", ()),
    "Expert": ("bro", ("--reward", "task")),
}
"""Agent and options of each method; NIL also gets :func:`~nil_ext.cli.grid.video_alone` of the task."""

PAPER = {
    "NIL-H1-Walk": (396.1, 393.5, 347.8, 72.0, 400.0),
    "NIL-Talos-Walk": (352.8, 231.1, 204.4, 26.6, 400.0),
    "NIL-G1-Walk": (356.9, 393.4, 353.1, 21.2, 400.0),
    "NIL-A1-Walk": (290.3, 286.9, 260.8, 30.3, 300.0),
}
"""The paper's Env. Reward of each method, in their order."""

NUM_TRAJECTORIES = 25
"""Trajectories that the paper's baselines got; as many are recorded from the Expert."""


def run(argv: list[str]) -> int:
    """Train and judge every method on every robot, and print the table beside the paper's numbers."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py table1",
        description="Train and judge the paper's methods; without --task on its four robots.",
    )
    add_grid_args(parser)
    parser.add_argument("--methods", default=",".join(METHODS), help=f"Of {', '.join(METHODS)}; default: all.")
    parser.add_argument(
        "--trajectories",
        type=Path,
        help="Folder with <robot>_walk.npz for the baselines; else, and where one is missing: the Expert's rollouts.",
    )
    single = any(token.partition("=")[0] in ("--task", "--robot") for token in argv)
    args = parse_args(parser, argv if single else [*argv, "--task", next(iter(PAPER))])
    if args.reward is not None or args.agent != "bro_cfg_entry_point":
        raise InputError("The table trains every method itself: use --methods, and leave --reward and --agent out.")
    methods = [name.strip() for name in args.methods.split(",")]
    if unknown := [name for name in methods if name not in METHODS]:
        raise InputError(f"--methods: no method '{unknown[0]}' among {', '.join(METHODS)}.")
    tasks = [args.task] if single else [task for task in PAPER if task in gym.registry]
    env_cfgs = {task: _env_cfg(args, task) for task in tasks}
    given = {task: _given(args, task, env_cfg) for task, env_cfg in env_cfgs.items()}
    nil = {task: video_alone(env_cfg) for task, env_cfg in env_cfgs.items()}
    grid = Grid(args, args.output or log_root("table1") / (args.task if single else "all"))

    def body() -> None:
        results = {task: _row(grid, task, methods, given[task], nil[task]) for task in tasks}
        _write(args, grid, methods, results, nil[tasks[0]])

    return run_grid(grid, body)


def _env_cfg(args: argparse.Namespace, task: str):
    """Settings of a task's environment."""
    return resolve_cfgs(argparse.Namespace(**vars(args) | {"task": task}), args.agent)[0]


def _given(args: argparse.Namespace, task: str, env_cfg) -> Path | None:
    """The file of trajectories that was given for a task, read early: nothing is to train for hours before it fails."""
    if args.trajectories is None:
        return None
    if not args.trajectories.expanduser().is_dir():
        raise InputError(
            f"--trajectories '{args.trajectories}' is no folder: give the one that holds <robot>_walk.npz."
        )
    robot = env_cfg.commands.reference.robot
    path = args.trajectories.expanduser().absolute() / f"{robot.lower()}_walk.npz"
    if not path.is_file():
        print(f"[nil_ext] No '{path}': the baselines of {task} learn from the Expert's rollouts.")
        return None
    load_trajectories(path, robot).require_rate(1.0 / (env_cfg.sim.dt * env_cfg.decimation))
    return path


def _row(grid: Grid, task: str, methods: list[str], trajectories: Path | None, nil: tuple[str, ...]) -> dict:
    """Evaluations of a task's methods, the Expert first where the baselines need its rollouts.

    ``nil`` are the overrides of NIL.
    """
    results = {}
    for name in sorted(methods, key=list(METHODS).index):
        agent, options = METHODS[name]
        if agent not in BASELINES:
            shared = nil if name == "NIL" else ()
            results[name] = grid.evaluate(Cell(name, task, f"{task}/{name}", options, agent, shared=shared))
            continue
        try:
            trajectories = trajectories or _record(grid, task)
        except CellError as error:
            print(f"[nil_ext] {task}, {name}: no trajectories, {error}")
            grid.failed.append(f"{task}, {name}")
            results[name] = None
            continue
        options = ("--trajectories", str(trajectories))
        results[name] = grid.evaluate(Cell(name, task, f"{task}/{name}", options, agent))
    return results


def _record(grid: Grid, task: str) -> Path:
    """The Expert's rollouts, of the first seed; it is trained first where that has not been done."""
    agent, options = METHODS["Expert"]
    cell = Cell("Expert", task, f"{task}/Expert", options, agent)
    run = grid.train(cell, grid.seeds[0])
    path = grid.output / cell.folder / "rollouts.npz"
    if not path.is_file():
        record = ("--checkpoint", str(run), "--record", str(path), "--num_envs", str(NUM_TRAJECTORIES))
        grid.call("play.py", cell, path.parent, *record)
    return path


def _write(args: argparse.Namespace, grid: Grid, methods: list[str], results: dict, nil: tuple[str, ...]) -> None:
    """The table of what there is; ``nil`` are the overrides of NIL."""
    columns = [*methods, "(standing)"]
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    rows: dict[str, dict] = {}
    for task, found in results.items():
        any_of = next((evaluation for evaluation in found.values() if evaluation is not None), None)
        rows[task] = {name: values(found[name]) for name in methods} | {"(standing)": values(any_of, "standing")}
        reward, *others = ([text(rows[task][name][metric]) for name in columns] for metric in SHOWN)
        paper = dict(zip(METHODS, PAPER.get(task, ()), strict=False))
        title, *more = titles()
        table = [(f"{task}, {title}", reward), ("the paper's", [str(paper.get(name, "–")) for name in columns])]
        lines += [f"| {of} | {' | '.join(cells)} |" for of, cells in table + list(zip(more, others, strict=True))]
    lines += [
        "",
        f"Seeds {args.seeds}, {args.episodes} episodes each; mean and 95 % interval. NIL learns from the video alone "
        f"(`{' '.join(nil)}`, before overrides of the call).",
    ]
    content = {
        "seeds": grid.seeds,
        "episodes": args.episodes,
        "rows": rows,
        "paper": PAPER,
        "methods": list(METHODS),
    }
    write_table(grid.output, "table1", content, lines)
