# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Registration of NIL-Talos-Walk."""

from ...register import register_walk

register_walk("nil_ext.robots.talos:TALOS", "Talos", sketch="nil_ext.robots.talos:TALOS_WALK")
