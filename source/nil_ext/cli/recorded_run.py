# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What a run folder says about how its policy was trained, so that it can be judged in the same environment."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from isaaclab_rl.entrypoints.common import RUN_MANIFEST_FILENAME, RUN_MANIFEST_VERSION

from ..errors import InputError
from ..reference import Reference
from ..tasks.embedded import load_reference
from ..tasks.walk.register import TASK
from .common import resolve_cfgs
from .lift import LiftWatch

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


class _PlainLoader(yaml.SafeLoader):
    """Plain values and tuples; whatever would run code becomes :data:`_OPAQUE`."""


_OPAQUE = object()
_PlainLoader.add_constructor(
    "tag:yaml.org,2002:python/tuple", lambda loader, node: tuple(loader.construct_sequence(node, deep=True))
)
_PlainLoader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: _OPAQUE)


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
            manifest = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
            env, agent = (_plain_yaml(folder / "params" / name) for name in ("env.yaml", "agent.yaml"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"Run folder '{folder}' cannot be read ({reason}): choose another run.") from error
        if manifest and manifest.get("version") != RUN_MANIFEST_VERSION:
            raise InputError(
                f"Run '{folder}' is of version {manifest.get('version')}, this program reads {RUN_MANIFEST_VERSION}: "
                "evaluate it with the version that trained it."
            )
        if manifest and manifest.get("task") != task:
            raise InputError(
                f"Checkpoint '{checkpoint}' was trained for {manifest.get('task')}, not {task}: give its own --task."
            )
        return cls(checkpoint, manifest, env, agent)

    def resolve(self, args: argparse.Namespace, argv: list[str], play_mode: bool = False) -> tuple:
        """Settings of task and agent with the run's own agent and reward, which ``args`` then name too.

        Raises:
            InputError: When the command line names another reward, or settings do not fit.
        """
        reward = self.metadata.get("reward")
        if reward is not None and args.reward not in (None, reward):
            raise InputError(f"Run '{self.folder}' learned from the {reward} reward: leave --reward {args.reward} out.")
        if "--agent" not in {token.partition("=")[0] for token in argv}:
            args.agent = self.metadata.get("agent", args.agent)
        return resolve_cfgs(args, args.agent, play_mode, reward)

    def adopt(self, env_cfg, agent_cfg, chosen: set[str]) -> None:
        """Bring settings to what the run was trained with.

        Args:
            env_cfg: settings of the environment, changed in place.
            agent_cfg: settings of the agent, changed in place.
            chosen: dotted paths that the command line has set; they stay.

        Raises:
            InputError: When the run had another kind of action, observation or network.
        """
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

    def _adopt(self, node, mine: dict, theirs: dict, path: str, chosen: set[str]) -> None:
        for name, value in theirs.items():
            here = f"{path}.{name}"
            if name not in mine or value is _OPAQUE or here in chosen or mine[name] == value:
                continue
            child = node[name] if isinstance(node, dict) else getattr(node, name)
            if isinstance(value, dict) and isinstance(mine[name], dict) and not _is_table(child, value):
                self._adopt(child, mine[name], value, here, chosen)
            elif _is_code(value) or _is_code(mine[name]) or isinstance(mine[name], dict) != isinstance(value, dict):
                raise InputError(
                    f"Run '{self.folder}' was trained with another {here} ({value}) than this call has ({mine[name]}): "
                    "give the presets, overrides and --agent that it was trained with."
                )
            elif isinstance(node, dict):
                node[name] = value
            else:
                setattr(node, name, value)

    def reference(self, env_cfg, given: bool) -> Reference:
        """The reference to judge against: the run's own, or the one that was given.

        Raises:
            InputError: When the run's own is gone, or is no longer what the run imitated.
        """
        cfg = env_cfg.commands.reference
        if not given and cfg.path and not Path(cfg.path).exists():
            raise InputError(
                f"Run '{self.folder}' imitated '{cfg.path}', which is not there: name the file with --reference."
            )
        reference = load_reference(cfg, LiftWatch())
        if self.metadata.get("reward") == TASK:  # the Expert and the baselines imitated none
            return reference
        digest = self.metadata.get("reference", reference.digest)
        if not given and digest != reference.digest:
            raise InputError(
                f"'{cfg.path or cfg.task + ' (embedded)'}' is no longer what run '{self.folder}' imitated (digest "
                f"{reference.digest[:12]}, not {digest[:12]}): name the original, or another one, with --reference."
            )
        return reference


def same_settings(runs: list[RecordedRun]) -> None:
    """Refuse runs that cannot be judged in one environment with one network.

    Raises:
        InputError: When settings that matter differ.
    """
    first = runs[0]
    for run in runs[1:]:
        for root, paths in (("env", ENV_SETTINGS), ("agent", AGENT_SETTINGS)):
            for path in paths:
                if _at(getattr(first, root), path) != _at(getattr(run, root), path):
                    raise InputError(
                        f"Runs '{first.folder}' and '{run.folder}' differ in {'.'.join((root, *path))}: evaluate each "
                        "by itself, and put them side by side with --compare."
                    )
        if first.metadata.get("reference") != run.metadata.get("reference"):
            raise InputError(
                f"Runs '{first.folder}' and '{run.folder}' imitated different references: evaluate each by itself, and "
                "put them side by side with --compare."
            )


def _at(values: dict, path: tuple[str, ...]):
    for name in path:
        values = values.get(name, {}) if isinstance(values, dict) else {}
    return values


def _is_table(child: object, value: dict) -> bool:
    """Whether a setting is a table from names or patterns to numbers, which is adopted whole."""
    return isinstance(child, dict) and not any(isinstance(entry, dict) for entry in value.values())


def _is_code(value: object) -> bool:
    """Whether a setting names a class or function (``module:name``)."""
    return isinstance(value, str) and ":" in value and value.partition(":")[0].replace(".", "").isidentifier()


def _plain_yaml(path: Path) -> dict:
    """A settings file without anything that would run code; empty where there is none."""
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8") as file:
        content = yaml.load(file, Loader=_PlainLoader)
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds no settings")
    return content
