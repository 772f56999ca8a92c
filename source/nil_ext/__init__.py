# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""NIL (No-data Imitation Learning) as an Isaac Lab extension: a robot learns a skill from one generated video."""

__version__ = "0.1.0"
