# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""States of LocoMuJoCo's trajectories, in our names and frames.

Their root is a chain of slides and hinges, read in LocoMuJoCo's models (MIT, robfiras/loco-mujoco, h1.xml, g1.xml,
talos.xml, unitree_a1_torque.xml): slides along the world's axes come first, so their rates are the root's velocity in
the world. Heights count from a place that only the model tells, and its legs are not always as long as ours: the root
height stays unknown.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from nil_ext.errors import InputError
from nil_ext.evaluation.mocap_joints import MOCAP_JOINTS

_CHAINS = {
    # slides along x, y, z; hinges in the order of the chain with their axes
    "pelvis": (("tx", "tz", "ty"), (("tilt", (0, -1, 0)), ("list", (1, 0, 0)), ("rotation", (0, 0, 1)))),
    "trunk": (("tx", "ty", "tz"), (("rotation", (0, 0, 1)), ("list", (1, 0, 0)), ("tilt", (0, 1, 0)))),
}


def mocap_states(
    arrays: dict[str, np.ndarray], cuts: list[int], robot: str, source: str
) -> tuple[tuple[str, ...], tuple[np.ndarray, ...]]:
    """Names of the columns, and the states (T, D) of every clip.

    Args:
        arrays: ``q_<joint>`` and ``dq_<joint>``, each (T,).
        cuts: where a new clip begins.
        robot: our name of the robot, whose table names the joints.
        source: the file, for messages.

    Raises:
        InputError: When velocities or the root's coordinates are missing.
    """
    known = MOCAP_JOINTS.get(robot, {})
    joints = [name for name in known if known[name] and f"q_{name}" in arrays]
    root = next((root for root in _CHAINS if f"q_{root}_tx" in arrays), None)
    wanted = [f"{kind}_{name}" for name in joints for kind in ("q", "dq")]
    if root is not None:
        slides, hinges = _CHAINS[root]
        wanted += [f"dq_{root}_{slide}" for slide in slides]
        wanted += [f"{kind}_{root}_{hinge}" for hinge, _ in hinges for kind in ("q", "dq")]
    missing = [key for key in wanted if key not in arrays]
    if root is None or missing:
        lacks = ", ".join(missing[:3]) or "the root's coordinates (q_pelvis_tx or q_trunk_tx)"
        raise InputError(f"{source} lacks {lacks}: give a trajectory with angles and velocities of root and joints.")
    columns = _root_states(arrays, root)
    columns |= {f"joint_pos.{known[name]}": arrays[f"q_{name}"] for name in joints}
    columns |= {f"joint_vel.{known[name]}": arrays[f"dq_{name}"] for name in joints}
    states = np.stack(list(columns.values()), axis=1)
    return tuple(columns), tuple(np.split(states, cuts))


def root_rotation(arrays: dict[str, np.ndarray], source: str) -> Rotation:
    """Rotation of the root in the world, of every sample.

    Args:
        arrays: ``q_<coordinate>``, each (T,).
        source: the file, for messages.

    Raises:
        InputError: When the root's coordinates are missing.
    """
    for root, (_, hinges) in _CHAINS.items():
        if all(f"q_{root}_{hinge}" in arrays for hinge, _ in hinges):
            turned = Rotation.identity()
            for hinge, axis in reversed(hinges):
                turned = Rotation.from_rotvec(np.outer(arrays[f"q_{root}_{hinge}"], axis)) * turned
            return turned
    raise InputError(f"{source} lacks the root's rotation (q_pelvis_tilt, ...): give a trajectory that has it.")


def _root_states(arrays: dict[str, np.ndarray], root: str) -> dict[str, np.ndarray]:
    """Gravity, linear and angular velocity in the root's frame, by column."""
    slides, hinges = _CHAINS[root]
    velocity = np.stack([arrays[f"dq_{root}_{slide}"] for slide in slides], axis=1)
    turning = np.zeros_like(velocity)
    after = Rotation.identity()  # from the root's frame to the one before this hinge
    for hinge, axis in reversed(hinges):
        axis = np.array(axis, dtype=float)
        turning += after.inv().apply(axis) * arrays[f"dq_{root}_{hinge}"][:, None]
        after = Rotation.from_rotvec(arrays[f"q_{root}_{hinge}"][:, None] * axis) * after
    vectors = {
        "gravity": after.inv().apply([0.0, 0.0, -1.0]),
        "root_lin_vel": after.inv().apply(velocity),
        "root_ang_vel": turning,
    }
    return {f"{name}.{axis}": values[:, i] for name, values in vectors.items() for i, axis in enumerate("xyz")}
