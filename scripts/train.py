# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Train a policy: ``./isaaclab.sh -p scripts/train.py --task NIL-H1-Walk``."""

from nil_ext.cli.train import main

if __name__ == "__main__":
    raise SystemExit(main())
