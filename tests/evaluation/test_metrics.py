# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Numbers of a rollout, against hand arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nil_ext.evaluation import METRICS, Rollout, Yardstick, judge_episodes

SIDE = 8


def mask(column: int) -> np.ndarray:
    """A robot of one pixel."""
    picture = np.zeros((SIDE, SIDE), bool)
    picture[4, column] = True
    return picture


@pytest.fixture
def rollout() -> Rollout:
    """Two steps of two environments at 100 Hz; the second one's episode ends with the first step, by a fall."""
    masks = np.array([[mask(2), mask(2)], [mask(5), mask(7)]])
    streams = {
        "velocity_xy": [[[1.0, 0.2], [0.0, 0.0]], [[1.0, 0.2], [9.0, 9.0]]],
        "position_xy": [[[0.01, 0.1], [0.0, -0.3]], [[0.02, 0.2], [0.0, 9.0]]],
        "joint_pos": [[[0.0, 0.0], [0.0, 0.0]], [[0.4, 0.2], [9.0, 9.0]]],
        "mask_iou": [[0.5, 0.2], [0.7, 0.9]],
        "video_similarity": [[1.0, -1.0], [0.0, 1.0]],
        "joint_torque": [[0.09, 0.25], [0.07, 9.0]],
        "action_change": [[0.01, 0.04], [0.07, 9.0]],
        "foot_slip": [[0.1, 0.3], [0.3, 9.0]],
        "torso_tilt": [[0.25, 0.75], [0.0, 9.0]],
    }
    return Rollout(
        streams={name: np.array(values, np.float32) for name, values in streams.items()},
        alive=np.array([[True, True], [True, False]]),
        survived=np.array([True, False]),
        frame=np.array([[1, 1], [2, 2]]),
        packed_masks=np.packbits(masks, axis=-1),
        mask_size=SIDE,
        rate=100.0,
        joint_names=("left_knee", "right_knee"),
    )


@pytest.fixture
def numbers(rollout: Rollout) -> dict[str, np.ndarray]:
    reference = np.stack([mask(0), mask(2), mask(2)])
    joint_pos = np.array([[9.0, 9.0], [0.1, -0.3], [0.4, 0.6]])  # row 0 is e0, which no step is held against
    yardstick = Yardstick("humanoid", 1.25, 400, reference, metres_per_pixel=0.1, rate=100.0, joint_pos=joint_pos)
    return judge_episodes(rollout, yardstick)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        # environment 0: mean of its two steps; environment 1: its only step
        ("mask_iou", (0.6, 0.2)),
        ("mask_iou_whole", (0.6, 0.1)),  # over both steps that the reference lasts
        ("video_similarity", (0.5, -1.0)),
        ("forward_speed", (1.0, 0.0)),
        ("speed_error", (0.25, 1.25)),
        ("survival", (1.0, 0.0)),
        ("time_alive", (0.02, 0.01)),
        ("lateral_drift", (0.2, 0.3)),  # where each episode ended
        ("env_reward", (2 * math.exp(-0.0625), math.exp(-1.5625))),
        ("foot_slip", (0.2, 0.3)),
        ("torso_tilt", (15.0, 60.0)),  # sin^2 = 0.25 is 30 degrees, 0 is 0; sin^2 = 0.75 is 60 degrees
        ("torque", (math.sqrt(0.08), 0.5)),
        ("action_rate", (100 * math.sqrt(0.04), 100 * 0.2)),
        ("chamfer", (0.15, 0.0)),  # pixels 0 and 3 apart, 0.1 m each; on the spot
        ("symmetry", (2 / 3, math.nan)),  # standard deviations 0.2 and 0.1: 1 - 0.1 / 0.3; one step does not move
        ("gait_period", (math.nan, math.nan)),
        ("gait_period_error", (math.nan, math.nan)),
        # off by 0.1 and 0.3 rad in the first step, by 0 and 0.4 in the second, which environment 1 does not live to see
        ("reference_joint_error", (math.degrees(0.2), math.degrees(0.2))),
        ("joint_error", (math.nan, math.nan)),  # no clip was given
    ],
)
def test_each_metric(numbers: dict[str, np.ndarray], name: str, values: tuple[float, float]):
    assert numbers[name] == pytest.approx(values, abs=1e-6, nan_ok=True)


def test_a_clip_that_was_not_lifted_knows_no_joint_angles(rollout: Rollout):
    reference = np.stack([mask(0), mask(2), mask(2)])
    found = judge_episodes(rollout, Yardstick("humanoid", 1.25, 400, reference, metres_per_pixel=0.1, rate=100.0))
    assert np.isnan(found["reference_joint_error"]).all()


def test_every_metric_is_there_in_the_order_of_the_tables(numbers: dict[str, np.ndarray]):
    assert list(numbers) == list(METRICS)
    assert METRICS["forward_speed"].title == "forward speed [m/s]"
    assert METRICS["survival"].title == "survival"
