# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Registration of NIL-A1-Walk."""

from ...register import register_walk

register_walk("nil_ext.robots.a1:A1", "A1", sketch="nil_ext.robots.a1:A1_WALK")
