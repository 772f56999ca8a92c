# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What a run folder says about how its policy was trained, so that it can be judged in the same environment."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import MISSING, dataclass, field
from pathlib import Path

import gymnasium as gym

from isaaclab_rl.entrypoints.common import RUN_MANIFEST_FILENAME, RUN_MANIFEST_VERSION, set_hydra_args

from ..errors import InputError
from ..evaluation.run_params import OPAQUE, read_params
from ..reference import Reference
from ..tasks.embedded import load_reference, reference_folder
from ..tasks.walk.register import IMITATION, TASK
from .checkpoints import is_nil
from .common import resolve_cfgs
from .lift import LiftWatch
from .run_folders import run_metadata

ENV_SETTINGS = (
    ("decimation",),
    ("episode_length_s",),
    ("sim", "dt"),
    ("sim", "render_interval"),
    ("actions",),
    ("observations",),
    ("terminations",),
    ("commands", "reference"),
    ("scene", "camera", "width"),
    ("scene", "camera", "height"),
    ("scene", "robot", "init_state"),
    ("scene", "robot", "actuators"),
)
"""Parts of the environment that a policy depends on or that metrics are measured with. Rewards are not among them,
nor is the physics engine: judging in another one is a test of its own."""

AGENT_SETTINGS = (("class_name",), ("obs_groups",), ("actor",), ("critic",), ("algorithm",))
"""Parts of the agent without which its checkpoint does not load."""

TRAINING_ONLY = (
    "env.commands.reference.start_along_reference",
    "env.commands.reference.lost_below",
    "agent.algorithm.compiled",
    "agent.algorithm.cuda_graphs",
)
"""What only a training has: how its episodes start and end (whoever judges or plays starts them at e0, and lets them
end with a fall), and how its updates run, which another machine may not be able to."""

_ACTION_KINDS = {
    "JointEffortAction": "torque",
    "JointPositionAction": "position",
    "ReferencePositionAction": "residual",
}
"""The preset of each class of action."""


@dataclass(frozen=True)
class RecordedRun:
    """A checkpoint and what lies beside it; entries are empty where an older run did not write them."""

    checkpoint: Path
    manifest: dict = field(default_factory=dict)
    env: dict = field(default_factory=dict)
    agent: dict = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.checkpoint.parent

    @property
    def metadata(self) -> dict:
        """What the training script noted: agent, digest of the reference, encoder."""
        return self.manifest.get("metadata", {})

    @property
    def seed(self) -> int | None:
        """Seed that it was trained with, where it was kept."""
        return self.agent.get("seed")

    @property
    def commit(self) -> str | None:
        """Commit of the program that trained it, where it was kept."""
        for file in sorted((self.folder / "git").glob("*.diff")):
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            if len(lines) > 1 and lines[0] == "--- git commit ---":
                return lines[1].strip()
        return None

    @classmethod
    def of(cls, checkpoint: Path, task: str) -> RecordedRun:
        """Read the run of a checkpoint.

        Raises:
            InputError: When it is of another task or version, or cannot be read.
        """
        folder = checkpoint.parent
        try:
            file = folder / RUN_MANIFEST_FILENAME
            manifest = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else _of_shipped(checkpoint)
            env, agent = read_params(folder)
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"Run folder '{folder}' cannot be read ({reason}): choose another run.") from error
        if manifest and manifest.get("version") != RUN_MANIFEST_VERSION:
            raise InputError(
                f"Run '{folder}' is of version {manifest.get('version')}, this program reads {RUN_MANIFEST_VERSION}: "
                "use the version that trained it."
            )
        if manifest and manifest.get("task") != task:
            raise InputError(
                f"Checkpoint '{checkpoint}' was trained for {manifest.get('task')}, not {task}: give its own --task."
            )
        reference = _at(env, ("commands", "reference"))
        if "encode_every" in reference:  # its name until robots were filmed no more often than their clips want
            reference["film_every"] = reference.pop("encode_every")
        joints = _at(env, ("actions", "joints"))
        if str(joints.get("class_type")).endswith(":ReferencePositionAction"):
            # as its targets were before there was a choice
            joints.setdefault("ramped", False)
            joints.setdefault("scale_around_e0", joints["scale"])
        return cls(checkpoint, manifest, env, agent)

    def resolve(self, args: argparse.Namespace, argv: list[str], play_mode: bool = False) -> tuple:
        """Settings of task and agent as the run was trained with; ``args`` names its agent then too.

        What the command line has set stays, and so do :data:`TRAINING_ONLY` and the number of environments.

        Args:
            args: what the script was called with, ``reference`` among it.
            argv: its command line.
            play_mode: whether to play.

        Raises:
            InputError: When the command line names another reward, settings do not fit, or the run had another kind of
                observation or network than the call.
        """
        reward = self.metadata.get("reward")
        if reward is not None and args.reward not in (None, reward):
            raise InputError(f"Run '{self.folder}' learned from the {reward} reward: leave --reward {args.reward} out.")
        if "--agent" not in {token.partition("=")[0] for token in argv}:
            args.agent = self.metadata.get("agent", args.agent)
        set_hydra_args([*sys.argv[1:], *self._kind_of_action(argv)])
        env_cfg, agent_cfg = resolve_cfgs(args, args.agent, play_mode, reward)
        chosen = {token.partition("=")[0] for token in argv if "=" in token}.union(TRAINING_ONLY)
        if args.reference:
            chosen.add("env.commands.reference.path")
        for root, cfg, recorded, paths in (
            ("env", env_cfg, self.env, ENV_SETTINGS),
            ("agent", agent_cfg, self.agent, AGENT_SETTINGS),
        ):
            plain = cfg.to_dict()
            for path in paths:
                node, theirs, mine = cfg, recorded, plain
                for name in path[:-1]:
                    node, theirs, mine = getattr(node, name), theirs.get(name, {}), mine[name]
                if path[-1] in theirs:
                    self._adopt(node, mine, {path[-1]: theirs[path[-1]]}, ".".join((root, *path[:-1])), chosen)
        return env_cfg, agent_cfg

    def _kind_of_action(self, argv: list[str]) -> list[str]:
        """Overrides that choose the run's kind of action and its gains, unless the command line chooses a kind."""
        choices = [token.partition("=")[2] for token in argv if token.startswith(("presets=", "env.actions.joints="))]
        chosen = {name for choice in choices for name in choice.split(",")}
        kind = _ACTION_KINDS.get(str(_at(self.env, ("actions", "joints", "class_type"))).rpartition(":")[2])
        return [] if kind is None or chosen.intersection(_ACTION_KINDS.values()) else action_overrides(kind)

    def _adopt(self, node, mine: dict, theirs: dict, path: str, chosen: set[str]) -> None:
        """Bring ``node``, whose plain values are ``mine``, to ``theirs``."""
        for name, value in (theirs | _added_since(node, mine, theirs, path)).items():
            here = f"{path}.{name}"
            if name not in mine or value is OPAQUE or here in chosen or mine[name] == value:
                continue
            child = node[name] if isinstance(node, dict) else getattr(node, name)
            if value is None and _is_observation(mine[name]):
                setattr(node, name, None)
            elif isinstance(value, dict) and isinstance(mine[name], dict) and not _is_table(child, value):
                self._adopt(child, mine[name], value, here, chosen)
            elif _is_code(value) or _is_code(mine[name]) or not _is_alike(child, value):
                raise InputError(
                    f"Run '{self.folder}' was trained with another {here} ({value}) than this call has ({mine[name]}): "
                    "give the presets, overrides and --agent that it was trained with."
                )
            elif isinstance(node, dict):
                node[name] = value
            else:
                setattr(node, name, value)

    def reference(self, env_cfg, given: bool, device: str) -> Reference:
        """The reference to judge against: the run's own, or the one that was given.

        Args:
            env_cfg: settings of the environment.
            given: whether the call names one.
            device: where a clip's networks run.

        Raises:
            InputError: When the run's own is gone, or is no longer what the run imitated.
        """
        cfg = env_cfg.commands.reference
        if not given and cfg.path and not Path(cfg.path).exists():
            raise InputError(
                f"Run '{self.folder}' imitated '{cfg.path}', which is not there: name the file with --reference."
            )
        reference = load_reference(cfg, LiftWatch(), device)
        if self.metadata.get("reward") == TASK:  # the Expert and the baselines imitated none
            return reference
        digest = self.metadata.get("reference", reference.digest)
        if not given and digest != reference.digest:
            as_it_is = shlex.quote(cfg.path or str(reference_folder(cfg.task)))
            raise InputError(
                f"'{cfg.path or cfg.task + ' (embedded)'}' is no longer what run '{self.folder}' imitated (digest "
                f"{reference.digest[:12]}, not {digest[:12]}): it was changed, or this version prepares or lifts it "
                f"otherwise. Give '--reference {as_it_is}' to take it as it is now, or name the original."
            )
        return reference


def _of_shipped(checkpoint: Path) -> dict:
    """The run's manifest of a policy that comes with a task, from what lies beside it; empty for other checkpoints."""
    file = checkpoint.with_name("manifest.json")
    if checkpoint.name != "policy.pt" or not file.is_file():
        return {}
    about = json.loads(file.read_text(encoding="utf-8"))
    metadata = {"reference": about["reference"], "reward": about["trained"].get("reward", IMITATION)}
    return {"version": RUN_MANIFEST_VERSION, "task": about["task"], "metadata": metadata}


def action_overrides(kind: str) -> list[str]:
    """Overrides that choose a kind of action (``torque``, ...) and its gains, whatever ``presets=`` says."""
    return [f"env.actions.joints={kind}", f"env.scene.robot.actuators.motors={kind}"]


def default_selector(args: argparse.Namespace) -> str | None:
    """What a call without ``--checkpoint`` means: None for the policy that comes with the task, which is NIL's.

    Args:
        args: what the script was called with, its settings resolved.
    """
    return None if is_nil(gym.spec(args.task).kwargs["reward"], args.agent) else "latest"


def warn_of_another_reference(checkpoint: Path, reference: Reference) -> None:
    """Print where training is to go on from a run that imitated another reference."""
    about = run_metadata(checkpoint)
    theirs = about.get("reference", reference.digest)
    if theirs == reference.digest or about.get("reward") == TASK:
        return
    print(
        f"[WARN] Run '{checkpoint.parent}' imitated another reference (digest {theirs[:12]}, this one "
        f"{reference.digest[:12]}): its rewards are no measure of this one's; give its --reference to go on with it."
    )


def require_seeds(runs: list[RecordedRun]) -> None:
    """Refuse checkpoints of one run, which are no two seeds, and warn of runs with the same seed.

    Raises:
        InputError: When two checkpoints are the same file, or lie in the same folder.
    """
    for place, run in enumerate(runs):
        for other in runs[:place]:
            if run.folder.resolve() == other.folder.resolve():
                raise InputError(
                    f"Checkpoints '{other.checkpoint}' and '{run.checkpoint}' are of one run, not of two seeds: give "
                    "one checkpoint of each run."
                )
            if run.seed is not None and run.seed == other.seed:
                print(
                    f"[WARN] Runs '{other.folder}' and '{run.folder}' were trained with the same seed, {run.seed}: "
                    "intervals over seeds want runs of different ones."
                )


def same_settings(runs: list[RecordedRun]) -> None:
    """Refuse runs that cannot be judged in one environment with one network.

    Raises:
        InputError: When settings that matter differ.
    """
    first = runs[0]
    for run in runs[1:]:
        for root, paths in (("env", ENV_SETTINGS), ("agent", AGENT_SETTINGS)):
            for path in paths:
                one, other = (_judged(_at(getattr(each, root), path), ".".join((root, *path))) for each in (first, run))
                if one != other:
                    raise InputError(
                        f"Runs '{first.folder}' and '{run.folder}' differ in {'.'.join((root, *path))}: evaluate each "
                        "by itself, and put them side by side with --compare."
                    )
        if first.metadata.get("reference") != run.metadata.get("reference"):
            raise InputError(
                f"Runs '{first.folder}' and '{run.folder}' imitated different references: evaluate each by itself, and "
                "put them side by side with --compare."
            )


def _judged(values: object, path: str) -> object:
    """Recorded settings at a path without those of :data:`TRAINING_ONLY`."""
    if not isinstance(values, dict):
        return values
    return {name: value for name, value in values.items() if f"{path}.{name}" not in TRAINING_ONLY}


def _at(values: dict, path: tuple[str, ...]):
    for name in path:
        values = values.get(name, {}) if isinstance(values, dict) else {}
    return values


def _added_since(node: object, mine: dict, theirs: dict, path: str) -> dict:
    """What a run without these settings was trained with: no such observation, and the reference's own defaults."""
    lacks = [name for name in mine if name not in theirs]
    if path.startswith("env.observations."):
        return {name: None for name in lacks if _is_observation(mine[name])}
    if path == "env.commands.reference":
        defaults = type(node)()
        plain = defaults.to_dict()
        return {name: plain[name] for name in lacks if not isinstance(getattr(defaults, name), type(MISSING))}
    return {}


def _is_observation(mine: object) -> bool:
    """Whether plain settings are those of an observation term."""
    return isinstance(mine, dict) and "func" in mine and "noise" in mine


def _is_table(child: object, value: dict) -> bool:
    """Whether a setting is a table from names or patterns to numbers, which is adopted whole."""
    return isinstance(child, dict) and not any(isinstance(entry, dict) for entry in value.values())


def _is_alike(child: object, value: object) -> bool:
    """Whether a value can take a setting's place: both have parts or neither has, or a number replaces a table."""
    nested = isinstance(child, dict) or hasattr(child, "__dataclass_fields__")
    return nested == isinstance(value, dict) or (isinstance(child, dict) and isinstance(value, (int, float)))


def _is_code(value: object) -> bool:
    """Whether a setting names a class or function (``module:name``)."""
    return isinstance(value, str) and ":" in value and value.partition(":")[0].replace(".", "").isidentifier()
