# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The video stream with a TimeSformer (a tiny random one) in the real environment, and what is said without weights."""

from __future__ import annotations

import argparse

import gymnasium as gym
import huggingface_hub.constants
import pytest
import torch

from isaaclab_tasks.utils import resolve_task_config

from nil_ext.cli import session
from nil_ext.errors import InputError
from nil_ext.tasks import mdp
from nil_ext.tasks.embedded import embedded_reference
from nil_ext.tasks.walk.register import IMITATION, REWARDS

TASK = "NIL-H1-Walk"
SIZE = 224
"""The size at which the embedded reference was drawn, so that equal poses give equal pixels."""


@pytest.fixture(scope="module")
def env(open_env, tiny_timesformer, tmp_path_factory):
    """The paper's mask term and plain cosine on every second frame, at 25 Hz."""
    settings = {
        "start_along_reference": 0.0,
        "mask_score": "iou",
        "film_every": 2,
        "centred": "false",
        "encoder": "timesformer",
        "encoder_weights": tiny_timesformer,
        "encoder_batch": 2,
    }
    overrides = (f"env.commands.reference.{key}={value}" for key, value in settings.items())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIL_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        with open_env("presets=cpu,position", *overrides, num_envs=3, size=SIZE) as env:
            yield env


@pytest.fixture
def play(env, place):
    """``play(frames)``: put the robots in the poses of those frames of the sketch, one a step; (S_M, S_v)."""
    env.reset()
    reference = env.unwrapped.command_manager.get_term("reference")
    motion = embedded_reference(TASK).resample(25.0).motion
    order = [list(motion["joint_names"]).index(name) for name in reference.robot.joint_names]

    def run(frames) -> tuple[torch.Tensor, torch.Tensor]:
        rows = []
        for step, frame in enumerate(frames):
            place(env, root_pose=motion["root_pose"][frame], joint_pos=motion["joint_pos"][frame][order])
            env.unwrapped.episode_length_buf[:] = step
            env.unwrapped.common_step_counter += 1
            rows.append((mdp.mask_iou(env.unwrapped).clone(), mdp.video_similarity(env.unwrapped).clone()))
        return tuple(torch.stack(column) for column in zip(*rows, strict=True))

    return run


@pytest.mark.sim
def test_a_rollout_that_is_the_reference_scores_one(env, play):
    overlap, similarity = play(range(30))
    assert overlap.shape == similarity.shape == (30, 3)
    # physics rounds joint angles to float32: an edge pixel of 3000 may differ
    assert overlap.min() > 0.999
    assert similarity.min() > 0.9999
    encoder = env.unwrapped.command_manager.get_term("reference").similarity.encoder
    assert encoder.manifest()["name"] == "timesformer"


@pytest.mark.sim
def test_between_filmed_steps_the_streams_are_held(env, play, monkeypatch):
    reference, counter = env.unwrapped.command_manager.get_term("reference"), env.unwrapped.common_step_counter
    filmed, film = [], reference.camera.film

    def counted(middle):
        filmed.append(env.unwrapped.common_step_counter)
        return film(middle)

    monkeypatch.setattr(reference.camera, "film", counted)
    overlap, similarity = play([0, 8, 0, 8, 0, 8, 0, 8, 0])
    assert filmed == [counter + step for step in (1, 3, 5, 7, 9)]  # from the first one after the reset of all
    for stream in (overlap, similarity):
        assert torch.equal(stream[1::2], stream[:-1:2])
    env.unwrapped.command_manager.reset(torch.tensor([1]))
    last = [similarity[-1, 0].item(), 1.0, similarity[-1, 2].item()]
    assert mdp.video_similarity(env.unwrapped).tolist() == last
    env.unwrapped.common_step_counter += 1  # the next step is not filmed
    assert mdp.mask_iou(env.unwrapped).tolist() == [overlap[-1, 0].item(), 1.0, overlap[-1, 2].item()]
    assert mdp.video_similarity(env.unwrapped).tolist() == last
    reference.probes.append(lambda: None)  # who reads along sees every step
    try:
        play([0, 8, 0, 8])
    finally:
        reference.probes.clear()
    assert filmed[5:] == list(range(counter + 11, counter + 15))


@pytest.mark.parametrize("reward", REWARDS)
def test_paper_profile_without_weights_says_what_to_do_before_a_simulator_starts(tmp_path, monkeypatch, reward):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    def unreachable(*_):
        raise AssertionError("the simulator was started")

    monkeypatch.setattr(session, "simulation", unreachable)
    monkeypatch.setitem(gym.spec(TASK).kwargs, "reward", reward)
    env_cfg, agent_cfg = resolve_task_config(TASK, "bro_cfg_entry_point", overrides=["presets=paper"])
    missing = r"cannot be downloaded .*: set env.commands.reference.encoder=efficientnet"
    with (
        pytest.raises(InputError, match=missing) as error,
        session.open_session(argparse.Namespace(task=TASK), env_cfg, agent_cfg, None),
    ):
        pass
    # what films nothing learns nothing from it either
    assert str(error.value).endswith("and the first remedy costs nothing else.") == (reward != IMITATION)
