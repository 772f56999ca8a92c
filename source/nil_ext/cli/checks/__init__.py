# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What ``scripts/doctor.py`` looks at: one module a subject, each giving lines."""

from .line import Line as Line
