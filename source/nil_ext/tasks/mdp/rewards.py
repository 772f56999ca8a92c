# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Reward terms: two imitation streams and the regularisation. Each returns (N,); the sign is in the weight.

The paper names five penalties (joint torques, action change, joint velocities, foot slip, torso tilt) but gives neither
formula nor coefficient. Ours are dimensionless, scaled so that a policy that stands or walks pays about 0.01 to 0.1 of
each while the imitation streams pay up to 1: no stream drowns another. A policy that falls pays more (foot slip 0.2 to
0.6). `docs/method.md` lists measured magnitudes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from isaaclab.managers import ManagerTermBase, SceneEntityCfg
from isaaclab.utils.math import euler_xyz_from_quat, quat_apply, quat_apply_inverse, quat_error_magnitude

from ...evaluation.env_reward import env_reward

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv
    from isaaclab.managers import RewardTermCfg

_ROBOT = SceneEntityCfg("robot")


def video_similarity(env: ManagerBasedRLEnv, command_name: str = "reference") -> torch.Tensor:
    """S_v: cosine of the rollout's and the reference's clip embeddings, in [-1, 1]. Shape is (N,)."""
    return env.command_manager.get_term(command_name).video_similarity


def mask_iou(env: ManagerBasedRLEnv, command_name: str = "reference") -> torch.Tensor:
    """S_M: agreement of the robot's mask with the reference's, in [0, 1]; how is a setting. Shape is (N,)."""
    return env.command_manager.get_term(command_name).mask_score


def task_reward(env: ManagerBasedRLEnv, kind: str, speed: float, asset_cfg: SceneEntityCfg = _ROBOT) -> torch.Tensor:
    """What the Expert learns from: a step's share of the largest Env. Reward, in [0, 1]. Shape is (N,).

    Isaac Lab multiplies it by the step, so its sum over an episode is the Env. Reward divided by 100.

    Args:
        env: the environment.
        kind: ``humanoid`` or ``quadruped``; see :func:`~nil_ext.evaluation.env_reward.env_reward`.
        speed: wanted forward speed [m/s].
        asset_cfg: the robot.
    """
    velocity = env.scene[asset_cfg.name].data.root_lin_vel_w.torch[:, :2]
    return env_reward(velocity, kind, speed, step_dt=0.01)  # a step of LocoMuJoCo's 100 Hz is worth at most 1


class Tracking(ManagerTermBase):
    """How near the robot's state is to the reference's own, in [0, 1]: exp(-mean((x - x_ref)^2) / width^2). (N,).

    Of several widths the mean: a narrow one tells good from better, a wide one has a slope where errors are large. For
    references whose motion is known: sketches and lifted clips. Form: DeepMimic (Peng et al. 2018), whose rewards are
    exponentials of squared errors of joint angles, joint velocities and the root; widths and the mean over joints,
    which makes them the same for robots of any size, are ours.
    """

    def __init__(self, cfg: RewardTermCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        self._reference = env.command_manager.get_term("reference")
        self._reference.require_motion("--reward tracking")

    def __call__(
        self, env: ManagerBasedRLEnv, quantity: str, widths: Sequence[float], asset_cfg: SceneEntityCfg = _ROBOT
    ) -> torch.Tensor:
        """Compute the term.

        Args:
            env: the environment.
            quantity: ``joint_pos`` [rad], ``joint_vel`` [rad/s], ``root_vel`` (linear, world frame, x forward) [m/s] or
                ``root_rot``, the angle between the two orientations [rad].
            widths: errors at which a part of the reward has fallen to 1/e, in the quantity's unit.
            asset_cfg: the robot.
        """
        data, reference = env.scene[asset_cfg.name].data, self._reference
        if quantity == "root_rot":
            error = quat_error_magnitude(data.root_quat_w.torch, reference.target("root_pose")[:, 3:])[:, None]
        elif quantity == "root_vel":
            error = data.root_lin_vel_w.torch - reference.target(quantity)[:, :3]
        else:
            error = getattr(data, quantity).torch - reference.target(quantity)
        squared = error.square().mean(dim=1)
        return sum(torch.exp(-squared / width**2) for width in widths) / len(widths)


def joint_torque(env: ManagerBasedRLEnv, asset_cfg: SceneEntityCfg = _ROBOT) -> torch.Tensor:
    """P_J: mean squared joint torque relative to the joint's limit. Shape is (N,)."""
    robot = env.scene[asset_cfg.name]
    share = robot.actuators.applied_effort.torch / robot.data.joint_effort_limits.torch
    return share.square().mean(dim=1)


def action_change(env: ManagerBasedRLEnv) -> torch.Tensor:
    """P_A: mean squared change of the action since the last step, as a share of the range [-1, 1]. Shape is (N,)."""
    change = env.action_manager.action - env.action_manager.prev_action
    return (0.5 * change).square().mean(dim=1)


def joint_velocity(env: ManagerBasedRLEnv, scale: float = 20.0, asset_cfg: SceneEntityCfg = _ROBOT) -> torch.Tensor:
    """P_V: mean squared joint velocity in units of ``scale`` [rad/s]. Shape is (N,)."""
    return (env.scene[asset_cfg.name].data.joint_vel.torch / scale).square().mean(dim=1)


class FootSlip(ManagerTermBase):
    """P_F: horizontal speed of the feet on the ground [m/s], each counted up to 1 m/s, mean over feet. Shape is (N,).

    What counts is the lowest of a foot's ``points`` (in its body's frame [m], ``radius`` [m] above the ground when they
    touch it): a foot rolling over its toes does not slip, and one dragged on its heel does. It is on the ground when
    that point is lower than ``touch`` [m]: a test that needs no contact sensor and reads the same on every backend.
    """

    def __init__(self, cfg: RewardTermCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        feet = len(cfg.params["asset_cfg"].body_names)
        points = torch.tensor(cfg.params["points"], device=env.device)
        self._points = points.expand(env.num_envs, feet, -1, -1)  # (N, F, P, 3)

    def __call__(
        self,
        env: ManagerBasedRLEnv,
        points: Sequence[tuple[float, float, float]],
        radius: float,
        touch: float = 0.004,
        asset_cfg: SceneEntityCfg = _ROBOT,
    ) -> torch.Tensor:
        """Compute the term."""
        data, feet = env.scene[asset_cfg.name].data, asset_cfg.body_ids
        quat = data.body_link_quat_w.torch[:, feet, None].expand(*self._points.shape[:3], 4)
        arms = quat_apply(quat, self._points)
        lowest = arms[..., 2:].argmin(dim=2, keepdim=True)
        arm = arms.gather(2, lowest.expand(-1, -1, -1, 3)).squeeze(2)  # (N, F, 3)
        arm[..., 2] -= radius
        height = data.body_link_pos_w.torch[:, feet, 2] + arm[..., 2] - env.scene.env_origins[:, None, 2]
        turning = torch.linalg.cross(data.body_link_ang_vel_w.torch[:, feet], arm)
        speed = (data.body_link_lin_vel_w.torch[:, feet] + turning)[..., :2].norm(dim=-1)
        return (speed.clamp(max=1.0) * (height < touch)).mean(dim=1)


def torso_tilt(env: ManagerBasedRLEnv, asset_cfg: SceneEntityCfg = _ROBOT) -> torch.Tensor:
    """P_S: squared sine of the torso's angle to the vertical. Shape is (N,)."""
    data = env.scene[asset_cfg.name].data
    down = torch.zeros(env.num_envs, 3, device=env.device)
    down[:, 2] = -1.0
    # all ids, of which there is one: taking it out of a tensor would wait for the device
    torso = data.body_quat_w.torch[:, asset_cfg.body_ids].squeeze(1)
    return quat_apply_inverse(torso, down)[:, :2].square().sum(dim=1)


def heading_error(env: ManagerBasedRLEnv, asset_cfg: SceneEntityCfg = _ROBOT) -> torch.Tensor:
    """Turning away from the camera's side view, 1 - cos(yaw). Shape is (N,).

    Not one of the paper's five: in a side view a turn costs almost no mask overlap (learned on a real clip).
    """
    _, _, yaw = euler_xyz_from_quat(env.scene[asset_cfg.name].data.root_quat_w.torch)
    return 1.0 - torch.cos(yaw)
