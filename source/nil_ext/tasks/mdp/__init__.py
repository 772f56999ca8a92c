# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""MDP terms of imitation tasks; Isaac Lab's own terms are here too."""

from isaaclab.utils.module import lazy_export

lazy_export()
