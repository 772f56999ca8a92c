# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The first steps of the cpu profile's training follow joint angles, the others the video."""

from __future__ import annotations

import pytest
import torch

from nil_ext.tasks.imitation_env_cfg import ImitationEnvCfg

STEPS, NUM_ENVS = 4, 3
TRACKING = {"tracking_joint_pos": 1.0, "tracking_joint_vel": 0.2, "tracking_root_vel": 1.0, "tracking_root_rot": 1.0}
VIDEO = {"video_similarity": 1.0, "mask_iou": 1.0, "tracking_root_vel": 0.5}


@pytest.fixture(scope="module")
def env(open_env):
    def change(cfg: ImitationEnvCfg) -> None:
        cfg.tracking_steps, cfg.speed_weight = STEPS, VIDEO["tracking_root_vel"]
        cfg.begin_with_tracking()

    with open_env("presets=cpu", num_envs=NUM_ENVS, task="NIL-A1-Walk", change=change) as env:
        yield env


@pytest.mark.sim
def test_joint_angles_count_without_filming_and_then_the_video_does(env, monkeypatch):
    unwrapped = env.unwrapped
    reference = unwrapped.command_manager.get_term("reference")
    assert set(VIDEO) | set(TRACKING) < set(env.reward_streams)
    filmed = []
    film = reference.camera.film
    monkeypatch.setattr(reference.camera, "film", lambda: filmed.append(unwrapped.common_step_counter) or film())

    def step():
        """One step in which the first robot's episode ends, as a curriculum is looked at where one begins anew."""
        env.episode_length_buf[0] = env.max_episode_length
        return env.step(torch.zeros(NUM_ENVS, env.num_actions))

    for number in range(1, STEPS + 3):
        counts, rests = (TRACKING, VIDEO) if number <= STEPS else (VIDEO, TRACKING)
        weights = env.reward_weights
        assert {name: weights[name] for name in counts} == counts
        assert not any(weights[name] for name in rests.keys() - counts)
        assert reference.cfg.lost_below == (0.0 if number <= STEPS else 0.3)
        _, rewards, _, extras = step()
        assert unwrapped.common_step_counter == number
        streams = dict(zip(env.reward_streams, extras["reward_streams"].unbind(1), strict=True))
        assert all(streams[name].any() for name in counts if name != "video_similarity")
        assert not any(streams[name].any() for name in rests.keys() - counts)
        torch.testing.assert_close(extras["reward_streams"] @ extras["reward_weights"], rewards)
        assert extras["replay_outdated"] is (number == STEPS + 1)
    assert filmed == [STEPS + 1, STEPS + 2]

    # a resumed training sets the counter and asks; an evaluation changes nothing
    unwrapped.common_step_counter = 1
    reference.probes.append(lambda: None)
    unwrapped.curriculum_manager.compute()
    assert env.reward_weights["mask_iou"] == 1.0
    reference.probes.clear()
    unwrapped.curriculum_manager.compute()
    assert env.reward_weights["mask_iou"] == 0.0
