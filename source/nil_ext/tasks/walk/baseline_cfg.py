# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Baselines that learn from an expert's trajectories: ``--agent amp``, ``gaifo``, ``bco`` (docs/baselines.md)."""

from __future__ import annotations

from dataclasses import field, fields

from isaaclab.utils import configclass
from isaaclab_tasks.utils import PresetCfg, preset

from nil_ext.rl.cfg import BroAlgorithmCfg, BroCpuRunnerCfg, BroRunnerCfg


@configclass
class BaselineAlgorithmCfg(BroAlgorithmCfg):
    """BRO's settings and what all baselines add."""

    trajectories: str = ""
    """The expert's: a file or a folder; ``--trajectories`` sets it."""

    activation: str = "relu"
    """Activation of the network that reads transitions (AMP)."""


@configclass
class AmpAlgorithmCfg(BaselineAlgorithmCfg):
    """Adversarial motion priors (Peng et al. 2021)."""

    class_name: str = "nil_ext.rl.imitation:AMP"

    hidden_dims: list[int] = field(default_factory=lambda: [1024, 512])
    """Widths of the discriminator (AMP)."""

    discriminator_learning_rate: float = 1e-4
    """Learning rate of the discriminator (ours; AMP: 1e-5, with far more updates)."""

    discriminator_updates: float = 1.0
    """Updates of the discriminator per update of the agent (ours)."""

    lipschitz: bool = True
    """Whether the discriminator's gradient is penalised and the reward bounded, without which off-policy adversarial
    imitation is unstable (Blondé et al. 2022)."""

    gradient_penalty: float = 10.0
    """Weight of the penalty (AMP; Gulrajani et al. 2017)."""


@configclass
class GaifoAlgorithmCfg(AmpAlgorithmCfg):
    """Generative adversarial imitation from observation (Torabi et al. 2018)."""

    class_name: str = "nil_ext.rl.imitation:GAIfO"

    reward_bound: float = 2.0
    """Where the reward is cut with ``lipschitz``, and what it is divided by (ours)."""


@configclass
class BcoAlgorithmCfg(BaselineAlgorithmCfg):
    """Behavioural cloning from observation (Torabi et al. 2018)."""

    class_name: str = "nil_ext.rl.imitation:BCO"

    hidden_dims: list[int] = field(default_factory=lambda: [256, 256])
    """Widths of the inverse dynamics model (ours)."""

    inverse_learning_rate: float = 1e-3
    """Learning rate of that model (ours)."""

    exploration_std: float = 0.2
    """Standard deviation of the noise on the actions that are tried (ours)."""


def amp_cfg(experiment: str) -> PresetCfg:
    """AMP by machine: ``presets=paper`` or ``presets=cpu``."""
    return _by_machine(experiment, AmpAlgorithmCfg, _SMALL_DISCRIMINATOR)


def gaifo_cfg(experiment: str) -> PresetCfg:
    """GAIfO by machine."""
    return _by_machine(experiment, GaifoAlgorithmCfg, _SMALL_DISCRIMINATOR)


def bco_cfg(experiment: str) -> PresetCfg:
    """BCO by machine. Its policy observes the state alone: of the expert nothing else is known."""
    cfg = _by_machine(experiment, BcoAlgorithmCfg, {"hidden_dims": [128, 128]})
    for runner in (cfg.paper, cfg.cpu):
        runner.obs_groups = {"actor": ["state"], "critic": ["state"]}
    cfg.default = cfg.paper
    return cfg


_SMALL_DISCRIMINATOR = {"hidden_dims": [256, 128], "discriminator_updates": 0.25}
"""On two cores the agent's updates are what there are too few of (ours)."""


def _by_machine(experiment: str, algorithm: type[BaselineAlgorithmCfg], small: dict) -> PresetCfg:
    """BRO's own runners with another algorithm, which keeps their settings.

    A style reward is paid per step, the environment's per second: its scale is divided by the profile's control rate.
    """
    runners = {}
    for name, base, rate, changes in (("paper", BroRunnerCfg, 100.0, {}), ("cpu", BroCpuRunnerCfg, 25.0, small)):
        runner = base(experiment_name=experiment)
        settings = {
            f.name: getattr(runner.algorithm, f.name) for f in fields(BroAlgorithmCfg) if f.name != "class_name"
        }
        settings["reward_scale"] /= rate
        runner.algorithm = algorithm(**settings, **changes)
        runner.obs_groups = {**runner.obs_groups, "expert": ["state"]}
        runners[name] = runner
    return preset(**runners, default=runners["paper"])
