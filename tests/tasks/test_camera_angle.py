# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Where the follow camera stands, as numbers; test_imitation_streams.py looks through it."""

from __future__ import annotations

from math import sqrt
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nil_ext.errors import InputError
from nil_ext.tasks.embedded import embedded_reference, require_view, view_of
from nil_ext.tasks.follow_camera import FollowCamera, look_from
from nil_ext.tasks.mdp import ReferenceCommandCfg


@pytest.mark.parametrize(
    ("azimuth", "elevation", "place"),
    [
        (0.0, 0.0, (0.0, -1.0, 0.0)),  # at the right side of a robot that faces +x
        (30.0, 0.0, (0.5, -sqrt(0.75), 0.0)),
        (-30.0, 0.0, (-0.5, -sqrt(0.75), 0.0)),
        (0.0, 30.0, (0.0, -sqrt(0.75), 0.5)),
        (45.0, 45.0, (0.5, -0.5, sqrt(0.5))),
    ],
)
def test_the_camera_stands_where_the_angles_say_and_looks_at_the_robot(azimuth, elevation, place):
    offset, orientation = look_from(azimuth, elevation)
    assert offset == pytest.approx(place, abs=1e-12)
    turn = Rotation.from_quat(orientation)
    np.testing.assert_allclose(turn.apply([1.0, 0.0, 0.0]), -np.array(place), atol=1e-12)
    assert turn.apply([0.0, 1.0, 0.0])[2] == pytest.approx(0.0)  # the horizon is level
    assert turn.apply([0.0, 0.0, 1.0])[2] > 0.5  # and the right way up


@pytest.mark.parametrize("angles", [(90.0, 0.0), (0.0, -90.0), (float("nan"), 0.0)])
def test_no_view_from_behind_or_straight_above(angles):
    with pytest.raises(InputError, match="give more than -90 and less than 90 degrees"):
        look_from(*angles)


def test_a_camera_under_the_ground_is_refused():
    cfg = ReferenceCommandCfg(camera_distance=2.5, camera_height=0.3, camera_elevation=-10.0)  # 0.3 - 2.5 sin 10
    with pytest.raises(InputError, match="camera_elevation=-10 puts the camera under the ground"):
        FollowCamera({cfg.camera_name: None, cfg.asset_name: None}, cfg)


def test_a_reference_from_another_view_is_refused():
    sketch = embedded_reference("NIL-A1-Walk")
    require_view(sketch, view_of(ReferenceCommandCfg()))  # it notes none: the side
    with pytest.raises(InputError, match=r"azimuth=0 env\S+elevation=0, the task's camera from env\S+azimuth=30 "):
        require_view(sketch, view_of(ReferenceCommandCfg(camera_azimuth=30)))
    turned = SimpleNamespace(meta={"view": [30.0, 0.0]})
    require_view(turned, (30.0, 0.0))
    with pytest.raises(InputError, match=r"azimuth=30 env\S+elevation=0, the task's camera from env\S+azimuth=0 "):
        require_view(turned, (0.0, 0.0))
