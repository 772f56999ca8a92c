# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Off-policy learning for rsl_rl: BRO, its replay and the runner that drives it. Imports no simulator."""
