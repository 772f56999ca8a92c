# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Gym tasks: importing this package registers them."""

from isaaclab_tasks.utils import import_packages

from ..compat import allow_pageable_memory

allow_pageable_memory()
import_packages(__name__, ["mdp"])
