# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Fixtures that every test folder may use."""

from __future__ import annotations

from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared"
"""Third-party clips, trajectories and golden numbers, laid beside the checkout where they may be used."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of third-party test inputs; the test is skipped where it is absent."""
    if not _SHARED.is_dir():
        pytest.skip("needs the third-party inputs in ../shared, which are not part of the repository")
    return _SHARED
