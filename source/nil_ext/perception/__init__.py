# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What compares a rollout with the reference: masks, clips of frames, frozen encoders. Torch only, batched."""
