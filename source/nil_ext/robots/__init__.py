# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Robots: one file of facts an embodiment; models come from packages and are converted to USD once."""
