# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The settings as Isaac Lab hands them over, and the border to Isaac Lab."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nil_ext.rl.runners import OffPolicyRunner


def test_nothing_but_the_settings_imports_isaac_lab():
    code = (
        "import importlib, pkgutil, sys, nil_ext.rl\n"
        "names = [module.name for module in pkgutil.walk_packages(nil_ext.rl.__path__, 'nil_ext.rl.')]\n"
        "names.remove('nil_ext.rl.cfg')\n"
        "[importlib.import_module(name) for name in names]\n"
        "sys.exit(any(name.split('.')[0].startswith(('isaaclab', 'omni', 'pxr')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture(scope="module")
def cfg():
    return pytest.importorskip("nil_ext.rl.cfg")


def as_dict(runner_cfg) -> dict:
    from isaaclab.utils import to_dict
    from isaaclab_rl.rsl_rl import handle_deprecated_rsl_rl_cfg

    return to_dict(handle_deprecated_rsl_rl_cfg(runner_cfg, "5.5.1"))


@pytest.mark.parametrize("name", ["BroRunnerCfg", "BroReferenceRunnerCfg", "BroCpuRunnerCfg"])
def test_presets_build_what_they_say(cfg, name, point_mass):
    settings = as_dict(getattr(cfg, name)())
    runner = OffPolicyRunner(point_mass, settings)
    width, num_quantiles = {"BroCpuRunnerCfg": (128, 10)}.get(name, (512, 100))
    head = runner.alg.critic.mlp[-1]
    assert tuple(head.weight.shape) == (2, width, num_quantiles)
    assert not settings["init_at_random_ep_len"]
    assert runner.alg.actor.obs_normalization == (name != "BroReferenceRunnerCfg")
    assert runner.alg.replay.precision == ("float32" if name == "BroReferenceRunnerCfg" else "float16")


@pytest.mark.parametrize(
    ("name", "num_envs", "updates"),
    [("BroRunnerCfg", 1024, 16), ("BroReferenceRunnerCfg", 1, 10), ("BroCpuRunnerCfg", 64, 8)],
)
def test_updates_of_a_step_at_the_presets_number_of_environments(cfg, name, num_envs, updates):
    algorithm = getattr(cfg, name)().algorithm
    assert algorithm.reuse * num_envs / algorithm.batch_size == updates


def test_the_reference_preset_is_the_papers(cfg):
    settings = as_dict(cfg.BroReferenceRunnerCfg())["algorithm"]
    # The first reset comes at environment step 15001: 12501 steps after the warm-up of 2500, ten updates each.
    assert settings["reset_updates"][0] == 125_010
    assert len(settings["reset_updates"]) == 8
    assert (settings["batch_size"], settings["gamma"], settings["tau"]) == (128, 0.99, 0.005)
    assert (settings["init_alpha"], settings["target_entropy_scale"], settings["optimistic"]) == (1.0, 0.5, True)


@pytest.mark.parametrize("class_name", ["OnPolicyRunner", "OffPolicyRunner"])
def test_the_cpu_preset_trains_under_both_runners(cfg, class_name, point_mass, tmp_path):
    from isaaclab_rl.rsl_rl import create_rsl_rl_runner, handle_deprecated_rsl_rl_cfg

    settings = cfg.BroCpuRunnerCfg(num_steps_per_env=4)
    settings.algorithm.warmup_transitions = 64
    if class_name == "OnPolicyRunner":
        settings.class_name = class_name
        point_mass.cfg = {}
        settings = handle_deprecated_rsl_rl_cfg(settings, "5.5.1")
        runner = create_rsl_rl_runner(point_mass, settings, log_dir=str(tmp_path))
    else:
        runner = OffPolicyRunner(point_mass, as_dict(settings), log_dir=str(tmp_path))
    runner.learn(2)
    # five of the eight steps come at or after 64 transitions; 32 * 16 environments / 256 = 2 updates each
    assert runner.alg.gradient_steps == 2 * 5
    assert list(tmp_path.glob("model_*.pt"))
