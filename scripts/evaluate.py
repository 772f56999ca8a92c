# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Evaluate a policy: ``./isaaclab.sh -p scripts/evaluate.py --task NIL-H1-Walk --episodes 100``."""

from nil_ext.cli.evaluate import main

if __name__ == "__main__":
    raise SystemExit(main())
