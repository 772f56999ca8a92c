# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""A trained policy as ONNX and TorchScript, with all that whoever deploys it has to know."""

from __future__ import annotations

import dataclasses
import pkgutil
from pathlib import Path

import torch

from isaaclab.managers import TerminationTermCfg as DoneTermCfg
from isaaclab.utils.string import resolve_matching_names_values

from ..rl.policy_file import pack_table, write_contract
from ..robots.robot import FallLimits, Robot
from .session import Session


def export_policy(session: Session, folder: Path) -> None:
    """Write ``policy.onnx`` and ``policy.pt``: normaliser and network inside, the contract as metadata."""
    runner = session.runner
    runner.export_policy_to_jit(path=str(folder), filename="policy.pt")
    runner.export_policy_to_onnx(path=str(folder), filename="policy.onnx")
    write_contract(policy_contract(session), folder / "policy.onnx", folder / "policy.pt")


def policy_contract(session: Session) -> dict:
    """What the policy reads, what its actions mean, and on which robot it acts; plain values only."""
    env, robot, reference = session.env.unwrapped, session.reference.robot, session.reference
    facts: Robot = pkgutil.resolve_name(session.robot_entry_point)
    motors = env.cfg.scene.robot.actuators["motors"]
    return {
        **{key: session.runner.infos[key] for key in ("task", "robot", "joint_names", "control_rate")},
        "physics_rate": 1.0 / env.physics_dt,
        "observations": _observations(session),
        "action": _action(session),
        "start": {
            "height": float(robot.data.default_root_pose.torch[0, 2]),
            "joint_pos": robot.data.default_joint_pos.torch[0].tolist(),
        },
        "motors": {
            key: _by_joint(getattr(motors, name), robot.joint_names)
            for key, name in (
                ("stiffness", "stiffness"),
                ("damping", "damping"),
                ("effort_limit", "actuator_effort_limit"),
            )
        },
        "model": dataclasses.asdict(facts.model),
        "root": robot.body_names[0],
        "fall": _fall_limits(env.cfg.terminations.fall),
        "reference": {
            "digest": reference.digest,
            "frames": reference.length,
            "code": pack_table(reference.code_table.cpu().numpy()),
        },
    }


def _fall_limits(term: DoneTermCfg | None) -> dict[str, list[float]]:
    """The limits that end an episode, overrides included; none where the policy was trained without."""
    names = () if term is None else (field.name for field in dataclasses.fields(FallLimits))
    return {name: list(term.params[name]) for name in names}


def _by_joint(values: float | dict[str, float], joint_names: list[str]) -> list[float]:
    """Values in the joints' order; a motor's settings are one number or a table of patterns."""
    if not isinstance(values, dict):
        return [float(values)] * len(joint_names)
    return [float(value) for value in resolve_matching_names_values(values, joint_names)[2]]


def _observations(session: Session) -> list[dict]:
    """Name, size and factor of each term, in the order of the policy's input."""
    groups = [
        getattr(session.env.unwrapped.cfg.observations, name) for name in session.runner.cfg["obs_groups"]["actor"]
    ]
    scales = {
        name: next(getattr(group, name).scale for group in groups if hasattr(group, name))
        for name, _ in session.runner.infos["observations"]
    }
    return [
        {"name": name, "size": size, "scale": 1.0 if scales[name] is None else float(scales[name])}
        for name, size in session.runner.infos["observations"]
    ]


def _action(session: Session) -> dict:
    """What the actions mean: of each joint the offset, to which the moved ones add scale * clip(action, -1, 1).

    Both are read off the action term itself, which is affine, so that overrides are in them. Where targets go around
    the reference's motion, the offset has a row for each of its frames in which a step begins.
    """
    term = session.env.unwrapped.action_manager.get_term("joints")
    values = []
    for action in (0.0, 1.0):
        term.process_actions(torch.full_like(term.raw_actions, action))
        values.append(term.processed_actions[0].clone())
    offset, scale = values[0], values[1] - values[0]
    kind, reference = session.runner.infos["action"], session.reference
    table, residual = reference.joint_pos_table, kind == "residual"
    if residual:
        offset = table[1:] if reference.has_motion else table[0]
    return {
        "kind": kind,
        "joints": list(term.IO_descriptor.joint_names),
        "scale": scale.tolist(),
        "offset": offset.tolist(),
        "ramped": residual and term.ramped,
        "clip": 1.0,
    }
