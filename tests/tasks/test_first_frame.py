# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The picture that video models start from: its framing, cut-out and prompt, and e0 in the real simulator."""

from __future__ import annotations

import pkgutil
from types import SimpleNamespace

import cv2
import gymnasium as gym
import numpy as np
import pytest

from isaaclab.app import launch_simulation
from isaaclab.sim import SimulationContext
from isaaclab_tasks.utils import resolve_task_config

import nil_ext.tasks  # noqa: F401  (registers the tasks)
from nil_ext.errors import InputError
from nil_ext.reference.first_frame import FirstFrame, Framing, cut_out, default_prompt, frame_robot, read_mask
from nil_ext.tasks.embedded import embedded_reference

TASK = "NIL-H1-Walk"
SIZES = ((320, 180), (180, 320))


def moving_box() -> np.ndarray:
    """A 20 x 60 box in a picture of 100 that moves by 10 to the right. (2, 100, 100)."""
    masks = np.zeros((2, 100, 100), dtype=bool)
    masks[0, 30:90, 40:60] = masks[1, 30:90, 50:70] = True
    return masks


# -- without a simulator


def test_the_robot_is_drawn_as_large_as_its_motion_allows():
    framing = frame_robot(moving_box(), SIZES)
    # its motion takes 30 x 60 of 100: upright, 80 % of 320 px are 256 for 0.6 of the picture
    assert framing.size == (180, 320)
    assert framing.scale == pytest.approx(256 / 0.6)
    assert framing.centre == pytest.approx((0.55, 0.6))
    lying = frame_robot(moving_box().transpose(0, 2, 1), SIZES)
    assert lying.size == (320, 180) and lying.scale == pytest.approx(framing.scale)
    assert framing.camera_side == np.ceil(2 * 256 / 0.6)


def test_the_cut_out_is_white_centred_and_has_its_margins():
    framing = frame_robot(moving_box(), SIZES)
    side = framing.camera_side
    mask = cv2.resize(moving_box()[0].astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST) > 0
    rgb = np.full((side, side, 3), 200, dtype=np.uint8)  # grey ground and sky, to be cut away
    rgb[mask] = (10, 60, 110)
    first = cut_out(rgb, mask, framing)
    assert first.frame.shape == (320, 180, 3) and first.mask.shape == (320, 180)
    rows, columns = np.flatnonzero(first.mask.any(axis=1)), np.flatnonzero(first.mask.any(axis=0))
    assert (rows[0], rows[-1]) == pytest.approx((32, 287), abs=1)  # a tenth free above and below
    # 20 of the motion's 30 columns: 85 of 128 px from (180 - 128) / 2 on
    assert (columns[0], columns[-1]) == pytest.approx((26, 110), abs=1)
    around = cv2.dilate(first.mask.astype(np.uint8), np.ones((3, 3))) == 0
    assert (first.frame[around] == 255).all()
    assert (first.frame[cv2.erode(first.mask.astype(np.uint8), np.ones((3, 3))) > 0] == (10, 60, 110)).all()


def test_beyond_the_camera_s_picture_it_is_white():
    first = cut_out(np.zeros((40, 40, 3), np.uint8), np.ones((40, 40), dtype=bool), Framing((60, 20), (0.5, 0.5), 20.0))
    assert (first.frame[:, :20] == 255).all() and (first.frame[:, 40:] == 255).all()
    assert (first.frame[:, 20:40] == 0).all()
    assert first.mask.sum() == 20 * 20


def test_what_is_saved_comes_back(tmp_path):
    frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    first = FirstFrame(frame, np.eye(20, 30, dtype=bool))
    first.save(tmp_path / "new", "A prompt.")
    assert np.array_equal(cv2.imread(str(tmp_path / "new" / "first_frame.png"))[..., ::-1], frame)
    assert np.array_equal(read_mask(tmp_path / "new" / "first_frame_mask.png"), first.mask)
    assert (tmp_path / "new" / "prompt.txt").read_text() == "A prompt.\n"
    for path in (tmp_path / "no.png", tmp_path / "new" / "prompt.txt"):
        with pytest.raises(InputError, match="No picture can be read"):
            read_mask(path)


def test_the_paper_s_prompt():
    assert default_prompt("NIL-A1-Walk", "A1 robot dog") == (
        "The A1 robot dog agent is walking, camera follows the agent."
    )
    with pytest.raises(InputError, match=r"skill 'Juggle' of NIL-A1-Juggle: say what the robot does with --prompt"):
        default_prompt("NIL-A1-Juggle", "A1 robot dog")


# -- in the simulator


@pytest.fixture(scope="module")
def filmed() -> SimpleNamespace:
    """e0 of the H1 in a small upright picture."""
    env_cfg, _ = resolve_task_config(TASK, "bro_cfg_entry_point", overrides=["presets=cpu"])
    env_cfg.sim.device = "cpu"
    embedded = embedded_reference(TASK)
    framing = frame_robot(embedded.masks, SIZES)
    with launch_simulation(env_cfg, {"device": "cpu"}):
        from nil_ext.tasks.first_frame import film_first_frame

        robot = pkgutil.resolve_name(gym.spec(TASK).kwargs["robot_entry_point"])
        first = film_first_frame(env_cfg, robot, framing)
    SimulationContext.clear_instance()  # the next file's simulation starts in this process
    return SimpleNamespace(first=first, framing=framing, embedded=embedded)


@pytest.mark.sim
def test_e0_in_the_simulator_is_the_sketch_s_first_frame_in_another_framing(filmed):
    first, framing = filmed.first, filmed.framing
    assert framing.size == (180, 320)  # a biped stands upright
    # the sketch's mask, moved and scaled by hand to where the framing puts it
    zoom = framing.scale / filmed.embedded.masks.shape[1]
    centre = [share * framing.scale for share in framing.centre]
    move = np.float32([[zoom, 0, 90 - centre[0] + zoom / 2 - 0.5], [0, zoom, 160 - centre[1] + zoom / 2 - 0.5]])
    wanted = cv2.warpAffine(filmed.embedded.masks[0].astype(np.float32), move, (180, 320)) >= 0.5
    assert (wanted & first.mask).sum() / (wanted | first.mask).sum() > 0.93


@pytest.mark.sim
def test_the_background_is_pure_white_and_the_robot_is_not(filmed):
    first = filmed.first
    around = cv2.dilate(first.mask.astype(np.uint8), np.ones((3, 3))) == 0
    assert around.mean() > 0.7
    assert (first.frame[around] == 255).all()
    assert first.frame[cv2.erode(first.mask.astype(np.uint8), np.ones((3, 3))) > 0].mean() < 180
    rows, columns = np.flatnonzero(first.mask.any(axis=1)), np.flatnonzero(first.mask.any(axis=0))
    assert rows[0] >= 0.09 * 320 and rows[-1] < 0.91 * 320
    assert columns[0] >= 0.09 * 180 and columns[-1] < 0.91 * 180
