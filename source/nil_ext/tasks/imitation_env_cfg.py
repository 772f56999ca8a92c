# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What every imitation task shares: the MDP over its scene (:mod:`.scene_cfg`). A skill sets the robot and lengths."""

from __future__ import annotations

from dataclasses import MISSING

from isaaclab.envs import ManagerBasedRLEnvCfg
from isaaclab.managers import (
    CurriculumTermCfg,
    EventTermCfg,
    ObservationGroupCfg,
    ObservationTermCfg,
    RewardTermCfg,
    SceneEntityCfg,
)
from isaaclab.managers import TerminationTermCfg as DoneTermCfg
from isaaclab.sim import SimulationCfg
from isaaclab.utils import configclass
from isaaclab_ov.physics import OvPhysxCfg

from ..robots.robot import Robot
from ..robots.spawn import action_preset, articulation_cfg
from . import mdp
from .scene_cfg import ImitationSceneCfg, PhysicsPresetCfg


@configclass
class ActionsCfg:
    """One action term, chosen by preset: ``torque``, ``position`` or ``residual``."""

    joints: object = MISSING


@configclass
class CommandsCfg:
    """What to imitate."""

    reference = mdp.ReferenceCommandCfg()


@configclass
class ObservationsCfg:
    """What the policy sees: proprioception and what comes next in the reference, never pixels."""

    @configclass
    class PolicyCfg(ObservationGroupCfg):
        """Observations for the policy and the critic."""

        root_height = ObservationTermCfg(func=mdp.base_pos_z)
        root_lin_vel = ObservationTermCfg(func=mdp.base_lin_vel)
        root_ang_vel = ObservationTermCfg(func=mdp.base_ang_vel, scale=0.25)
        gravity = ObservationTermCfg(func=mdp.projected_gravity)
        heading = ObservationTermCfg(func=mdp.heading)
        joint_pos = ObservationTermCfg(func=mdp.joint_pos_rel)
        joint_vel = ObservationTermCfg(func=mdp.joint_vel_rel, scale=0.1)
        last_action = ObservationTermCfg(func=mdp.last_action)
        reference = ObservationTermCfg(func=mdp.generated_commands, params={"command_name": "reference"}, scale=0.5)
        phase = ObservationTermCfg(func=mdp.reference_phase)

    @configclass
    class StateCfg(ObservationGroupCfg):
        """The robot's state as trajectories know it, unscaled; names and order: ``nil_ext.rl.imitation.states``."""

        root_height = ObservationTermCfg(func=mdp.base_pos_z)
        gravity = ObservationTermCfg(func=mdp.projected_gravity)
        root_lin_vel = ObservationTermCfg(func=mdp.base_lin_vel)
        root_ang_vel = ObservationTermCfg(func=mdp.base_ang_vel)
        absolute_joint_pos = ObservationTermCfg(func=mdp.joint_pos)
        """Not from e0, as the policy's ``joint_pos``: an exported policy's contract has to tell them apart."""
        joint_vel = ObservationTermCfg(func=mdp.joint_vel)

    policy: PolicyCfg = PolicyCfg()
    state: StateCfg | None = None
    """What the baselines compare with an expert's trajectories; see :meth:`ImitationEnvCfg.set_task_reward`."""


@configclass
class EventsCfg:
    """How episodes start."""

    start = EventTermCfg(func=mdp.reset_to_reference, mode="reset")


@configclass
class RewardsCfg:
    """The paper's streams, all weights 1; penalties carry their sign. Isaac Lab multiplies each by the step [s]."""

    video_similarity = RewardTermCfg(func=mdp.video_similarity, weight=1.0)
    mask_iou = RewardTermCfg(func=mdp.mask_iou, weight=1.0)
    joint_torque = RewardTermCfg(func=mdp.joint_torque, weight=-1.0)
    action_change = RewardTermCfg(func=mdp.action_change, weight=-1.0)
    joint_velocity = RewardTermCfg(func=mdp.joint_velocity, weight=-1.0)
    foot_slip = RewardTermCfg(func=mdp.FootSlip, weight=-1.0)
    torso_tilt = RewardTermCfg(func=mdp.torso_tilt, weight=-1.0)
    env_reward: RewardTermCfg | None = None
    """What the Expert learns from instead; see :meth:`ImitationEnvCfg.set_task_reward`."""
    tracking_joint_pos: RewardTermCfg | None = None
    tracking_joint_vel: RewardTermCfg | None = None
    tracking_root_vel: RewardTermCfg | None = None
    tracking_root_rot: RewardTermCfg | None = None
    """What is learned from instead where joint angles are known; see :meth:`ImitationEnvCfg.set_tracking_reward`."""
    heading = RewardTermCfg(func=mdp.heading_error, weight=0.0)
    """Not in the paper, hence 0; see the profile."""
    alive = RewardTermCfg(func=mdp.is_alive, weight=0.0)
    """What a fall costs: an episode that ends by one earns nothing more. Not in the paper, hence 0; see the profile."""


@configclass
class CurriculumCfg:
    """What changes in the course of training."""

    tracking_first: CurriculumTermCfg | None = None
    """See :meth:`ImitationEnvCfg.count_motion`."""


@configclass
class TerminationsCfg:
    """When episodes end. Failures come first: the time-out term excludes them."""

    fall = DoneTermCfg(func=mdp.fallen)
    lost = DoneTermCfg(func=mdp.reference_lost)
    time_out = DoneTermCfg(func=mdp.reference_ended, time_out=True)


@configclass
class ImitationEnvCfg(ManagerBasedRLEnvCfg):
    """An imitation task without its robot; see :meth:`set_robot`."""

    scene: ImitationSceneCfg = ImitationSceneCfg(num_envs=1024, env_spacing=6.0)
    actions: ActionsCfg = ActionsCfg()
    commands: CommandsCfg = CommandsCfg()
    observations: ObservationsCfg = ObservationsCfg()
    events: EventsCfg = EventsCfg()
    rewards: RewardsCfg = RewardsCfg()
    terminations: TerminationsCfg = TerminationsCfg()
    curriculum: CurriculumCfg = CurriculumCfg()

    tracking_steps: int = 0
    """At most so many control steps at the begin of a training follow the joint angles of a reference, where they are
    known, before the video counts; 0 for the video from the first step on (the paper). ``scripts/train.py`` does it."""

    tracking_until: float = 0.8
    """They end sooner, once episodes last this share of what is left of the reference where they start."""

    speed_weight: float = 0.0
    """What the reference's speed counts beside the video, where its motion is known. The camera follows the robot, so
    the video hardly tells how fast it goes; the stance feet of a lifted clip do."""

    joints_weight: float = 0.0
    """What the reference's joint positions count beside the video, where they are known."""

    orientation_weight: float = 0.0
    """What the orientation of the reference's root counts beside the video, where its motion is known: joints alone are
    followed by a robot that leans."""

    sim: SimulationCfg = SimulationCfg(dt=0.002, render_interval=5, physics=PhysicsPresetCfg())
    """500 Hz physics (the paper)."""

    decimation: int = 5
    """100 Hz control (the paper)."""

    episode_length_s: float = 4.0

    compute_final_obs: bool = True
    """The agent bootstraps from the observation before the reset."""

    def set_robot(self, robot: Robot, task: str, action: str = "torque") -> None:
        """Fill in what depends on the robot.

        Args:
            robot: the embodiment.
            task: gym id of the task.
            action: unless a preset names one, ``torque`` (the paper: joint torques up to the limits), ``position``
                (targets around e0) or ``residual`` (targets around the reference's joint positions).
        """
        self.scene.robot = articulation_cfg(robot, action)
        every, moved = [".*"], list(robot.residual_scale)
        self.actions.joints = action_preset(
            action,
            torque=mdp.JointEffortActionCfg(asset_name="robot", joint_names=every, scale=dict(robot.effort_limits)),
            position=mdp.JointPositionActionCfg(asset_name="robot", joint_names=every, scale=dict(robot.action_scale)),
            residual=mdp.ReferencePositionActionCfg(
                asset_name="robot",
                joint_names=moved,
                scale=dict(robot.residual_scale),
                scale_around_e0=dict(robot.action_scale),
            ),
        )
        camera = robot.camera
        # a pinhole sees extent / distance = aperture / focal length
        self.scene.camera.spawn.focal_length = 10.0 * camera.distance
        self.scene.camera.spawn.horizontal_aperture = 10.0 * camera.extent
        self.commands.reference.task = task
        self.commands.reference.robot = robot.name
        self.commands.reference.camera_distance = camera.distance
        self.commands.reference.camera_height = camera.height
        self.episode_length_s = robot.episode_length
        self.rewards.foot_slip.params = {
            "points": [list(point) for point in robot.sole_points],
            "radius": robot.sole_radius,
            "asset_cfg": SceneEntityCfg("robot", body_names=list(robot.feet)),
        }
        self.rewards.torso_tilt.params = {"asset_cfg": SceneEntityCfg("robot", body_names=[robot.torso])}
        self.terminations.fall.params = {
            "start_height": robot.start_height,
            "height": robot.fall.height,
            "tilt": robot.fall.tilt,
            "list": robot.fall.list,
            "heading": robot.fall.heading,
        }

    def set_cpu_profile(self, robot: Robot) -> None:
        """What a machine without CUDA runs: 64 environments, a small picture, 25 Hz position targets, kit-less PhysX.

        On two cores PhysX steps 64 H1 about three times as fast as MuJoCo Warp (docs/method.md).

        Args:
            robot: the embodiment.
        """
        self.scene.num_envs = 64
        self.scene.camera.width = self.scene.camera.height = 64
        self.sim.device = "cpu"
        self.sim.physics = PhysicsPresetCfg(default=OvPhysxCfg())
        # physics is the dearest part: at 250 Hz it costs half of what the paper's 500 Hz cost
        self.sim.dt = 0.004
        self.decimation = 10
        self.sim.render_interval = self.decimation
        # the paper's timesformer costs seconds a clip on two cores
        self.commands.reference.encoder = "efficientnet"
        self.commands.reference.mask_score = "shaped"
        self.commands.reference.centred = True
        self.commands.reference.film_every = 2
        self.commands.reference.start_along_reference = 0.8
        self.commands.reference.lift = True
        self.commands.reference.observe_motion = True
        # a bad policy pays more in penalties than it earns, which would make falling the best thing to do
        self.rewards.alive.weight = 0.2
        self.rewards.heading.weight = -1.0
        # the H1 and the G1 look more like their clips that way (docs/results)
        self.tracking_steps = 4000 if robot.tracking_first else 0
        # without it a robot marches in place before a camera that follows it
        self.speed_weight = 1.0

    def set_task_reward(self, robot: Robot) -> None:
        """The Expert's environment (``--reward task``), which the baselines share: the Env. Reward and nothing else.

        Robot, physics, limits and episodes stay. There is no reference to see, so the policy observes proprioception
        alone (the wanted speed is always the same), position targets go around e0, every episode starts there, and
        nothing is filmed but where an evaluation asks for it. The penalties are still logged, with weight 0: an upper
        bound of the Env. Reward pays for nothing else.
        """
        for name in ("joint_torque", "action_change", "joint_velocity", "foot_slip", "torso_tilt", "heading", "alive"):
            getattr(self.rewards, name).weight = 0.0
        self.rewards.video_similarity = self.rewards.mask_iou = None
        params = {"kind": robot.env_reward.kind, "speed": robot.env_reward.speed}
        self.rewards.env_reward = RewardTermCfg(func=mdp.task_reward, weight=1.0, params=params)
        if isinstance(self.actions.joints.default, mdp.ReferencePositionActionCfg):
            self.actions.joints.default = self.actions.joints.position
        self.observations.policy.reference = self.observations.policy.phase = None
        self.observations.state = ObservationsCfg.StateCfg()
        self.commands.reference.filmed = False
        self.commands.reference.start_along_reference = 0.0
        self.commands.reference.lost_below = 0.0

    def set_tracking_reward(self) -> None:
        """Follow the reference's joint angles and speed instead of its pictures (``--reward tracking``).

        For a sketch or a lifted clip. Observations, penalties, limits and start states stay, so that the policy can go
        on with the video reward; nothing is filmed but where an evaluation asks for it. Weights and widths are ours.
        """
        self.rewards.video_similarity = self.rewards.mask_iou = None
        for name, term in self._tracking_terms().items():
            setattr(self.rewards, name, term)
        self.commands.reference.filmed = False
        self.commands.reference.lost_below = 0.0

    @property
    def imitates_video(self) -> bool:
        """Whether an imitation stream counts: the Expert has none, and a control may be trained without."""
        terms = (self.rewards.video_similarity, self.rewards.mask_iou)
        return any(term is not None and term.weight for term in terms)

    @property
    def beside_video(self) -> dict[str, float]:
        """Weights of what counts of the reference's motion beside its video, by name of the term, where it is not 0."""
        weights = {
            "tracking_root_vel": self.speed_weight,
            "tracking_joint_pos": self.joints_weight,
            "tracking_root_rot": self.orientation_weight,
        }
        return {name: weight for name, weight in weights.items() if weight}

    def count_motion(self) -> None:
        """Let a reference's motion count: beside its video, and alone in the first steps, if there are any."""
        beside, tracking = self.beside_video, self._tracking_terms()
        if not self.tracking_steps:
            for name, weight in beside.items():
                setattr(self.rewards, name, tracking[name].replace(weight=weight))
            return
        for name, term in tracking.items():
            setattr(self.rewards, name, term)
        video = {name: getattr(self.rewards, name) for name in ("video_similarity", "mask_iou")}
        params = {
            "num_steps": self.tracking_steps,
            "until": self.tracking_until,
            "tracking": {name: term.weight for name, term in tracking.items()},
            "video": {**{name: term.weight for name, term in video.items() if term is not None}, **beside},
        }
        self.curriculum.tracking_first = CurriculumTermCfg(func=mdp.TrackingFirst, params=params)

    @staticmethod
    def _tracking_terms() -> dict[str, RewardTermCfg]:
        """The rewards of :meth:`set_tracking_reward`, by name."""
        terms = (
            ("tracking_joint_pos", "joint_pos", [0.15, 0.4], 1.0),
            ("tracking_joint_vel", "joint_vel", [4.0], 0.2),
            ("tracking_root_vel", "root_vel", [0.3], 1.0),
            ("tracking_root_rot", "root_rot", [0.2], 1.0),
        )
        return {
            name: RewardTermCfg(func=mdp.Tracking, weight=weight, params={"quantity": quantity, "widths": widths})
            for name, quantity, widths, weight in terms
        }

    def play_mode(self) -> None:
        """Playback: few robots, every episode from e0."""
        super().play_mode()
        self.scene.num_envs = min(self.scene.num_envs, 4)
        self.commands.reference.start_along_reference = 0.0
        self.commands.reference.lost_below = 0.0
