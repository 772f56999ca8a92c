# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The video to imitate: its object and folder, and the steps that make one from a clip."""

from __future__ import annotations

from nil_ext.reference.pipeline import prepare
from nil_ext.reference.reference import Reference

__all__ = ["Reference", "prepare"]
