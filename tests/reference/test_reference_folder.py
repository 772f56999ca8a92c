# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The reference's object and folder."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nil_ext.errors import InputError
from nil_ext.reference import Reference
from nil_ext.reference.reference import OF_A_LIFT


def make_reference(num_frames: int = 5, motion: bool = False) -> Reference:
    rng = np.random.default_rng(0)
    masks = rng.random((num_frames, 12, 10)) < 0.4
    frames = np.where(masks[..., None], rng.integers(0, 256, (num_frames, 12, 10, 3)), 255).astype(np.uint8)
    states = None
    if motion:
        states = {
            "joint_names": np.array(["hip", "knee"]),
            "joint_pos": rng.random((num_frames, 2)),
            "root_pose": np.concatenate([rng.random((num_frames, 3)), np.tile([0, 0, 0, 1.0], (num_frames, 1))], 1),
        }
    return Reference(frames, masks, 30.0, {"robot": "h1", "source": {"kind": "file"}}, states)


def test_folder_gives_back_what_was_saved(tmp_path):
    reference = make_reference(motion=True)
    loaded = Reference.load(reference.save(tmp_path / "walk"))
    np.testing.assert_array_equal(loaded.frames, reference.frames)
    np.testing.assert_array_equal(loaded.masks, reference.masks)
    assert (loaded.rate, loaded.meta, loaded.digest) == (reference.rate, reference.meta, reference.digest)
    assert loaded.motion["joint_names"].tolist() == ["hip", "knee"]
    np.testing.assert_array_equal(loaded.motion["joint_pos"], reference.motion["joint_pos"])
    assert (tmp_path / "walk" / "preview.png").stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]  # no temporary folder stays


@settings(max_examples=20, deadline=None)
@given(masks=hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9)), seed=st.integers(0, 99))
def test_any_picture_survives_the_folder(tmp_path_factory, masks, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (*masks.shape, 3))
    frames = np.where(masks[..., None], pixels, 255).astype(np.uint8)
    folder = Reference(frames, masks, 12.5).save(tmp_path_factory.mktemp("any") / "walk")
    np.testing.assert_array_equal(Reference.load(folder).frames, frames)


def test_saving_again_replaces_a_reference_but_nothing_else(tmp_path):
    make_reference(4).save(tmp_path / "walk")
    make_reference(7).save(tmp_path / "walk")
    assert len(Reference.load(tmp_path / "walk")) == 7
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(InputError, match="no reference"):
        make_reference().save(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis", "walk"]


def test_what_else_is_in_the_folder_stays(tmp_path):
    folder = make_reference(4, motion=True).save(tmp_path / "walk")
    (folder / "notes").mkdir()
    (folder / "notes" / "day1.txt").write_text("works")
    (folder / "clip.mp4").symlink_to("../elsewhere.mp4")  # it leads nowhere, and stays all the same
    for name in OF_A_LIFT:
        (folder / name).write_text("of this motion")
    make_reference(4, motion=True).save(folder)
    assert {name for name in OF_A_LIFT if (folder / name).read_text() == "of this motion"} == set(OF_A_LIFT)
    make_reference(7).save(folder)  # another video, without a motion: what was lifted from the first is not of it
    assert len(Reference.load(folder)) == 7
    assert (folder / "notes" / "day1.txt").read_text() == "works" and (folder / "clip.mp4").is_symlink()
    own = {"reference.json", "frames.npz", "masks.npz", "preview.png"}
    assert {path.name for path in folder.iterdir()} == own | {"notes", "clip.mp4"}
    (folder / "reference.json").write_text("{")  # a damaged one is replaced too
    make_reference(4).save(folder)
    assert len(Reference.load(folder)) == 4 and (folder / "notes").is_dir()


def test_a_failed_save_leaves_the_old_folder_and_nothing_else(tmp_path, monkeypatch):
    make_reference(4).save(tmp_path / "walk")
    monkeypatch.setattr(np, "savez_compressed", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(InputError, match="No space left"):
        make_reference(7).save(tmp_path / "walk")
    assert len(Reference.load(tmp_path / "walk")) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]


def damage_nothing(folder):
    (folder / "preview.png").write_bytes(b"a person may redraw the preview")


def damage_array(folder):
    with open(folder / "masks.npz", "r+b") as file:
        file.seek(60)
        file.write(b"\x00\x01\x02\x03")


def damage_missing(folder):
    (folder / "frames.npz").unlink()


def damage_schema(folder):
    manifest = json.loads((folder / "reference.json").read_text())
    (folder / "reference.json").write_text(json.dumps(manifest | {"schema": 99}))


def damage_json(folder):
    (folder / "reference.json").write_text("{")


def damage_manifest(folder):
    (folder / "reference.json").unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_array, "was changed"),
        (damage_missing, "frames.npz is missing"),
        (damage_schema, "schema 99"),
        (damage_json, "cannot be read"),
        (damage_manifest, "no reference folder"),
    ],
)
def test_a_damaged_folder_is_refused_with_the_remedy(tmp_path, damage, reason):
    folder = make_reference().save(tmp_path / "walk")
    damage(folder)
    with pytest.raises(InputError, match=reason) as caught:
        Reference.load(folder)
    assert "prepare" in str(caught.value) and "\n" not in str(caught.value)


def test_the_preview_may_be_edited(tmp_path):
    folder = make_reference().save(tmp_path / "walk")
    damage_nothing(folder)
    Reference.load(folder)


def test_digest_follows_content_and_not_notes():
    reference = make_reference()
    other_note = Reference(reference.frames, reference.masks, reference.rate, {"robot": "g1"})
    other_rate = Reference(reference.frames, reference.masks, 25.0)
    assert reference.digest == other_note.digest != other_rate.digest
    assert make_reference(motion=True).digest != reference.digest


def test_a_broken_object_fails_at_once():
    reference = make_reference()
    with pytest.raises(ValueError, match="pure white"):
        Reference(np.zeros_like(reference.frames), reference.masks, 30.0)
    with pytest.raises(ValueError, match="rate"):
        Reference(reference.frames, reference.masks, 0.0)
    with pytest.raises(ValueError, match="uint8"):
        Reference(reference.frames[:, :-1], reference.masks, 30.0)
