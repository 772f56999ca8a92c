# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What the scripts share: their arguments, the machine's profile, and errors in one line."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import pkgutil
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gymnasium as gym
import torch

from isaaclab.app import add_launcher_args, launch_simulation
from isaaclab_rl.entrypoints.common import add_frontend_args, set_hydra_args
from isaaclab_tasks.utils import resolve_task_config, setup_preset_cli

import nil_ext.tasks  # noqa: F401  (registers the tasks)

from ..errors import InputError, NonFiniteError
from ..robots.robot import CameraFraming
from ..tasks.walk.register import BASELINES, IMITATION, REWARDS, TASK
from .machine import require_runnable
from .own_robot import own_task

PROFILES = ("paper", "cpu")
"""Presets that say for which machine an environment is set up."""

_AGENT_SUFFIX = "_cfg_entry_point"
"""End of the keys under which Isaac Lab registers agents."""


_NO_SETTINGS = {
    "agent.device": "use --device",
    "agent.clip_actions": "actions are clipped to [-1, 1]",
    "agent.resume": "use --checkpoint",
    "agent.load_run": "use --checkpoint",
    "agent.load_checkpoint": "use --checkpoint",
    "agent.init_at_random_ep_len": "robots at e0 would be shown any frame of the reference; see "
    "env.commands.reference.start_along_reference",
}
"""Settings of Isaac Lab's own training scripts that ours do not read, and what does their work."""


def run_main(body: Callable[[list[str]], int | None]) -> int:
    """Run a script's body on the command line and turn what may happen into one line on stderr and an exit code.

    2 for bad input, 1 for a training that met a number that is none, 130 for Ctrl-C.
    """
    try:
        return body(sys.argv[1:]) or 0
    except (InputError, NonFiniteError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


def parse_args(
    parser: argparse.ArgumentParser, argv: list[str], agent: bool = True, num_envs: str = "the profile's"
) -> argparse.Namespace:
    """Add the arguments every script has, parse, and leave presets and overrides to Isaac Lab.

    Args:
        parser: the script's own arguments.
        argv: command line without the program's name.
        agent: whether the script has an agent and environments to count.
        num_envs: default of ``--num_envs``, in words.

    Raises:
        InputError: For an unknown option or task, or no environments.
    """
    parser.add_argument("--task", help="Gym id of the task.")
    parser.add_argument("--robot", type=Path, help="Facts of your own robot (.toml or .py): the task is its walk.")
    if agent:
        parser.add_argument("--num_envs", type=int, help=f"Number of environments; default: {num_envs}.")
        parser.add_argument("--seed", type=int, help="Seed of environment and agent.")
        parser.add_argument(
            "--agent",
            default="bro",
            type=lambda name: name if name.endswith(_AGENT_SUFFIX) else name + _AGENT_SUFFIX,
            help="Agent of the task: bro (default), bro_reference, rsl_rl, or a baseline: amp, gaifo, bco; Isaac Lab's "
            "*_cfg_entry_point works too.",
        )
        parser.add_argument(
            "--reward",
            choices=REWARDS,
            help="What the policy learns from: imitation (default), tracking: joint angles of a sketch or a lifted "
            "clip, without rendering, or task: the Expert, by the Env. Reward.",
        )
    add_frontend_args(parser)
    add_launcher_args(parser)
    args, rest = setup_preset_cli(parser, with_machine_settings(argv))
    for option in (token for token in rest if token.startswith("-")):
        hint = "runs are headless unless --viz names a viewer" if option == "--headless" else "see --help"
        raise InputError(f"Unknown option '{option}': {hint}.")
    set_hydra_args(rest)
    args.task = _known_task(own_task(args))
    if agent and args.reward is not None and is_baseline(args.agent):
        raise InputError(f"--reward {args.reward}: a baseline learns from its trajectories; leave --reward out.")
    if agent and args.num_envs is not None and args.num_envs < 1:
        raise InputError(f"--num_envs {args.num_envs} leaves nothing to simulate: give at least 1.")
    return args


def is_baseline(agent: str) -> bool:
    """Whether an agent learns from an expert's trajectories, whatever the environment pays."""
    return agent.removesuffix(_AGENT_SUFFIX) in BASELINES


def resolve_cfgs(args: argparse.Namespace, agent: str, play_mode: bool = False, reward: str | None = None) -> tuple:
    """Settings of the task and of its agent, with presets and overrides applied.

    Args:
        args: what the script was called with.
        agent: the agent's key.
        play_mode: whether to play.
        reward: what a policy of this environment learns from; default: what ``--reward`` says. A baseline is trained in
            the Expert's environment, whose reward it does not see.

    Raises:
        InputError: When a preset, an override or the agent's key does not fit, or this machine cannot run it.
    """
    if agent not in gym.spec(args.task).kwargs:
        known = [key.removesuffix(_AGENT_SUFFIX) for key in gym.spec(args.task).kwargs if key.endswith(_AGENT_SUFFIX)]
        raise InputError(
            f"Task '{args.task}' has no agent '{agent.removesuffix(_AGENT_SUFFIX)}': choose one of "
            f"{', '.join(name for name in known if name != 'env')}."
        )
    if reward is None:
        reward = TASK if is_baseline(agent) else getattr(args, "reward", None) or IMITATION
    gym.spec(args.task).kwargs["reward"] = reward
    try:
        env_cfg, agent_cfg = resolve_task_config(args.task, agent, play_mode=play_mode)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"These settings do not fit task '{args.task}': {' '.join(str(error).split())}") from error
    for override in sys.argv[1:]:
        name = override.partition("=")[0]
        if name in _NO_SETTINGS:
            raise InputError(f"{name} has no effect here: {_NO_SETTINGS[name]}.")
        _require_setting(name, {"env": env_cfg, "agent": agent_cfg})
    if env_cfg.scene.num_envs < 1:
        raise InputError(f"env.scene.num_envs={env_cfg.scene.num_envs} leaves nothing to simulate: give at least 1.")
    _require_camera(env_cfg, pkgutil.resolve_name(gym.spec(args.task).kwargs["robot_entry_point"]).camera)
    require_runnable(env_cfg, args)
    if getattr(args, "seed", None) is not None:
        agent_cfg.seed = args.seed
    if getattr(args, "reference", None) is not None:
        env_cfg.commands.reference.path = str(Path(args.reference).expanduser().absolute())
    return env_cfg, agent_cfg


@contextlib.contextmanager
def simulation(env_cfg, args: argparse.Namespace) -> Iterator[None]:
    """Isaac Lab's launched simulation, through which errors of ours pass in silence: it prints any traceback."""
    refused = None
    with launch_simulation(env_cfg, args):
        try:
            yield
        except (InputError, NonFiniteError) as error:
            refused = error
    if refused is not None:
        raise refused


def _require_setting(path: str, cfgs: dict[str, object]) -> None:
    """Refuse a misspelt override: Isaac Lab would set an attribute that nothing reads, and say nothing."""
    root, *names = path.split(".")
    node = cfgs.get(root)
    for name in names:
        if dataclasses.is_dataclass(node) and name not in (known := [field.name for field in dataclasses.fields(node)]):
            raise InputError(f"Unknown setting '{path}': there is no '{name}' among {', '.join(sorted(known))}.")
        node = node.get(name) if isinstance(node, dict) else getattr(node, name, None)


def _require_camera(env_cfg, robot_camera: CameraFraming) -> None:
    """Refuse a camera whose pictures would not match the references, which are drawn and aligned to the robot's."""
    camera, follows = env_cfg.scene.camera, env_cfg.commands.reference
    if camera.width != camera.height:
        raise InputError(
            f"The camera has {camera.width} x {camera.height} px, references are square: set env.scene.camera.width "
            "and env.scene.camera.height alike."
        )
    extent = follows.camera_distance * camera.spawn.horizontal_aperture / camera.spawn.focal_length
    has, needs = (follows.camera_distance, follows.camera_height, extent), dataclasses.astuple(robot_camera)
    if any(abs(a - b) > 1e-6 for a, b in zip(has, needs, strict=True)):
        raise InputError(
            "A camera with distance {:g}, height {:g} and extent {:g} m does not show what references do ({:g}, {:g}, "
            "{:g} m): leave these settings out, or change the camera in the robot's own file.".format(*has, *needs)
        )


def _known_task(task: str | None) -> str:
    known = sorted(name for name in gym.registry if name.startswith("NIL-"))
    if not task:
        raise InputError(f"--task is missing: choose one of {', '.join(known)}.")
    if task not in known:
        raise InputError(f"Unknown task '{task}': choose one of {', '.join(known)}.")
    return task


def with_machine_settings(argv: list[str]) -> list[str]:
    """The arguments with ``--device cpu presets=cpu`` added where they run without CUDA and choose nothing else.

    The choice is printed: a default is never swapped silently.

    Raises:
        InputError: When a device is asked for that is not there.
    """
    device, cuda = value_of(argv, "--device"), torch.cuda.is_available()
    on_cpu = device is not None and device.startswith("cpu")
    if "--help" in argv or "-h" in argv:
        return argv
    if device is not None:
        _require_device(device)
    if cuda and not on_cpu:
        return argv
    if device is None:
        argv = [*argv, "--device", "cpu"]
    if chosen_presets(argv) & set(PROFILES):
        return argv
    reason = f"--device {device}" if cuda else "No CUDA device"
    print(f"[nil_ext] {reason}: running the 'cpu' profile (see docs/method.md; 'presets=paper' overrides).")
    if not cuda and not on_cpu and shutil.which("nvidia-smi") is not None:
        print("[nil_ext] NVIDIA's driver is installed, but PyTorch cannot use it: scripts/doctor.py says more.")
    return with_cpu_profile(argv)


def _require_device(device: str) -> None:
    if not re.fullmatch(r"(cpu|cuda)(:\d+)?", device):
        raise InputError(f"--device {device}: give cpu, cuda or cuda:N.")
    if device.startswith("cpu"):
        return
    if not torch.cuda.is_available():
        raise InputError(f"--device {device}: PyTorch finds no CUDA device here; leave it out to run on the CPU.")
    if int(device.partition(":")[2] or 0) >= (count := torch.cuda.device_count()):
        raise InputError(f"--device {device}: PyTorch finds {count} here, the last is cuda:{count - 1}.")


def with_cpu_profile(argv: list[str]) -> list[str]:
    """The arguments with the ``cpu`` profile before the presets that they name."""
    rest = [arg for arg in argv if not arg.startswith("presets=")]
    return [*rest, "presets=" + ",".join(["cpu", *sorted(chosen_presets(argv))])]


def chosen_presets(argv: list[str]) -> set[str]:
    """Names of the presets on a command line."""
    return {name for arg in argv if arg.startswith("presets=") for name in arg.removeprefix("presets=").split(",")}


def value_of(argv: list[str], option: str) -> str | None:
    """What follows an option on a command line, or None where it is not there."""
    for index, arg in enumerate(argv):
        if arg.startswith(f"{option}="):
            return arg.split("=", 1)[1]
        if arg == option and index + 1 < len(argv):
            return argv[index + 1]
    return None
