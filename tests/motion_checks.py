# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Known motions as the puppet's poses, and how far lifted ones are from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nil_ext.lift.silhouette import NUM_ROOT, Puppet


def overlap(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of masks (T, S, S). Shape is (T,)."""
    return (masks & others).sum(axis=(1, 2)) / (masks | others).sum(axis=(1, 2))


def poses_of(puppet: Puppet, motion: Mapping[str, np.ndarray], rows: slice = slice(None)) -> np.ndarray:
    """A motion's poses in the middle of the picture, upright and at their own size. Shape is (T, P)."""
    order = [list(motion["joint_names"]).index(name) for name in puppet.joint_names]
    angles = motion["joint_pos"][rows][:, order]
    poses = np.zeros((len(angles), NUM_ROOT + len(order)))
    poses[:, 1], poses[:, 3], poses[:, NUM_ROOT:] = motion["root_pose"][rows, 2], 1.0, angles
    return poses


def angle_errors(
    motion: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray], joints: tuple[str, ...]
) -> dict[str, float]:
    """Median error of each joint over a motion's frames, the first ones of the true motion [deg]."""
    errors = {}
    for name in joints:
        mine, theirs = (list(values["joint_names"]).index(name) for values in (motion, truth))
        found = motion["joint_pos"][:, mine]
        errors[name] = float(np.degrees(np.median(np.abs(found - truth["joint_pos"][: len(found), theirs]))))
    return errors
