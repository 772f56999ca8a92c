# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What the curvature of the fit over all frames says, against the whole matrix."""

from __future__ import annotations

import numpy as np
import pytest

from nil_ext.lift import fitting


@pytest.mark.parametrize("columns", [1, 7, 256])
def test_deviations_are_those_of_the_whole_inverse(columns: int, monkeypatch):
    random = np.random.default_rng(0)
    count, size = 9, 4
    slopes = random.normal(size=(count, size, 6))
    hessian = slopes @ slopes.transpose(0, 2, 1) + np.eye(size)
    weights = np.array([0.5, 2.0, 8.0, 1.0])
    # every frame's own curvature on the diagonal, and the second differences of each parameter over time
    second = np.diff(np.eye(count), n=2, axis=0)
    whole = np.kron(second.T @ second, np.diag(weights))
    for frame in range(count):
        part = slice(frame * size, (frame + 1) * size)
        whole[part, part] += hessian[frame]
    expected = np.sqrt(np.diag(np.linalg.inv(whole))).reshape(count, size)
    monkeypatch.setattr(fitting, "_COLUMNS", columns)  # 36 in all: one by one, with a rest, all at once
    found = fitting._deviations(hessian, fitting._second_differences(count), weights)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
