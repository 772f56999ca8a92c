# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Folders that are built whole or not at all."""

from __future__ import annotations

import threading

import pytest

from nil_ext.errors import InputError
from nil_ext.reference.cache import build_folder, cache_root


def test_the_cache_root_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path / "a" / "b"))
    assert cache_root() == tmp_path / "a" / "b" and cache_root().is_dir()
    monkeypatch.delenv("NIL_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache" / "nil_ext"
    (tmp_path / "file").touch()
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="NIL_CACHE_DIR"):
        cache_root()


def test_an_interrupted_build_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), build_folder(tmp_path / "robot") as temporary:
        (temporary / "part").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("replace", "winner"), [(False, "first"), (True, "second")])
def test_two_builders_of_one_folder(tmp_path, replace, winner):
    with build_folder(tmp_path / "robot", replace) as outer:
        (outer / "who").write_text("second")
        with build_folder(tmp_path / "robot", replace) as inner:
            (inner / "who").write_text("first")
    assert (tmp_path / "robot" / "who").read_text() == winner
    assert [path.name for path in tmp_path.iterdir()] == ["robot"]


def test_many_builders_at_once(tmp_path):
    errors = []

    def build(number: int):
        try:
            with build_folder(tmp_path / "robot", replace=True) as temporary:
                (temporary / "who").write_text(str(number))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=build, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (tmp_path / "robot" / "who").read_text().isdigit()
    assert [path.name for path in tmp_path.iterdir()] == ["robot"]
