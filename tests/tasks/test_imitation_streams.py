# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What the imitation streams and penalties say of robots that are put where told: no physics, the real camera."""

from __future__ import annotations

import re
from math import cos, radians, sin

import mujoco
import numpy as np
import pytest
import torch

from isaaclab.utils.math import quat_apply

from nil_ext.errors import InputError
from nil_ext.perception.masks import iou
from nil_ext.robots.h1 import H1
from nil_ext.robots.model import model_file
from nil_ext.tasks import mdp
from nil_ext.tasks.embedded import embedded_reference
from nil_ext.tasks.follow_camera import FollowCamera
from nil_ext.tasks.mdp.reference_states import reference_states
from nil_ext.tasks.stream_vec_env import StreamVecEnv

SIZE = 224
"""The size at which the embedded reference was drawn, so that equal poses give equal pixels."""

E0 = (0.0, 0.0, H1.start_height)
UPRIGHT = (0.0, 0.0, 0.0, 1.0)


@pytest.fixture(scope="module")
def env(open_env):
    """The paper's mask term and every frame filmed, at 25 Hz; no episode ends because it is lost."""
    settings = ("start_along_reference=0.0", "lost_below=0.0", "mask_score=iou", "film_every=1")
    with open_env(
        "presets=cpu,position", *(f"env.commands.reference.{text}" for text in settings), num_envs=2, size=SIZE
    ) as env:
        yield env


@pytest.fixture
def play(env, place, reference):
    """``play(frames)``: put the robots in the poses of those frames of the sketch, one a step; (mask IoU, S_v)."""
    motion = embedded_reference("NIL-H1-Walk").resample(25.0).motion
    order = [list(motion["joint_names"]).index(name) for name in reference.robot.joint_names]

    def run(frames) -> tuple[torch.Tensor, torch.Tensor]:
        overlaps, similarities = [], []
        for step, frame in enumerate(frames):
            place(env, root_pose=motion["root_pose"][frame], joint_pos=motion["joint_pos"][frame][order])
            env.unwrapped.episode_length_buf[:] = step
            env.unwrapped.common_step_counter += 1
            overlaps.append(mdp.mask_iou(env.unwrapped).clone())
            similarities.append(mdp.video_similarity(env.unwrapped).clone())
        return torch.stack(overlaps), torch.stack(similarities)

    return run


@pytest.mark.sim
@pytest.mark.parametrize(("azimuth", "elevation"), [(30.0, 0.0), (-30.0, 0.0), (0.0, 20.0)])
def test_a_camera_that_goes_round_sees_what_a_robot_that_turns_shows_the_side_camera(
    env, reference, place, azimuth, elevation
):
    in_the_air = reference.cfg.camera_height + 3.0  # where the ground hides no part
    cfg = reference.cfg.replace(camera_height=in_the_air)
    place(env, root_pose=(0.0, 0.0, in_the_air, *UPRIGHT))
    _, side = FollowCamera(env.unwrapped.scene, cfg).film()
    _, seen = FollowCamera(env.unwrapped.scene, cfg, (azimuth, elevation)).film()
    yaw, roll = -radians(azimuth) / 2, radians(elevation) / 2
    place(env, root_pose=(0.0, 0.0, in_the_air, sin(roll), 0.0, sin(yaw), cos(yaw) * cos(roll)))  # one of them is 0
    _, turned = FollowCamera(env.unwrapped.scene, cfg).film()
    assert iou(seen, turned).min() > 0.98
    assert iou(seen, side).max() < 0.85


@pytest.mark.sim
def test_a_camera_that_moves_with_the_reference_sees_who_lags(env, reference, place, play, monkeypatch):
    sketch = embedded_reference("NIL-H1-Walk").resample(25.0)
    monkeypatch.setattr(reference.cfg, "camera_follows", "reference")
    monkeypatch.setattr(reference, "_path", reference._camera_path(sketch))
    overlap, _ = play(range(20))
    assert overlap.min() > 0.999
    with_it = reference.latest_mask.clone()

    pose = sketch.motion["root_pose"][19].copy()
    order = [list(sketch.motion["joint_names"]).index(name) for name in reference.robot.joint_names]
    pose[0] = 0.0  # it marched on the spot
    place(env, root_pose=pose, joint_pos=sketch.motion["joint_pos"][19][order])
    env.unwrapped.common_step_counter += 1
    mdp.mask_iou(env.unwrapped)
    middle, behind = (mask.float().nonzero()[:, 2].float().mean() for mask in (with_it, reference.latest_mask))
    # 19 steps of 40 ms at 0.8 m/s, where the picture shows 2.2 m
    assert behind - middle == pytest.approx(-19 * 0.04 * 0.8 / 2.2 * SIZE, abs=2.0)

    reference._start[:] = 10  # an episode that begins in mid-motion begins in the picture's middle
    env.unwrapped.episode_length_buf[:] = 9
    pose[0] = 9 * 0.04 * 0.8
    place(env, root_pose=pose, joint_pos=sketch.motion["joint_pos"][19][order])
    env.unwrapped.common_step_counter += 1
    assert mdp.mask_iou(env.unwrapped).min() > 0.98

    monkeypatch.setattr(reference.cfg, "camera_follows", "sun")
    with pytest.raises(InputError, match="camera_follows=sun: give robot or reference"):
        reference._camera_path(sketch)


@pytest.mark.sim
def test_a_camera_that_is_recorded_never_loses_its_robot(env, reference, place, monkeypatch):
    monkeypatch.setattr(env.unwrapped.cfg, "video_recorders", [object()])
    place(env, root_pose=(3.0, 0.0, H1.start_height, *UPRIGHT))  # as between filmed steps, or put back by a reset
    env.unwrapped.command_manager.compute(env.unwrapped.step_dt)
    camera = env.unwrapped.scene["camera"].data.pos_w.torch - env.unwrapped.scene.env_origins
    assert camera[:, :2].tolist() == [pytest.approx([3.0, -H1.camera.distance], abs=1e-4)] * 2


@pytest.mark.sim
def test_settings_that_name_nothing_are_refused(env, reference, monkeypatch):
    with pytest.raises(InputError, match="Unknown mask_score 'shapd': use one of iou, soft, shaped"):
        mdp.ReferenceCommand(reference.cfg.replace(mask_score="shapd"), env.unwrapped)
    for name, value in (("lookahead", ()), ("code_size", 0)):  # position targets see no joint angles either
        with monkeypatch.context() as patch:
            patch.setattr(reference.cfg, "observe_motion", False)
            patch.setattr(reference.cfg, name, value)
            with pytest.raises(InputError, match="would see nothing of the reference: give"):
                reference._lookahead_code(reference.masks)
    sketch = embedded_reference("NIL-H1-Walk").resample(25.0)
    names = np.array(["a_joint_that_was_renamed", *sketch.motion["joint_names"][1:]])
    with monkeypatch.context() as patch, pytest.raises(InputError, match="lacks joints of the robot"):
        patch.setitem(sketch.motion, "joint_names", names)
        reference_states(sketch, reference.robot, reference.length)
    monkeypatch.setattr(reference.cfg, "code_size", 0)
    monkeypatch.setattr(reference.cfg, "observe_motion", True)
    assert reference._lookahead_code(reference.masks).shape == (reference.length, 2 * len(reference.robot.joint_names))


# -- the imitation streams


@pytest.mark.sim
def test_a_rollout_that_is_the_reference_scores_one(play):
    overlap, similarity = play(range(46))  # two strides
    # physics rounds joint angles to float32: an edge pixel of 3000 may differ
    assert overlap.min() > 0.999
    assert similarity.min() > 0.999


@pytest.mark.sim
def test_the_wrong_half_of_the_gait_scores_far_less(play):
    overlap, similarity = play(range(11, 34))  # half a stride of 22.5 frames ahead
    assert overlap[1:].mean() < 0.8
    assert similarity[8:].mean() < 0.3


@pytest.mark.sim
def test_standing_scores_less_than_walking(play):
    overlap, similarity = play([0] * 46)
    assert overlap[0].min() > 0.999
    assert overlap.mean() < 0.85
    assert similarity[8:].mean() < 0.5


@pytest.mark.sim
def test_streams_are_renewed_once_a_step(env, place, reference, play):
    play(range(3))
    before = reference.latest["mask_iou"].clone()
    place(env, root_pose=(0.0, 0.0, 2.0, *UPRIGHT))
    assert torch.equal(mdp.mask_iou(env.unwrapped), before)  # the same step: not filmed again
    env.unwrapped.common_step_counter += 1
    assert (mdp.mask_iou(env.unwrapped) < 0.5).all()


@pytest.mark.sim
def test_latest_frame_is_the_robot_on_white(reference, play):
    play(range(2))
    frames = reference.latest_frames
    difference = (frames.int() - reference.frames[1].int()).abs().amax(dim=-1)
    assert (difference > 8).float().mean() < 1e-3
    assert (frames[:, 0] == 255).all()


@pytest.mark.sim
def test_picture_is_where_a_pinhole_at_the_camera_s_place_sees_the_robot(env, place, reference):
    """MuJoCo's kinematics and a pinhole by hand: 3.5 m away, 0.9 m high, 2.2 m of the world across the picture."""
    place(env)
    model = mujoco.MjModel.from_xml_path(str(model_file(H1.model.package, H1.model.path)))
    data = mujoco.MjData(model)
    data.qpos[:3] = E0
    angles = reference.robot.data.default_joint_pos.torch[0].tolist()
    for name, angle in zip(reference.robot.joint_names, angles, strict=True):
        data.joint(re.sub(r"_1$", "", name)).qpos[0] = angle
    mujoco.mj_kinematics(model, data)
    points = []
    for i in np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_MESH):
        first, count = (values[model.geom_dataid[i]] for values in (model.mesh_vertadr, model.mesh_vertnum))
        corners = model.mesh_vert[first : first + count]
        points.append(corners @ data.geom_xmat[i].reshape(3, 3).T + data.geom_xpos[i])
    right, away, up = (np.concatenate(points) - (0.0, -3.5, 0.9)).T
    columns, rows = (SIZE / 2 * (1.0 + sign * value / away * 3.5 / 1.1) for sign, value in ((1, right), (-1, up)))
    mask = reference.camera.film()[1][0]
    seen_rows, seen_columns = (torch.where(mask.any(dim=1 - d))[0] for d in (0, 1))
    # a pixel belongs to the robot when its middle does
    assert seen_rows[[0, -1]].tolist() == pytest.approx([rows.min(), rows.max() - 1], abs=1.0)
    assert seen_columns[[0, -1]].tolist() == pytest.approx([columns.min(), columns.max() - 1], abs=1.0)


@pytest.mark.sim
def test_mask_overlap_is_the_plain_iou_whatever_the_score(env, reference, play):
    plain, _ = play(range(4))
    assert torch.equal(reference.latest["mask_iou"], plain[-1])
    expected = iou(reference.camera.film()[1], reference.masks[3].expand(2, -1, -1))
    assert torch.allclose(plain[-1], expected, atol=1e-6)


# -- penalties, against hand numbers


def pitched(angle: float) -> tuple[float, ...]:
    """The root at e0, nose down [deg]."""
    return (*E0, 0.0, sin(radians(angle) / 2), 0.0, cos(radians(angle) / 2))


@pytest.mark.sim
@pytest.mark.parametrize("angle", [0.0, 20.0, -35.0])
def test_torso_tilt_is_the_squared_sine(env, place, angle: float):
    place(env, root_pose=pitched(angle))
    params = env.unwrapped.reward_manager.get_term_cfg("torso_tilt").params
    tilt = mdp.torso_tilt(env.unwrapped, **params)
    assert tilt.tolist() == pytest.approx([sin(radians(angle)) ** 2] * 2, abs=1e-5)  # 20 degrees: 0.117


@pytest.mark.sim
@pytest.mark.parametrize("angle", [0.0, 30.0, -30.0])
def test_heading_error_is_one_minus_cosine(env, place, angle: float):
    place(env, root_pose=(*E0, 0.0, 0.0, sin(radians(angle) / 2), cos(radians(angle) / 2)))
    error = mdp.heading_error(env.unwrapped)
    assert error.tolist() == pytest.approx([1.0 - cos(radians(angle))] * 2, abs=1e-5)  # 30 degrees: 0.134


@pytest.mark.sim
@pytest.mark.parametrize("angle", [0.0, 40.0, -130.0])
def test_heading_is_seen_as_sine_and_cosine(env, place, angle: float):
    place(env, root_pose=(*E0, 0.0, 0.0, sin(radians(angle) / 2), cos(radians(angle) / 2)))
    expected = torch.tensor([sin(radians(angle)), cos(radians(angle))])
    torch.testing.assert_close(mdp.heading(env.unwrapped), expected.expand(2, -1), atol=1e-5, rtol=0.0)
    assert {"heading", "root_height"} < set(env.unwrapped.observation_manager.active_terms["policy"])


@pytest.mark.sim
def test_reward_streams_are_told_unweighted_and_add_up(env, monkeypatch):
    env.reset()
    manager = env.unwrapped.reward_manager
    assert set(env.reward_streams) == {name for name, weight in env.reward_weights.items() if weight}
    mask = manager.get_term_cfg("mask_iou")
    try:
        for weight, outdated in ((1.0, False), (2.5, False), (0.0, False), (1.0, True), (1.0, False)):
            mask.weight = weight
            _, rewards, _, extras = env.step(torch.full((2, env.num_actions), 0.1))
            assert extras["replay_outdated"] is outdated  # after weight 0: what it would have been is not known
            streams, weights = extras["reward_streams"], extras["reward_weights"]
            assert weights[env.reward_streams.index("mask_iou")] == pytest.approx(weight * 0.04)  # a step of 25 Hz
            torch.testing.assert_close(streams @ weights, rewards)
            if weight:
                value = mdp.mask_iou(env.unwrapped)
                torch.testing.assert_close(streams[:, env.reward_streams.index("mask_iou")], value)
        mask.weight = 1.0
        step = env.unwrapped.step

        def with_curriculum(actions):  # changes a weight after the step's rewards are computed, as Isaac Lab's does
            result = step(actions)
            mask.weight = 3.0
            return result

        with monkeypatch.context() as patch:
            patch.setattr(env.unwrapped, "step", with_curriculum)
            _, rewards, _, extras = env.step(torch.full((2, env.num_actions), 0.1))
        torch.testing.assert_close(extras["reward_streams"] @ extras["reward_weights"], rewards)
        value = mdp.mask_iou(env.unwrapped)
        torch.testing.assert_close(extras["reward_streams"][:, env.reward_streams.index("mask_iou")], value)
    finally:
        mask.weight = 1.0
    late = StreamVecEnv(env.env, clip_actions=1.0)
    late.reward_streams = tuple(name for name in late.reward_streams if name != "heading")
    with pytest.raises(InputError, match="weight of heading was 0 when training began"):
        late.step(torch.zeros(2, env.num_actions))


@pytest.mark.sim
@pytest.mark.parametrize(
    ("height", "speed", "slip"),
    [
        (0.0, 0.0, 0.0),
        (0.0, 0.5, 0.5),  # both feet at 0.5 m/s
        (0.0, 3.0, 1.0),  # each counts up to 1 m/s
        (0.003, 0.5, 0.5),  # still within a touch of the ground
        (0.05, 0.5, 0.0),  # in the air
    ],
)
def test_foot_slip_is_the_mean_speed_of_feet_on_the_ground(env, place, height: float, speed: float, slip: float):
    velocity = (0.6 * speed, 0.8 * speed, 0.0, 0.0, 0.0, 0.0)
    place(env, root_pose=(0.0, 0.0, H1.start_height + height, *UPRIGHT), root_vel=velocity)
    term = env.unwrapped.reward_manager.get_term_cfg("foot_slip")
    assert term.func(env.unwrapped, **term.params).tolist() == pytest.approx([slip] * 2, abs=1e-4)


@pytest.mark.sim
def test_a_foot_that_rolls_over_its_toes_does_not_slip(env, place):
    nose_down, turning = radians(20.0), 2.0  # [rad], [rad/s]
    quaternion = (0.0, sin(nose_down / 2), 0.0, cos(nose_down / 2))
    ankle, toes = "left_ankle_link", torch.tensor([0.14, 0.0, -0.056])
    robot = env.unwrapped.scene["robot"]
    place(env, root_pose=(*E0, *quaternion))
    body = robot.body_names.index(ankle)
    toe = robot.data.body_link_pos_w.torch[0, body] + quat_apply(robot.data.body_link_quat_w.torch[0, body], toes)
    down = H1.sole_radius - toe[2].item()  # so that the toes touch the ground
    arm = toe - robot.data.root_com_pos_w.torch[0]  # a root's velocity is that of its centre of mass
    arm[2] -= H1.sole_radius
    # the root's velocity for a turn about the toes: v = -omega x arm, omega = (0, turning, 0)
    velocity = (-turning * arm[2].item(), 0.0, turning * arm[0].item(), 0.0, turning, 0.0)
    place(env, root_pose=(0.0, 0.0, H1.start_height + down, *quaternion), root_vel=velocity)
    term = env.unwrapped.reward_manager.get_term_cfg("foot_slip")
    ankle_speed = robot.data.body_link_lin_vel_w.torch[0, body, :2].norm().item()
    assert ankle_speed > 0.05  # judged by its ankle it would slip
    assert term.func(env.unwrapped, **term.params).tolist() == pytest.approx([0.0] * 2, abs=0.02)


@pytest.mark.sim
def test_joint_velocity_is_a_mean_square_in_units_of_the_scale(env, place):
    speeds = torch.zeros(2, 19)
    speeds[0] = 5.0
    speeds[1, 4] = 19.0
    place(env, joint_vel=speeds)
    # (5 / 10)^2 = 0.25, and (19 / 10)^2 / 19 = 0.19
    assert mdp.joint_velocity(env.unwrapped, scale=10.0).tolist() == pytest.approx([0.25, 0.19], abs=1e-4)


@pytest.mark.sim
def test_action_change_is_a_share_of_the_range(env):
    manager = env.unwrapped.action_manager
    manager.process_action(torch.zeros(2, 19))
    last = torch.stack([torch.full((19,), -1.0), torch.zeros(19)])
    last[1, 0] = 1.0
    manager.process_action(-last)
    manager.process_action(last)
    # from +1 to -1 is the whole range: 1; one joint of 19 likewise: 1 / 19
    assert mdp.action_change(env.unwrapped).tolist() == pytest.approx([1.0, 1.0 / 19.0])


@pytest.mark.sim
def test_metrics_are_means_over_the_episode(env, place, reference):
    speeds = (0.5, 1.0, 1.25, 0.0)
    for step, speed in enumerate(speeds, start=1):
        place(env, root_vel=(speed, 0.0, 0.0, 0.0, 0.0, 0.0))
        env.unwrapped.episode_length_buf[:] = step
        env.unwrapped.common_step_counter += 1
        reference.refresh()
    assert reference.metrics["forward_speed"].tolist() == pytest.approx([0.6875] * 2, abs=1e-4)
