# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What an evaluation reads of the simulator in every step, before environments are reset."""

from __future__ import annotations

import contextlib
import pkgutil
from collections.abc import Iterator

import torch

from ..evaluation import Yardstick
from ..evaluation.mocap import MocapClip
from .session import Session

_PENALTIES = ("joint_torque", "action_change", "foot_slip", "torso_tilt")
"""Reward terms that are read as they are, without their weights: one definition for training and evaluation."""


class SimulatorProbe:
    """:class:`~nil_ext.evaluation.rollout.Probe` of a session; it reads along while :meth:`attached`.

    A step resets the environments that have ended before it returns, so the state is taken when the step is judged.
    """

    def __init__(self, session: Session):
        self._env = session.env.unwrapped
        self._reference = session.reference
        manager = self._env.reward_manager
        self._terms = {name: manager.get_term_cfg(name) for name in _PENALTIES if name in manager.active_terms}
        self.streams: dict[str, torch.Tensor] = {}
        self.frame: torch.Tensor
        self.mask: torch.Tensor

    @property
    def latest_frames(self) -> torch.Tensor:
        """Newest frames, robot on white. Shape is (N, S, S, 3) uint8."""
        return self._reference.latest_frames

    @contextlib.contextmanager
    def attached(self) -> Iterator[SimulatorProbe]:
        """Read every step within, where episodes start at e0 and end by a fall or with the reference only."""
        self._reference.probes.append(self._read)
        try:
            with self._reference.from_e0():
                yield self
        finally:
            self._reference.probes.remove(self._read)

    def _read(self) -> None:
        reference, data = self._reference, self._reference.robot.data
        nothing = torch.full((self._env.num_envs,), torch.nan, device=self._env.device)
        self.streams = {
            "velocity_xy": data.root_lin_vel_w.torch[:, :2].clone(),
            "position_xy": (data.root_pos_w.torch - self._env.scene.env_origins)[:, :2],
            "joint_pos": data.joint_pos.torch.clone(),
            "mask_iou": reference.latest["mask_iou"],
            "video_similarity": reference.latest["video_similarity"],
        }
        for name in _PENALTIES:
            term = self._terms.get(name)
            self.streams[name] = nothing if term is None else term.func(self._env, **term.params)
        self.frame = reference.frame.clone()
        self.mask = reference.latest_mask


def yardstick(session: Session, mocap: MocapClip | None = None) -> Yardstick:
    """What the session's robot and reference are to be held against."""
    facts, reference = pkgutil.resolve_name(session.robot_entry_point), session.reference
    return Yardstick(
        reward_kind=facts.env_reward.kind,
        speed=facts.env_reward.speed,
        reward_steps=facts.env_reward.steps,
        masks=reference.masks.cpu().numpy(),
        metres_per_pixel=facts.camera.extent / reference.masks.shape[-1],
        rate=1.0 / session.env.unwrapped.step_dt,
        joint_pos=reference.joint_pos_table.cpu().numpy() if reference.has_motion else None,
        mocap=mocap,
    )
