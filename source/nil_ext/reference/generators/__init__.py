# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Where references come from: a sketch of our own, or a clip made elsewhere."""
