# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Files that appear whole or not at all, and the guard for machines without a CUDA driver."""

from __future__ import annotations

from pathlib import Path

import pytest
import warp as wp

from nil_ext.compat import allow_pageable_memory
from nil_ext.files import whole_file


def test_a_file_appears_at_the_end(tmp_path: Path):
    path = tmp_path / "new" / "numbers.json"
    with whole_file(path) as file:
        file.write_text("1")
        assert not path.exists()
    assert path.read_text() == "1"
    assert [entry.name for entry in path.parent.iterdir()] == ["numbers.json"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_leaves_the_older_file(tmp_path: Path, error: type[BaseException]):
    path = tmp_path / "numbers.json"
    path.write_text("old")
    with pytest.raises(error), whole_file(path) as file:
        file.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["numbers.json"]


def test_pinned_memory_is_asked_for_where_a_driver_is():
    wp.init()
    allow_pageable_memory()
    allocate = wp.zeros
    allow_pageable_memory()
    assert wp.zeros is allocate  # a second call guards nothing twice
    for make in (wp.zeros, wp.empty):
        array = make(4, dtype=wp.float32, device="cpu", pinned=True)
        assert array.shape == (4,)
        assert array.pinned is wp.is_cuda_available()
