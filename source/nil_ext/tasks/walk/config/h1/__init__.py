# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Registration of NIL-H1-Walk."""

from ...register import register_walk

register_walk("nil_ext.robots.h1:H1", "H1", sketch="nil_ext.robots.h1:H1_WALK")
