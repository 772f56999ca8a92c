# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Play a policy: ``./isaaclab.sh -p scripts/play.py --task NIL-H1-Walk``."""

from nil_ext.cli.play import main

if __name__ == "__main__":
    raise SystemExit(main())
