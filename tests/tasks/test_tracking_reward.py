# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""``--reward tracking``: the reference's own joint angles and speed, without rendering."""

from __future__ import annotations

import math

import pytest
import torch

from nil_ext.errors import InputError
from nil_ext.tasks.walk.register import TRACKING

TASK = "NIL-A1-Walk"
NUM_ENVS = 3
STATE = ("root_pose", "root_vel", "joint_pos", "joint_vel")


@pytest.fixture(scope="module")
def env(open_env):
    with open_env("presets=cpu", num_envs=NUM_ENVS, task=TASK, reward=TRACKING) as env:
        yield env


def _tracking(env) -> dict[str, torch.Tensor]:
    """The four terms, unweighted, in the present state."""
    manager = env.unwrapped.reward_manager
    terms = {name: manager.get_term_cfg(name) for name in manager.active_terms if name.startswith("tracking")}
    return {name: term.func(env.unwrapped, **term.params) for name, term in terms.items()}


@pytest.mark.sim
def test_the_reference_s_own_state_earns_everything(env, place):
    reference = env.unwrapped.command_manager.get_term("reference")
    env.reset()
    place(env, *(reference.target(name) for name in STATE))
    assert set(_tracking(env)) == {f"tracking_{name}" for name in ("joint_pos", "joint_vel", "root_vel", "root_rot")}
    for values in _tracking(env).values():
        torch.testing.assert_close(values, torch.ones(NUM_ENVS), rtol=0.0, atol=1e-4)


@pytest.mark.sim
def test_terms_fall_with_the_squared_error(env, place):
    reference = env.unwrapped.command_manager.get_term("reference")
    env.reset()
    root_pose, root_vel, joint_pos, joint_vel = (reference.target(name) for name in STATE)
    joint_pos[:, 0] += 0.3  # of twelve joints: mean square 0.09 / 12
    joint_vel += 2.0
    root_vel[:, 0] += 0.3  # of three components: mean square 0.03
    root_pose[:, 3:] = torch.tensor([0.0, 0.0, math.sin(0.1), math.cos(0.1)])  # a turn by 0.2 rad
    place(env, root_pose, root_vel, joint_pos, joint_vel)
    values = _tracking(env)
    both = 0.5 * (math.exp(-0.0075 / 0.15**2) + math.exp(-0.0075 / 0.4**2))
    assert values["tracking_joint_pos"].tolist() == pytest.approx(NUM_ENVS * [both], abs=1e-4)
    assert values["tracking_joint_vel"].tolist() == pytest.approx(NUM_ENVS * [math.exp(-4.0 / 16.0)], abs=1e-4)
    assert values["tracking_root_rot"].tolist() == pytest.approx(NUM_ENVS * [math.exp(-1.0)], abs=1e-3)
    assert values["tracking_root_vel"].tolist() == pytest.approx(NUM_ENVS * [math.exp(-0.03 / 0.09)], abs=1e-3)


@pytest.mark.sim
def test_nothing_is_filmed(env, monkeypatch):
    reference = env.unwrapped.command_manager.get_term("reference")

    def film(middle):
        raise AssertionError("the camera was read")

    monkeypatch.setattr(reference.camera, "film", film)
    env.reset()
    _, rewards, _, _ = env.step(torch.zeros(NUM_ENVS, env.num_actions))
    assert (rewards > 0.0).all()


@pytest.mark.sim
def test_a_reference_without_joint_angles_is_refused(env, monkeypatch):
    reference = env.unwrapped.command_manager.get_term("reference")
    monkeypatch.setattr(reference, "_motion", {name: values[:1] for name, values in reference._motion.items()})
    with pytest.raises(InputError, match="--reward tracking needs a reference with joint angles: lift the clip"):
        reference.require_motion("--reward tracking")
