# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Registration of NIL-G1-Walk."""

from ...register import register_walk

register_walk("nil_ext.robots.g1:G1", "G1", sketch="nil_ext.robots.g1:G1_WALK")
