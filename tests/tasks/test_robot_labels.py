# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The robot is found among the segments by its label, whatever a renderer's numbers and spelling."""

from __future__ import annotations

import pytest
import torch

from nil_ext.tasks.follow_camera import FollowCamera, robot_ids
from nil_ext.tasks.mdp import ReferenceCommandCfg

RESERVED = {0: {"class": "BACKGROUND"}, 1: {"class": "UNLABELLED"}}
"""What Newton Warp and OVRTX report for pixels of nothing, and of something without a label."""


@pytest.mark.parametrize(
    ("labels", "ids"),
    [
        ({**RESERVED, 2: {"class": "ground"}, 3: {"class": "robot"}}, [3]),  # Newton Warp, OVRTX
        ({**RESERVED, 2: {"class": "robot"}, 3: {"class": "ground"}}, [2]),  # the other way round
        ({"0": {"class": "BACKGROUND"}, "2": {"class": "robot"}}, [2]),  # Isaac RTX: numbers are strings
        ({"2": {"class": "ROBOT"}, "3": {"class": "ground"}}, [2]),
        ({5: {"class": "h1,robot"}, 6: {"class": "ground"}}, [5]),  # two labels of one prim
        ({5: {"class": ["robot", "h1"]}}, [5]),
        ({5: {"class": {"name": "robot"}}}, [5]),
        ({7: {"kind": "biped", "class": "robot"}}, [7]),
        ({4: "class: robot;", 5: "class: ground;"}, [4]),  # raw OVRTX
        ({4: "class: ground; class: robot;", 5: "ground"}, [4]),
        ({4: "robot"}, [4]),
        ({4: {"class": "robot"}, 9: {"class": "foot,robot"}}, [4, 9]),  # a labelled part is the robot too
    ],
)
def test_found_by_label(labels: dict, ids: list[int]):
    assert robot_ids(labels) == ids


@pytest.mark.parametrize(
    "labels", [{}, RESERVED, {3: {"class": "robot_stand"}}, {3: {"robot": "ground"}}, {3: "robot: ground;"}]
)
def test_nothing_else_is_taken_for_it(labels: dict):
    """A label that only contains the word, or a semantic type of that name, is not the robot."""
    assert robot_ids(labels) == []


class Scene(dict):
    """A scene whose camera and robot nobody asks."""

    env_origins = torch.zeros(1, 3)


def nameless_camera() -> FollowCamera:
    cfg = ReferenceCommandCfg(camera_distance=3.5, camera_height=0.9)
    return FollowCamera(Scene({cfg.camera_name: None, cfg.asset_name: None}), cfg)


def test_the_last_known_ids_stay_and_a_renderer_may_warm_up_but_not_for_ever():
    camera = nameless_camera()
    assert camera._find_robot(None) == camera._find_robot({"idToLabels": {}}) == []
    assert camera._find_robot({"idToLabels": {3: {"class": "robot"}}}) == [3]
    assert camera._find_robot({"idToLabels": RESERVED}) == [3]  # out of the picture
    assert camera._find_robot({"idToLabels": {8: {"class": "robot"}}}) == [8]
    nameless = nameless_camera()
    with pytest.raises(RuntimeError, match="no 'robot' among its labels"):
        for _ in range(100):
            nameless._find_robot({"idToLabels": RESERVED})
