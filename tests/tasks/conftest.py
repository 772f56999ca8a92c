# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The real environment on the CPU. Simulations live one after another in a process, never two at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import gymnasium as gym
import pytest
import torch

from isaaclab.app import launch_simulation
from isaaclab_tasks.utils import resolve_task_config

import nil_ext.tasks  # noqa: F401  (registers the tasks)
from nil_ext.tasks.imitation_env_cfg import ImitationEnvCfg
from nil_ext.tasks.stream_vec_env import StreamVecEnv
from nil_ext.tasks.walk.register import IMITATION

TASK = "NIL-H1-Walk"

OpenEnv = Callable[..., AbstractContextManager[StreamVecEnv]]


@contextlib.contextmanager
def _open(
    *overrides: str,
    num_envs: int = 4,
    size: int = 64,
    task: str = TASK,
    reward: str = IMITATION,
    change: Callable[[ImitationEnvCfg], None] = lambda cfg: None,
) -> Iterator[StreamVecEnv]:
    gym.spec(task).kwargs["reward"] = reward  # a command that another test ran in this process leaves its own
    env_cfg, _ = resolve_task_config(task, "bro_cfg_entry_point", overrides=list(overrides))
    change(env_cfg)
    env_cfg.seed = 0
    env_cfg.sim.device = "cpu"
    env_cfg.scene.num_envs = num_envs
    env_cfg.scene.camera.width = env_cfg.scene.camera.height = size
    with launch_simulation(env_cfg, {"device": "cpu"}):
        env = StreamVecEnv(gym.make(task, cfg=env_cfg), clip_actions=1.0)
        try:
            yield env
        finally:
            env.close()
            gym.spec(task).kwargs["reward"] = IMITATION


@pytest.fixture(scope="session")
def open_env() -> OpenEnv:
    """``open_env(*overrides, num_envs=4, size=64, task="NIL-H1-Walk", reward=IMITATION, change=...)``: in a context."""
    return _open


@pytest.fixture
def reference(env: StreamVecEnv):
    """The reference command of the module's environment, whose episodes have just begun."""
    env.reset()
    return env.unwrapped.command_manager.get_term("reference")


@pytest.fixture(scope="session")
def place() -> Callable[..., None]:
    """``place(env, root_pose, root_vel, joint_pos, joint_vel)``: put the robots where told, without physics.

    Poses are (N, 7) or (7,), position relative to the environments' origins; what is not given is e0 at rest.
    """

    def write(env: StreamVecEnv, root_pose=None, root_vel=None, joint_pos=None, joint_vel=None) -> None:
        robot, scene = env.unwrapped.scene["robot"], env.unwrapped.scene
        given = {
            "root_pose": (root_pose, robot.data.default_root_pose),
            "root_vel": (root_vel, robot.data.default_root_vel),
            "joint_pos": (joint_pos, robot.data.default_joint_pos),
            "joint_vel": (joint_vel, robot.data.default_joint_vel),
        }
        state = {}
        for name, (value, default) in given.items():
            value = default.torch if value is None else torch.as_tensor(value, dtype=torch.float32)
            state[name] = value.expand(env.num_envs, -1).clone()
        state["root_pose"][:, :3] += scene.env_origins
        robot.write_root_pose_to_sim_index(root_pose=state["root_pose"])
        robot.write_root_velocity_to_sim_index(root_velocity=state["root_vel"])
        robot.write_joint_position_to_sim_index(position=state["joint_pos"])
        robot.write_joint_velocity_to_sim_index(velocity=state["joint_vel"])
        env.unwrapped.sim.forward()
        scene.update(0.0)

    return write
