# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Joints by name, over the converter's renaming."""

from __future__ import annotations

import re
from collections.abc import Sequence


def match_names(ours: Sequence[str], theirs: Sequence[str]) -> list[int | None]:
    """Place in ``theirs`` (names of a model or a file) of each of ``ours`` (the simulator's), or None.

    The converter to USD puts a number behind a joint's name that a link has too: the H1's ``torso`` is ``torso_1``.
    Only where no name is the same does one without that number count.
    """
    places: list[int | None] = []
    for name in ours:
        plain = re.sub(r"_\d+$", "", name)
        wanted = next((candidate for candidate in (name, plain) if candidate in theirs), None)
        places.append(None if wanted is None else theirs.index(wanted))
    return places
