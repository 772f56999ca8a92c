# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The cpu profile's training follows joint angles first, then the video."""

from __future__ import annotations

import pytest
import torch

from isaaclab.managers import CurriculumTermCfg

from nil_ext.tasks.imitation_env_cfg import ImitationEnvCfg
from nil_ext.tasks.mdp import TrackingFirst

STEPS, NUM_ENVS = 4, 3
TRACKING = {"tracking_joint_pos": 1.0, "tracking_joint_vel": 0.2, "tracking_root_vel": 1.0, "tracking_root_rot": 1.0}
VIDEO = {
    "video_similarity": 1.0,
    "mask_iou": 1.0,
    "tracking_root_vel": 0.5,
    "tracking_joint_pos": 0.3,
    "tracking_root_rot": 0.7,
}


@pytest.fixture(scope="module")
def env(open_env):
    def change(cfg: ImitationEnvCfg) -> None:
        cfg.tracking_steps, cfg.speed_weight = STEPS, VIDEO["tracking_root_vel"]
        cfg.joints_weight, cfg.orientation_weight = VIDEO["tracking_joint_pos"], VIDEO["tracking_root_rot"]
        cfg.tracking_until = 1.0
        cfg.commands.reference.lost_below = 0.3  # off by default
        cfg.count_motion()

    with open_env("presets=cpu", num_envs=NUM_ENVS, task="NIL-A1-Walk", change=change) as env:
        yield env


@pytest.mark.sim
def test_joint_angles_count_without_filming_and_then_the_video_does(env, monkeypatch):
    unwrapped = env.unwrapped
    reference = unwrapped.command_manager.get_term("reference")
    assert set(VIDEO) | set(TRACKING) < set(env.reward_streams)
    filmed, overlaps = [], []
    film = reference.camera.film
    monkeypatch.setattr(
        reference.camera, "film", lambda middle: filmed.append(unwrapped.common_step_counter) or film(middle)
    )

    def step():
        """One step in which the first robot's episode ends, as a curriculum is looked at where one begins anew."""
        env.episode_length_buf[0] = env.max_episode_length
        return env.step(torch.zeros(NUM_ENVS, env.num_actions))

    for number in range(1, STEPS + 4):
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
        assert ("Metrics/reference/mask_iou" in extras["log"]) is (number > STEPS)
        if number > STEPS:  # the last robot's episode has seen all steps; its mean is over those since filming began
            overlaps.append(reference.latest["mask_iou"][-1].item())
            assert reference.metrics["mask_iou"][-1].item() == pytest.approx(sum(overlaps) / len(overlaps))
    assert filmed == [STEPS + 1, STEPS + 3]  # every second step from the first that counts

    # a resumed training gives back the state and asks; an evaluation changes nothing
    assert reference.progress["over"] == 1.0
    unwrapped.common_step_counter = 1
    reference.progress.update(over=0.0, lasted=0.0)
    reference.probes.append(lambda: None)
    unwrapped.curriculum_manager.compute()
    assert env.reward_weights["mask_iou"] == 1.0
    reference.probes.clear()
    unwrapped.curriculum_manager.compute()
    assert env.reward_weights["mask_iou"] == 0.0


@pytest.mark.sim
def test_the_video_counts_once_episodes_last(env):
    unwrapped = env.unwrapped
    reference = unwrapped.command_manager.get_term("reference")
    params = {"num_steps": 10**6, "until": 0.4, "tracking": TRACKING, "video": VIDEO}
    term = TrackingFirst(CurriculumTermCfg(func=TrackingFirst, params=params), unwrapped)
    whole, start, progress = reference.length - 1, reference._start, reference.progress

    def end(*lengths: int, of: list[int] = (0, 0, 0)) -> float:
        start.copy_(torch.tensor(of))
        env.episode_length_buf = torch.tensor(lengths)
        return term(unwrapped, slice(None), **params)

    end(0, 0, 0)  # the first reset
    assert progress["lasted"] == 0.0
    # 3 of 12 episodes: a quarter of the mean is new. The first lasted all it could, the second half, the third a tenth
    left = whole - 10
    assert end(left, left // 2, 1 + left // 10, of=[10, 10, 10]) == 1.0
    expected = 0.25 * (1.0 + (left // 2) / left + (1 + left // 10) / left) / 3.0
    assert progress["lasted"] == pytest.approx(expected)
    assert 0.12 < expected < 0.16
    # one episode of twelve
    env.episode_length_buf = torch.tensor([whole, 1, 1])
    start.zero_()
    term(unwrapped, torch.tensor([0]), **params)
    expected += (1.0 - expected) / 12.0
    assert progress["lasted"] == pytest.approx(expected)
    assert env.reward_weights["mask_iou"] == 0.0
    assert end(whole, whole, whole) == 0.0  # 0.41: it is time
    assert progress["lasted"] == pytest.approx(expected + (1.0 - expected) / 4.0)
    assert env.reward_weights["mask_iou"] == 1.0
    assert end(1, 1, 1) == 0.0, "for good"
