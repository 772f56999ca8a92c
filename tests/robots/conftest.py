# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The H1 as MuJoCo reads it: a reading of the packaged model that shares no code with ours."""

from __future__ import annotations

import mujoco
import pytest

from nil_ext.robots.h1 import H1
from nil_ext.robots.model import model_file


@pytest.fixture(scope="session")
def h1_model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(model_file(H1.model.package, H1.model.path)))


@pytest.fixture(scope="session")
def h1_joints(h1_model: mujoco.MjModel) -> dict[str, int]:
    """Hinge joints: name to MuJoCo's index."""
    indices = range(h1_model.njnt)
    return {h1_model.joint(i).name: i for i in indices if h1_model.jnt_type[i] == mujoco.mjtJoint.mjJNT_HINGE}
