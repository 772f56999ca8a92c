# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Folders of numbered pictures: each works, or is refused in one line."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from nil_ext.errors import InputError
from nil_ext.reference import prepare
from nil_ext.reference.pictures import find_pictures, read_pictures
from nil_ext.reference.pipeline import Preparation

TASK = {"task": "NIL-Walker-Walk", "robot": "walker"}


@pytest.fixture
def folder(tmp_path, walk):
    """``folder(numbers, name)``: frame i of a walk under the number i, for each number."""

    def write(numbers, name: str = "frame_{:04d}.png", frames: np.ndarray | None = None):
        path = tmp_path / "pictures"
        path.mkdir(exist_ok=True)
        frames = walk(max(numbers) + 1)[0] if frames is None else frames
        for number in numbers:
            assert cv2.imwrite(str(path / name.format(number)), frames[number][..., ::-1])
        return path

    return write


def refused(path, start_mask, **settings) -> str:
    with pytest.raises(InputError) as caught:
        prepare(path, start_mask, **TASK, settings=Preparation(interpolator="linear", **settings))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_numbers_give_order_and_time(folder, walk):
    pictures = find_pictures(folder(range(8, 12), "walk 2 {}.png"))  # as text, 10 comes before 8
    assert list(pictures.files) == [8, 9, 10, 11] and pictures.missing == []
    frames, times = read_pictures(pictures)
    np.testing.assert_array_equal(frames, walk(12)[0][8:])  # PNG loses nothing
    np.testing.assert_allclose(times, np.arange(4) / 30.0)
    np.testing.assert_allclose(read_pictures(find_pictures(pictures.folder, 24.0))[1], np.arange(4) / 24.0)


def test_every_second_number_is_no_gap(folder):
    pictures = find_pictures(folder(range(0, 20, 2)), 15.0)
    assert (pictures.step, pictures.missing) == (2, [])
    np.testing.assert_allclose(read_pictures(pictures)[1], np.arange(10) / 15.0)


def test_a_folder_becomes_a_reference_and_small_gaps_are_drawn_in(folder, start_mask, tmp_path, walk):
    settings = Preparation(interpolator="linear")
    whole = folder([i for i in range(45) if i not in (20, 21)])
    (whole / "readme.txt").write_text("no picture")
    reference = prepare(whole, start_mask, cache_dir=tmp_path / "cache", settings=settings, **TASK)
    assert len(reference) == 45 and reference.rate == 30.0  # the missing two are there again
    source = reference.meta["source"]
    assert source["name"] == "pictures (43 pictures at 30 Hz)" and source["missing"] == [20, 21]
    assert reference.meta["quality"]["gait_period"] == pytest.approx(0.5, abs=0.03)
    # the cache knows the folder's content, and the rate that it was taken for
    again = prepare(whole, start_mask, cache_dir=tmp_path / "cache", settings=settings, **TASK)
    assert again.digest == reference.digest and len(list((tmp_path / "cache").iterdir())) == 1
    slow = Preparation(interpolator="linear", fps=24.0)
    assert prepare(whole, start_mask, cache_dir=tmp_path / "cache", settings=slow, **TASK).rate == 24.0
    folder([20, 21], frames=walk(45)[0])
    full = prepare(whole, start_mask, cache_dir=tmp_path / "cache", settings=settings, **TASK)
    assert full.meta["source"]["missing"] == [] and full.digest != reference.digest
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_large_gaps_are_refused(folder, start_mask):
    path = folder([*range(20), *range(30, 45)])
    line = refused(path, start_mask)
    assert line.endswith(
        "lacks the pictures between frame_0019.png and frame_0030.png, 0.37 s: export them too, or give one side of "
        "the gap only."
    )
    assert find_pictures(path, 60.0).missing == list(range(20, 30))  # 0.18 s at that rate


def test_mixed_sizes_are_refused(folder, start_mask, walk):
    path = folder(range(10))
    folder([10], frames=walk(11, height=80, width=60, foot=75.0, tall=60.0, x=30.0)[0])
    assert refused(path, start_mask).endswith(
        "frame_0010.png has another size or shape than frame_0000.png (60x80, not 120x160): export all with one size."
    )


def test_what_is_no_clip_is_refused(folder, start_mask, tmp_path, walk):
    (tmp_path / "none").mkdir()
    assert "holds neither a reference (reference.json) nor numbered pictures" in refused(tmp_path / "none", start_mask)
    cv2.imwrite(str(tmp_path / "none" / "preview.png"), np.zeros((8, 8, 3), np.uint8))
    assert "holds neither a reference" in refused(tmp_path / "none", start_mask)
    path = folder(range(3))
    assert refused(path, start_mask) == f"{path} has 3 frames: give a video of at least 8."
    folder([2], "again_{:02d}.png", walk(3)[0])
    assert "has number 2 twice (again_02.png, frame_0002.png): remove one." in refused(path, start_mask)
    (path / "again_02.png").rename(path / "cover.jpg")
    assert "cover.jpg carries no number: number the pictures in their order" in refused(path, start_mask)
    (path / "cover.jpg").rename(path / "0003.png")
    (path / "0003.png").write_bytes((path / "0003.png").read_bytes()[:100])
    assert refused(path, start_mask) == f"Picture {path / '0003.png'} cannot be read: export it again, or remove it."
    for number in range(4, 1001):
        (path / f"{number:04d}.png").touch()
    assert "has more than 1000 pictures" in refused(path, start_mask)


def test_what_is_transparent_in_a_palette_is_white(tmp_path, walk):
    _, masks = walk(2)
    for number, mask in enumerate(masks):
        picture = Image.fromarray(mask.astype(np.uint8), "P")
        picture.putpalette([0, 0, 0, 110, 110, 110])
        picture.save(tmp_path / f"{number}.png", transparency=0)
    read, _ = read_pictures(find_pictures(tmp_path))
    assert (read[~masks] == 255).all() and (read[masks] == 110).all()


def test_transparent_and_deep_pictures_are_read(tmp_path, walk):
    frames, masks = walk(2)
    layers = [np.where(masks[..., None], frames, 0), np.where(masks, 255, 0)[..., None]]
    for number, picture in enumerate(np.concatenate(layers, axis=-1).astype(np.uint8)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    read, _ = read_pictures(find_pictures(tmp_path))
    assert (read[~masks] == 255).all() and (read[masks] < 130).all()
    for number, picture in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture.astype(np.uint16) * 257)
    read, _ = read_pictures(find_pictures(tmp_path))
    assert np.abs(read.astype(int) - frames[..., ::-1]).max() <= 1
