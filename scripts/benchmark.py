# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Measure a training step: ``./isaaclab.sh -p scripts/benchmark.py --task NIL-H1-Walk``."""

from nil_ext.cli.benchmark import main

if __name__ == "__main__":
    raise SystemExit(main())
