# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Where the follow camera stands, as numbers; test_imitation_streams.py looks through it."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nil_ext.errors import InputError
from nil_ext.tasks.embedded import embedded_reference, load_reference, view_of
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
    cfg = ReferenceCommandCfg(camera_distance=2.5, camera_height=0.3)
    with pytest.raises(InputError, match="camera_elevation=-10 puts the camera under the ground"):
        FollowCamera({cfg.camera_name: None, cfg.asset_name: None}, cfg, (0.0, -10.0))  # 0.3 - 2.5 sin 10


def test_settings_that_name_another_view_than_the_reference_are_refused(tmp_path):
    sketch = embedded_reference("NIL-A1-Walk")
    turned = replace(sketch, meta=sketch.meta | {"view": [30.0, 0.0]})
    turned.save(tmp_path / "turned")
    cfg = ReferenceCommandCfg(task="NIL-A1-Walk", robot="A1")
    assert view_of(load_reference(cfg)) == (0.0, 0.0)  # it notes none: the side
    assert view_of(load_reference(cfg.replace(path=str(tmp_path / "turned")))) == (30.0, 0.0)
    load_reference(cfg.replace(path=str(tmp_path / "turned"), camera_azimuth=30, camera_elevation=0.0))
    with pytest.raises(InputError, match=r"an azimuth of 0 degrees, and env\S+camera_azimuth is 30: leave that out"):
        load_reference(cfg.replace(camera_azimuth=30))
    with pytest.raises(InputError, match=r"an azimuth of 30 degrees, and env\S+camera_azimuth is 0: leave that out"):
        load_reference(cfg.replace(path=str(tmp_path / "turned"), camera_azimuth=0.0))
    # and before minutes are spent on a clip
    with pytest.raises(InputError, match=r"an elevation of 0 degrees, and env\S+camera_elevation is 20"):
        load_reference(cfg.replace(path=str(tmp_path / "clip.mp4"), camera_elevation=20.0))
