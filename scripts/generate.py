# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Make a reference: ``./isaaclab.sh -p scripts/generate.py --task NIL-H1-Walk``."""

from nil_ext.cli.generate import main

if __name__ == "__main__":
    raise SystemExit(main())
