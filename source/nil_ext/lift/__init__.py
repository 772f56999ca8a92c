# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The lift: joint angles, root pose and speed of a known robot in a clip from the known camera. No simulator here."""
