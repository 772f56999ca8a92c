# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Networks, distribution, duals and normaliser by themselves."""

from __future__ import annotations

import math

import pytest
import torch

from nil_ext.errors import InputError
from nil_ext.rl.modules import BroNet, DualVariables, OptimisticActor, RunningNormalization, TanhGaussian


def test_an_ensemble_equals_its_members():
    ensemble = BroNet(5, 4, [8, 8], ensemble_size=3)
    for parameter in ensemble.parameters():  # biases and scales too, which start at 0 and 1
        torch.nn.init.normal_(parameter)
    x = torch.randn(7, 5)
    together = ensemble(x.expand(3, -1, -1))
    for k in range(3):
        member = BroNet(5, 4, [8, 8])
        for mine, theirs in zip(member.parameters(), ensemble.parameters(), strict=True):
            value = theirs[k].mT if mine.dim() == 2 else theirs[k, 0]
            mine.data.copy_(value)
        torch.testing.assert_close(together[k], member(x))


def test_initial_weights_are_orthogonal_with_gain_sqrt_2():
    for net in (BroNet(6, 6, [6, 6]), BroNet(6, 6, [6, 6], ensemble_size=2)):
        for module in net.modules():
            if isinstance(module, torch.nn.LayerNorm):
                assert module.eps == 1e-6
            elif hasattr(module, "weight") and module.weight.shape[-1] == module.weight.shape[-2]:
                gram = module.weight @ module.weight.mT
                torch.testing.assert_close(gram, 2.0 * torch.eye(6).expand_as(gram), atol=1e-5, rtol=0.0)
                assert not module.bias.any()


def test_widths_must_be_equal():
    with pytest.raises(InputError, match="equal hidden_dims"):
        BroNet(3, 1, [8, 16])


def test_the_optimistic_actor_starts_near_no_shift():
    actor = OptimisticActor(4, 2, [16, 16])
    assert actor.net[-1].bias is None
    torch.testing.assert_close(actor.net[-1].weight @ actor.net[-1].weight.mT, 1e-4 * torch.eye(2))


def test_tanh_gaussian_log_prob_integrates_to_one_and_agrees_with_torch():
    distribution = TanhGaussian(1)
    # The raw value that gives log std = -10 + 6 (1 + tanh raw) = -0.5.
    raw = math.atanh((-0.5 + 10.0) / 6.0 - 1.0)
    distribution.update(torch.tensor([[0.3, raw]], dtype=torch.float64))
    assert distribution.std.item() == pytest.approx(math.exp(-0.5))
    actions = torch.linspace(-1, 1, 200_001, dtype=torch.float64)[1:-1, None]
    density = distribution.log_prob(actions).exp()
    assert torch.trapezoid(density, actions[:, 0]).item() == pytest.approx(1.0, abs=1e-6)
    base = torch.distributions.Normal(*torch.tensor([0.3, math.exp(-0.5)], dtype=torch.float64))
    torchs = torch.distributions.TransformedDistribution(base, torch.distributions.TanhTransform())
    torch.testing.assert_close(distribution.log_prob(actions), torchs.log_prob(actions)[:, 0], atol=1e-9, rtol=1e-9)
    sampled, log_prob = distribution.rsample(torch.tensor([[1.5]], dtype=torch.float64))
    torch.testing.assert_close(log_prob, distribution.log_prob(sampled), atol=1e-9, rtol=1e-9)


def test_log_prob_stays_exact_far_out():
    # At u = 20 tanh'(u) = 4 e^-40 / (1 + e^-40)^2, whose logarithm is log 4 - 40 to double precision; torch's float
    # tanh is 1 there. std 1 and noise 0 leave only -log sqrt(2 pi) besides.
    for u in (20.0, -20.0):
        distribution = TanhGaussian(1)
        raw = math.atanh(10.0 / 6.0 - 1.0)
        distribution.update(torch.tensor([[u, raw]], dtype=torch.float64))
        _, log_prob = distribution.rsample(torch.zeros(1, 1, dtype=torch.float64))
        expected = -0.5 * math.log(2.0 * math.pi) - (math.log(4.0) - 40.0)
        assert log_prob.item() == pytest.approx(expected, abs=1e-12)


def test_std_range_and_deterministic_output():
    distribution = TanhGaussian(2)
    distribution.update(torch.tensor([[0.0, 0.5, -50.0, 50.0]]))
    assert distribution.std[0].tolist() == pytest.approx([math.exp(-10.0), math.exp(2.0)], rel=1e-5)
    output = torch.tensor([[0.0, 0.5, 9.0, 9.0]])
    expected = [0.0, math.tanh(0.5)]
    assert distribution.deterministic_output(output)[0].tolist() == pytest.approx(expected)
    assert distribution.as_deterministic_output_module()(output)[0].tolist() == pytest.approx(expected)


def test_duals_move_against_their_targets():
    duals = DualVariables(target_entropy=-3.0, kl_target=0.05)
    assert [duals.alpha.item(), duals.omega.item(), duals.lambda_.item()] == pytest.approx([1.0, 1.0, 0.25])
    optimizer = torch.optim.SGD(duals.parameters(), lr=0.01)
    # Entropy above its target: alpha falls. Divergence above its target: omega falls, lambda rises.
    (duals.alpha_loss(torch.tensor(1.0)) + duals.optimism_loss(torch.tensor(0.2))).backward()
    optimizer.step()
    assert duals.alpha < 1.0
    assert duals.omega < 1.0
    assert duals.lambda_ > 0.25
    duals.reset_parameters()
    assert [duals.alpha.item(), duals.omega.item(), duals.lambda_.item()] == pytest.approx([1.0, 1.0, 0.25])


def test_normaliser_matches_the_whole_data_in_place():
    data = 1e4 + torch.randn(500, 3) * torch.tensor([0.1, 1.0, 10.0])
    normaliser = RunningNormalization(3)
    storage = normaliser._std.data_ptr()
    for part in data.split([1, 99, 400]):
        normaliser.update(part)
    # numpy-style population statistics of everything seen, in float64
    torch.testing.assert_close(normaliser.mean, data.double().mean(0).float())
    torch.testing.assert_close(normaliser.std, data.double().std(0, correction=0).float(), rtol=1e-4, atol=0.0)
    assert normaliser._std.data_ptr() == storage
    normaliser.eval()
    normaliser.update(data * 2.0)
    assert normaliser.count == 500
