# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Replay an exported policy in MuJoCo, without Isaac Lab: ``python scripts/replay_mujoco.py --policy policy.onnx``."""

from nil_ext.cli.replay_mujoco import main

if __name__ == "__main__":
    raise SystemExit(main())
