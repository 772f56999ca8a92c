# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Settings by preset and override, and how Isaac Lab's own commands see the task."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

from isaaclab.envs.mdp import JointEffortActionCfg, JointPositionActionCfg
from isaaclab_tasks.utils import resolve_task_config

import nil_ext.tasks  # noqa: F401  (registers the tasks)
from nil_ext.tasks.mdp import ReferencePositionActionCfg
from nil_ext.tasks.walk.register import IMITATION

TASK = "NIL-H1-Walk"

STREAMS = ("video_similarity", "mask_iou", "joint_torque", "action_change", "joint_velocity", "foot_slip", "torso_tilt")
"""The paper's reward streams."""


def env_cfg(*overrides: str, play_mode: bool = False):
    """The task's settings with presets and overrides applied; nothing is simulated."""
    gym.spec(TASK).kwargs["reward"] = IMITATION  # a command that another test ran in this process leaves its own
    cfg, _ = resolve_task_config(TASK, "bro_cfg_entry_point", play_mode=play_mode, overrides=list(overrides))
    return cfg


def agent_cfg(*overrides: str):
    _, cfg = resolve_task_config(TASK, "bro_cfg_entry_point", overrides=list(overrides))
    return cfg


@pytest.mark.parametrize("overrides", [[], ["presets=paper"]])
def test_paper_profile_is_the_default(overrides: list[str]):
    cfg = env_cfg(*overrides)
    assert 1.0 / cfg.sim.dt == pytest.approx(500.0)
    assert 1.0 / (cfg.sim.dt * cfg.decimation) == pytest.approx(100.0)
    assert cfg.episode_length_s == 4.0
    assert isinstance(cfg.actions.joints, JointEffortActionCfg)
    reference = cfg.commands.reference
    assert (reference.mask_score, reference.centred, reference.film_every) == ("iou", False, 1)
    assert reference.start_along_reference == 0.0
    assert (reference.encoder, reference.encoder_size, reference.clip_length) == ("timesformer", 0, 8)
    assert (reference.encoder_weights, reference.similarity) == ("facebook/timesformer-base-finetuned-k400", "cosine")
    assert {abs(getattr(cfg.rewards, name).weight) for name in STREAMS} == {1.0}


def test_cpu_profile_is_small():
    cfg = env_cfg("presets=cpu")
    assert cfg.sim.device == "cpu"
    assert cfg.scene.num_envs == 64
    assert (cfg.scene.camera.width, cfg.scene.camera.height) == (64, 64)
    assert 1.0 / (cfg.sim.dt * cfg.decimation) == pytest.approx(25.0)
    assert isinstance(cfg.actions.joints, ReferencePositionActionCfg)
    assert cfg.commands.reference.observe_motion
    assert type(cfg.sim.physics).__name__ == "OvPhysxCfg"
    assert cfg.commands.reference.encoder == "efficientnet"


@pytest.mark.parametrize("profile", ["paper", "cpu"])
@pytest.mark.parametrize(
    ("action", "kind"),
    [("torque", JointEffortActionCfg), ("position", JointPositionActionCfg), ("residual", ReferencePositionActionCfg)],
)
def test_kind_of_action_brings_its_gains(profile: str, action: str, kind: type):
    cfg = env_cfg(f"presets={profile},{action}")
    assert type(cfg.actions.joints) is kind
    gains = cfg.scene.robot.actuators["motors"].stiffness
    assert (gains == 0.0) if action == "torque" else all(gain > 0.0 for gain in gains.values())


@pytest.mark.parametrize("profile", ["paper", "cpu"])
@pytest.mark.parametrize(
    ("physics", "kind"), [("newton_mjwarp", "NewtonCfg"), ("ovphysx", "OvPhysxCfg"), ("isaacsim_physx", "PhysxCfg")]
)
def test_physics_is_chosen_by_name(profile: str, physics: str, kind: str):
    assert type(env_cfg(f"presets={profile}", f"physics={physics}").sim.physics).__name__ == kind


@pytest.mark.parametrize(
    ("renderer", "kind"),
    [
        ("newton_renderer", "NewtonWarpRendererCfg"),
        ("ovrtx", "OVRTXRendererCfg"),
        ("isaacsim_rtx", "IsaacRtxRendererCfg"),
    ],
)
def test_renderer_is_chosen_by_name_and_never_colours_the_segmentation(renderer: str, kind: str):
    cfg = env_cfg(f"renderer={renderer}").scene.camera.renderer_cfg
    assert type(cfg).__name__ == kind
    assert cfg.colorize_semantic_segmentation is False


@pytest.mark.parametrize("stream", STREAMS)
def test_every_stream_can_be_ablated(stream: str):
    cfg = env_cfg("presets=cpu", f"env.rewards.{stream}.weight=0")
    assert getattr(cfg.rewards, stream).weight == 0


def test_playback_is_small_and_starts_at_e0():
    cfg = env_cfg("presets=cpu", play_mode=True)
    assert cfg.scene.num_envs == 4
    assert cfg.commands.reference.start_along_reference == 0.0


def test_agents_by_profile():
    assert agent_cfg("presets=cpu").device == "cpu"
    assert agent_cfg("presets=cpu").max_minutes == 45.0
    assert agent_cfg("presets=cpu", "agent.algorithm.gamma=0.5").algorithm.gamma == 0.5
    for overrides in (["presets=cpu"], ["presets=paper"], []):
        assert agent_cfg(*overrides).init_at_random_ep_len is False


def test_other_agents_are_registered():
    _, reference = resolve_task_config(TASK, "bro_reference_cfg_entry_point", overrides=["presets=cpu"])
    assert (reference.algorithm.batch_size, reference.algorithm.reuse) == (128, 1280)
    _, ppo = resolve_task_config(TASK, "rsl_rl_cfg_entry_point", overrides=["presets=cpu"])
    assert ppo.class_name == "OnPolicyRunner"
    assert ppo.clip_actions == 1.0
    assert reference.init_at_random_ep_len is ppo.init_at_random_ep_len is False


def isaaclab(*arguments: str, cwd: Path) -> str:
    """What Isaac Lab's own command prints."""
    command = [sys.executable, "-m", "isaaclab", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_isaac_lab_lists_the_task(tmp_path: Path):
    assert TASK in isaaclab("list_envs", cwd=tmp_path)


def test_isaac_lab_s_train_lists_the_presets(tmp_path: Path):
    text = isaaclab("train", "--task", TASK, "--help", cwd=tmp_path)
    for name in ("paper", "cpu", "torque", "position", "newton_mjwarp", "ovphysx", "newton_renderer"):
        assert name in text, name


def test_without_first_steps_of_tracking_the_motion_counts_beside_the_video_at_once():
    cfg = env_cfg("presets=cpu", "env.tracking_steps=0", "env.orientation_weight=0.5")
    cfg.count_motion()
    assert cfg.curriculum.tracking_first is None
    assert cfg.rewards.mask_iou.weight == cfg.rewards.video_similarity.weight == 1.0
    speed, orientation = cfg.rewards.tracking_root_vel, cfg.rewards.tracking_root_rot
    assert (speed.weight, speed.params["quantity"]) == (1.0, "root_vel")
    assert (orientation.weight, orientation.params["quantity"]) == (0.5, "root_rot")
    assert cfg.rewards.tracking_joint_pos is cfg.rewards.tracking_joint_vel is None


@pytest.mark.parametrize(("task", "steps"), [(TASK, 4000), ("NIL-Talos-Walk", 0)])
def test_whether_joint_angles_come_first_is_the_robots(task: str, steps: int):
    cfg, _ = resolve_task_config(task, "bro_cfg_entry_point", overrides=["presets=cpu"])
    assert cfg.tracking_steps == steps
    cfg, _ = resolve_task_config(task, "bro_cfg_entry_point", overrides=["presets=cpu", "env.tracking_steps=7"])
    assert cfg.tracking_steps == 7


def test_with_the_papers_settings_the_video_alone_counts():
    cfg = env_cfg("presets=paper")
    rewards = cfg.rewards.to_dict()
    cfg.count_motion()
    assert cfg.rewards.to_dict() == rewards
    assert cfg.curriculum.tracking_first is None
