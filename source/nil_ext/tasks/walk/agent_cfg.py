# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Agents of a walk task."""

from __future__ import annotations

from isaaclab.utils import configclass
from isaaclab_rl.rsl_rl import RslRlMLPModelCfg, RslRlOnPolicyRunnerCfg, RslRlPpoAlgorithmCfg
from isaaclab_tasks.utils import PresetCfg, preset

from nil_ext.rl.cfg import BroCpuRunnerCfg, BroReferenceRunnerCfg, BroRunnerCfg


def bro_cfg(experiment: str) -> PresetCfg:
    """BRO by machine: ``presets=paper`` or ``presets=cpu``."""
    paper = BroRunnerCfg(experiment_name=experiment)
    return preset(paper=paper, cpu=BroCpuRunnerCfg(experiment_name=experiment), default=paper)


def bro_reference_cfg(experiment: str) -> BroReferenceRunnerCfg:
    """The authors' setting, for one environment: ``--agent bro_reference_cfg_entry_point --num_envs 1``."""
    return BroReferenceRunnerCfg(experiment_name=experiment)


def ppo_cfg(experiment: str) -> RslRlOnPolicyRunnerCfg:
    """rsl-rl's PPO on the same task, the baseline: ``isaaclab train --rl_library rsl_rl --task NIL-H1-Walk``."""
    return PpoRunnerCfg(experiment_name=experiment)


@configclass
class PpoRunnerCfg(RslRlOnPolicyRunnerCfg):
    """PPO with Isaac Lab's settings for walking H1s on flat ground, with action limits tightened to our [-1, 1]."""

    clip_actions: float = 1.0
    init_at_random_ep_len: bool = False
    num_steps_per_env: int = 24
    max_iterations: int = 1000
    save_interval: int = 50
    obs_groups: dict[str, list[str]] = {"actor": ["policy"], "critic": ["policy"]}  # noqa: RUF012 (a configclass copies)
    actor: RslRlMLPModelCfg = RslRlMLPModelCfg(
        hidden_dims=[128, 128, 128],
        activation="elu",
        obs_normalization=True,
        distribution_cfg=RslRlMLPModelCfg.GaussianDistributionCfg(init_std=0.5),
    )
    critic: RslRlMLPModelCfg = RslRlMLPModelCfg(hidden_dims=[128, 128, 128], activation="elu", obs_normalization=True)
    algorithm: RslRlPpoAlgorithmCfg = RslRlPpoAlgorithmCfg(
        value_loss_coef=1.0,
        use_clipped_value_loss=True,
        clip_param=0.2,
        entropy_coef=0.01,
        num_learning_epochs=5,
        num_mini_batches=4,
        learning_rate=1.0e-3,
        schedule="adaptive",
        gamma=0.99,
        lam=0.95,
        desired_kl=0.01,
        max_grad_norm=1.0,
    )
