# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Look at this machine: ``./isaaclab.sh -p scripts/doctor.py``."""

from nil_ext.cli.doctor import main

if __name__ == "__main__":
    raise SystemExit(main())
