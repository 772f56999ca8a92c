# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The quantile Huber loss against hand arithmetic and against the table of all pairs under autograd."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_ext.rl.modules import quantile_huber_loss


def pairwise_loss(quantiles: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The definition, term by term."""
    num_quantiles = quantiles.shape[-1]
    tau = ((torch.arange(num_quantiles, dtype=quantiles.dtype) + 0.5) / num_quantiles)[:, None]
    error = targets[None, :, None, :] - quantiles[..., None]  # (K, B, N, M)
    huber = torch.where(error.abs() <= 1.0, 0.5 * error.square(), error.abs() - 0.5)
    weight = (tau - (error < 0).to(quantiles.dtype)).abs()
    return (weight * huber).sum(dim=2).mean(dim=(1, 2)).sum()


def test_hand_numbers():
    # One critic, quantiles 0 and 1 (tau 1/4 and 3/4), targets 0.5 and 3.
    # z=0: errors .5 and 3 -> huber .125 and 2.5, weight 1/4 -> (.03125 + .625) / 2 = .328125
    # z=1: errors -.5 and 2 -> huber .125 and 1.5, weights 1/4 and 3/4 -> (.03125 + 1.125) / 2 = .578125
    quantiles = torch.tensor([[[0.0, 1.0]]], requires_grad=True)
    loss = quantile_huber_loss(quantiles, torch.tensor([[3.0, 0.5]]))
    assert loss.item() == pytest.approx(0.90625)
    loss.backward()
    # d/dz0 = -1/4 (.5 + 1) / 2 = -.1875; d/dz1 = (1/4 * .5 - 3/4 * 1) / 2 = -.3125
    assert quantiles.grad.flatten().tolist() == pytest.approx([-0.1875, -0.3125])


@given(
    seed=st.integers(0, 10_000),
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 12), st.integers(1, 12)),
    spread=st.sampled_from([0.01, 1.0, 30.0]),
    offset=st.sampled_from([0.0, 500.0]),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_table_of_all_pairs(seed, sizes, spread, offset):
    num_critics, batch_size, num_quantiles, num_targets = sizes
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return offset + spread * torch.randn(*shape, generator=generator, dtype=torch.float64)

    targets = draw(batch_size, num_targets)
    fast = draw(num_critics, batch_size, num_quantiles).requires_grad_()
    slow = fast.detach().clone().requires_grad_()
    fast_loss, slow_loss = quantile_huber_loss(fast, targets), pairwise_loss(slow, targets)
    (3.0 * fast_loss).backward()
    (3.0 * slow_loss).backward()
    assert fast_loss.item() == pytest.approx(slow_loss.item(), rel=1e-9, abs=1e-12)
    torch.testing.assert_close(fast.grad, slow.grad, rtol=1e-9, atol=1e-11)


def test_float32_keeps_its_accuracy_at_large_values():
    generator = torch.Generator().manual_seed(0)
    targets = 1000.0 + torch.randn(64, 100, generator=generator)
    quantiles = (1000.0 + torch.randn(2, 64, 100, generator=generator)).requires_grad_()
    quantile_huber_loss(quantiles, targets).backward()
    exact = quantiles.detach().double().requires_grad_()
    pairwise_loss(exact, targets.double()).backward()
    assert (quantiles.grad - exact.grad).abs().max() < 1e-4 * exact.grad.abs().max()


def test_the_benchmark_compares_equal_losses():
    from nil_ext.cli.benchmark_agent import pairwise_quantile_huber_loss, quantile_loss_table

    torch.manual_seed(0)
    quantiles, targets = torch.randn(2, 5, 7), torch.randn(5, 7)
    assert pairwise_quantile_huber_loss(quantiles, targets) == pytest.approx(pairwise_loss(quantiles, targets).item())
    header, _, row = quantile_loss_table(batch_size=64, num_quantiles=(50,), repeats=3).splitlines()
    names = [cell.strip() for cell in header.strip("|").split("|")]
    numbers = dict(zip(names, (float(cell) for cell in row.strip("|").split("|")), strict=True))
    assert numbers["N"] == 50
    assert numbers["value"] < 1e-5
    assert numbers["gradient"] < 1e-4
    # The table of differences alone has 2 x 64 x 50 x 50 floats, 1250 KiB; sorted, one gradient of 25 KiB is kept.
    assert numbers["sorted [KiB]"] == 25
    assert numbers["pairwise [KiB]"] >= 1250
    assert numbers["memory ratio"] >= 50
