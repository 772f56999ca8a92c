# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The reference command: everything about a step of imitation that more than one MDP term needs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from isaaclab.managers import CommandTerm

from ...errors import InputError
from ...perception.clips import fill_rows
from ...perception.encoders import Encoder, make_encoder
from ...perception.masks import MaskCode, change_weight, composite, fit_frames, iou, shaped, soft_iou, soften
from ...perception.similarity import VideoSimilarity
from ...reference import Reference
from ..embedded import at_control_rate, load_reference, view_of
from ..follow_camera import FollowCamera
from .reference_states import reference_states, start_frames

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

    from .commands_cfg import ReferenceCommandCfg

_STREAMS = ("mask_iou", "video_similarity", "forward_speed")
_FILMED_STREAMS = _STREAMS[:2]

MASK_SCORES = ("iou", "soft", "shaped")
"""Kinds of S_M."""


def encoder_from_cfg(cfg: ReferenceCommandCfg, device: str) -> Encoder:
    """The encoder that the settings name."""
    return make_encoder(
        cfg.encoder,
        device,
        image_size=cfg.encoder_size,
        weights=cfg.encoder_weights,
        pooling=cfg.encoder_pooling,
        precision=cfg.encoder_precision,
        compiled=cfg.encoder_compiled,
        max_clips=cfg.encoder_batch,
        runtime=cfg.encoder_runtime,
        tokens=cfg.encoder_tokens,
    )


class ReferenceCommand(CommandTerm):
    """Owns the reference on the device, each environment's frame, the follow camera and the imitation streams.

    The camera is read once in every ``film_every`` steps, when the first term asks (``refresh``). Nothing crosses to
    the host.
    """

    cfg: ReferenceCommandCfg

    def __init__(self, cfg: ReferenceCommandCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        if cfg.mask_score not in MASK_SCORES:
            raise InputError(f"Unknown mask_score '{cfg.mask_score}': use one of {', '.join(MASK_SCORES)}.")
        self.robot = env.scene[cfg.asset_name]
        reference = load_reference(cfg, device=self.device)
        self.camera = FollowCamera(env.scene, cfg, view_of(reference))
        self.source_digest = reference.digest
        """Hash of the reference as it is given."""
        reference = at_control_rate(reference, cfg, 1.0 / env.step_dt)
        last = min(len(reference) - 1, round(env.cfg.episode_length_s / env.step_dt))
        self.length = last + 1
        """Frames of the reference that an episode can last."""
        self.digest = reference.digest
        """Hash of the reference at the control rate."""
        size = env.scene[cfg.camera_name].cfg.height
        frames, masks = fit_frames(
            torch.from_numpy(reference.frames[: self.length]).to(self.device),
            torch.from_numpy(reference.masks[: self.length]).to(self.device),
            size,
        )
        self.frames = frames
        """Reference frames as the camera would see them. Shape is (T, S, S, 3) uint8."""
        self.masks = masks
        """Reference masks as the camera would see them. Shape is (T, S, S)."""
        self._soft_masks = soften(masks)
        self._weight = change_weight(masks)
        self.similarity = VideoSimilarity(
            encoder_from_cfg(cfg, self.device),
            frames,
            masks,
            self.num_envs,
            clip_length=cfg.clip_length,
            clip_stride=cfg.clip_stride,
            every=cfg.film_every,
            centred=cfg.centred,
            kind=cfg.similarity,
            # frame 0 is the start pose itself, and one of the next film_every the first that is filmed
            starts=None if self._begins_anywhere(reference) else range(cfg.film_every + 1),
            device=self.device,
        )
        self._motion = reference_states(reference, self.robot, self.length)
        self._path = self._camera_path(reference)
        fall = env.cfg.terminations.fall
        self._start_frames = start_frames(self._motion["root_pose"], None if fall is None else fall.params)
        self._code = self._lookahead_code(masks)
        self._refreshed_at = -1
        self._first_filmed = 0
        self._filmed = False  # whether the newest step was, or is judged by a picture that is held
        self._rgb: torch.Tensor
        self._mask: torch.Tensor

        self._start = torch.zeros(self.num_envs, dtype=torch.long, device=self.device)
        self._overlap = torch.ones(self.num_envs, device=self.device)  # plain mask IoU
        self._score = torch.ones(self.num_envs, device=self.device)
        self.probes: list[Callable[[], None]] = []
        """Called when a step has been judged, before environments are reset: an evaluation reads along here."""
        self.progress: dict[str, float] = {}
        """What a curriculum has come to, for a training that is gone on with."""
        self.latest = {name: torch.zeros(self.num_envs, device=self.device) for name in _STREAMS}
        """Newest plain mask IoU, S_v and forward speed [m/s], of the step before a reset too. Each is (N,)."""
        for name in _STREAMS if cfg.filmed else ("forward_speed",):
            self.metrics[name] = torch.zeros(self.num_envs, device=self.device)
        self._judged_steps = torch.zeros(self.num_envs, device=self.device)  # of the episode, since filming began

    # -- what the other terms read

    @property
    def command(self) -> torch.Tensor:
        """What the policy sees of the reference: what comes at the lookahead times. Shape is (N, len(lookahead) * k).

        k counts the coefficients of a mask and, with ``observe_motion``, the joint positions from e0 [rad].
        """
        return self._code[self.frame]

    @property
    def code_table(self) -> torch.Tensor:
        """What :attr:`command` shows at each frame. Shape is (T, len(lookahead) * k)."""
        return self._code

    @property
    def frame(self) -> torch.Tensor:
        """Reference frame that each robot should look like now. Shape is (N,)."""
        return (self._start + self._env.episode_length_buf).clamp(max=self.length - 1)

    @property
    def ended(self) -> torch.Tensor:
        """Whether the reference is over. Shape is (N,)."""
        return self._start + self._env.episode_length_buf >= self.length - 1

    @property
    def lasted(self) -> torch.Tensor:
        """How much of the reference that was left where they started episodes have lasted, in [0, 1]. (N,)."""
        return (self._env.episode_length_buf / (self.length - 1 - self._start)).clamp(max=1.0)

    @property
    def lost(self) -> torch.Tensor:
        """Whether the newest mask has lost the reference (``lost_below``). Shape is (N,)."""
        self.refresh()
        return self._overlap < self.cfg.lost_below

    @contextlib.contextmanager
    def from_e0(self) -> Iterator[None]:
        """Within, episodes start at e0 and end by a fall or the reference's end only: how policies are judged."""
        training = self.cfg.start_along_reference, self.cfg.lost_below
        self.cfg.start_along_reference = self.cfg.lost_below = 0.0
        try:
            yield
        finally:
            self.cfg.start_along_reference, self.cfg.lost_below = training

    @property
    def video_similarity(self) -> torch.Tensor:
        """S_v of the newest clips, in [-1, 1]. Shape is (N,)."""
        self.refresh()
        return self.similarity.value

    @property
    def mask_score(self) -> torch.Tensor:
        """S_M of the newest masks, in [0, 1]. Shape is (N,)."""
        self.refresh()
        return self._score

    @property
    def latest_frames(self) -> torch.Tensor:
        """Newest frames, robot on white. Shape is (N, S, S, 3) uint8."""
        return composite(self._rgb, self._mask)

    @property
    def latest_mask(self) -> torch.Tensor:
        """Newest robot masks. Shape is (N, S, S) bool."""
        return self._mask

    def require_motion(self, who: str) -> None:
        """Refuse a reference whose joint angles are unknown.

        Args:
            who: the setting that needs them.

        Raises:
            InputError: When it is a clip that has not been lifted.
        """
        if not self.has_motion:
            raise InputError(
                f"{who} needs a reference with joint angles: lift the clip (scripts/generate.py --lift), or use the "
                "task's sketch."
            )

    @property
    def has_motion(self) -> bool:
        """Whether the reference's joint angles are known: a sketch's are, and a lifted clip's."""
        return len(self._motion["joint_pos"]) > 1

    def target(self, quantity: str) -> torch.Tensor:
        """State that belongs to each robot's :attr:`frame`, where the reference knows it.

        Args:
            quantity: ``root_pose`` (N, 7) at the environment's origin, ``root_vel`` (N, 6), ``joint_pos`` or
                ``joint_vel`` (N, J).
        """
        return self._motion[quantity][self.frame]

    @property
    def next_joint_pos(self) -> torch.Tensor:
        """Joint positions [rad] at the end of the step that begins; e0's where they are not known. Shape is (N, J)."""
        return self.joint_pos_table[(self.frame + 1).clamp(max=len(self.joint_pos_table) - 1)]

    @property
    def joint_pos_table(self) -> torch.Tensor:
        """Joint positions [rad] of each frame (T, J), or of e0 alone (1, J)."""
        return self._motion["joint_pos"]

    # -- the step

    def refresh(self) -> None:
        """Renew the imitation streams, once a control step; film the robots where that is due."""
        if self._refreshed_at == self._env.common_step_counter:
            return
        self._refreshed_at = self._env.common_step_counter
        self._env.extras["judged"] = self._start == 0  # of the episodes that may end in this step
        self.latest["forward_speed"].copy_(self.robot.data.root_lin_vel_w.torch[:, 0])
        self._filmed = self.cfg.filmed or bool(self.probes)
        if self._filmed:
            due = (self._env.common_step_counter - self._first_filmed) % self.cfg.film_every == 0
            if due or self.probes:
                self._compare(due)
            self.latest["mask_iou"].copy_(self._overlap)
            self.latest["video_similarity"].copy_(self.similarity.value)
        self._count_metrics()
        for probe in self.probes:
            probe()

    def _compare(self, due: bool) -> None:
        """Film the robots and hold them against the reference; clips take the picture where it is due.

        Whoever reads along sees every step, by clips as those of training.
        """
        frame = self.frame
        self._rgb, self._mask = self.camera.film(self._middle(frame))
        self._overlap.copy_(iou(self._mask, self.masks[frame]))
        plain = self.cfg.mask_score == "iou"
        self._score.copy_(self._overlap if plain else self._shaped_score(self._mask, frame))
        if due:
            self.similarity.update(self._rgb, self._mask, frame)

    def draw_start(self, env_ids: torch.Tensor | slice) -> dict[str, torch.Tensor]:
        """Draw start frames and give the states that belong to them, named as in :meth:`target`."""
        share = self.cfg.start_along_reference if len(self._start_frames) else 0.0
        along = torch.rand_like(self._score[env_ids]) < share
        drawn = torch.randint(max(1, len(self._start_frames)), along.shape, device=self.device)
        start = torch.where(along, self._start_frames[drawn], 0) if share else torch.zeros_like(drawn)
        self._start[env_ids] = start
        return {name: values[start] for name, values in self._motion.items()}

    def film_next(self) -> None:
        """Film the next step, and from there every k-th (``film_every``)."""
        self._first_filmed = self._env.common_step_counter + 1

    # -- CommandTerm

    def _resample_command(self, env_ids: Sequence[int] | slice) -> None:
        """Start a new episode: the clip history of the environments is forgotten."""
        rows = torch.arange(self.num_envs, device=self.device)[env_ids]
        self.similarity.reset(rows)
        for values in (self._overlap, self._score):
            fill_rows(values, rows, 1.0)
        fill_rows(self._judged_steps, rows, 0.0)
        if len(rows) == self.num_envs:  # as for an evaluation, which counts every step
            self.film_next()

    def reset(self, env_ids: Sequence[int] | slice | None = None) -> dict[str, torch.Tensor]:
        """Start new episodes; the means of those that ended, without what was not filmed."""
        means = super().reset(env_ids)
        return means if self._filmed else {name: mean for name, mean in means.items() if name not in _FILMED_STREAMS}

    def _update_command(self) -> None:
        """Keep the robots in the picture where a film is made of it, between filmed steps and after resets too."""
        if self._env.cfg.video_recorders:
            self.camera.point(self._middle(self.frame))

    def _update_metrics(self) -> None:
        """Nothing: metrics are counted when the step is judged, before environments are reset."""

    # -- helpers

    def _begins_anywhere(self, reference: Reference) -> bool:
        """Whether clips may begin at any frame: where episodes start along the reference, or filming in their midst."""
        late = getattr(self._env.cfg.curriculum, "tracking_first", None) is not None
        return late or (self.cfg.start_along_reference > 0.0 and reference.motion is not None)

    def _camera_path(self, reference: Reference) -> torch.Tensor | None:
        """Where the reference's robot is at each frame [m] (T, 2), for a camera that moves along; None for the robot's.

        Raises:
            InputError: When the setting is unknown, or the reference's motion is.
        """
        if self.cfg.camera_follows == "robot":
            return None
        if self.cfg.camera_follows != "reference":
            raise InputError(f"camera_follows={self.cfg.camera_follows}: give robot or reference.")
        self.require_motion("camera_follows=reference")
        path = reference.motion["root_pose"][: self.length, :2]
        return torch.as_tensor(path, dtype=torch.float32, device=self.device)

    def _middle(self, frame: torch.Tensor) -> torch.Tensor | None:
        """Places (N, 2) in the world that the camera looks at; None for the robots' roots."""
        if self._path is None:
            return None
        return self._env.scene.env_origins[:, :2] + self._path[frame] - self._path[self._start]

    def _shaped_score(self, mask: torch.Tensor, frame: torch.Tensor) -> torch.Tensor:
        soft = soft_iou(mask, self._soft_masks[frame], self._weight)
        return shaped(soft) if self.cfg.mask_score == "shaped" else soft

    def _count_metrics(self) -> None:
        """Running means over the episode, of what is filmed over its steps since filming began."""
        self._judged_steps += float(self._filmed)
        for name, mean in self.metrics.items():
            steps = self._judged_steps if name in _FILMED_STREAMS else self._env.episode_length_buf
            mean += (self.latest[name] - mean) / steps.clamp(min=1)

    def _lookahead_code(self, masks: torch.Tensor) -> torch.Tensor:
        """Codes (T, len(lookahead) * k) of what comes next after each frame."""
        codes = [MaskCode(masks, self.cfg.code_size).encode(masks)] if self.cfg.code_size > 0 else []
        if self.cfg.observe_motion and self.has_motion:
            codes.append(self.joint_pos_table - self.joint_pos_table[:1])
        if not (codes and self.cfg.lookahead):
            raise InputError(
                "The policy would see nothing of the reference: give env.commands.reference.lookahead at least one "
                "time, and code_size at least 1 or observe_motion a reference with joint angles."
            )
        code = torch.cat(codes, dim=1)
        now = torch.arange(self.length, device=self.device)
        steps = [max(1, round(ahead / self._env.step_dt)) for ahead in self.cfg.lookahead]
        return torch.cat([code[(now + step).clamp(max=self.length - 1)] for step in steps], dim=1)
