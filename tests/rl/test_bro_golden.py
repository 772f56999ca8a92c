# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""BRO against three updates of the authors' JAX code, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tensordict import TensorDict
from torch import nn

from nil_ext.rl.algorithms import Batch, BroLearner
from nil_ext.rl.models import BroActor, BroCritic
from nil_ext.rl.modules import BroNet

TOLERANCE = 1e-10


def trunk_arrays(golden, prefix: str) -> list[tuple[np.ndarray, ...]]:
    """Return (kernel, bias) of each Dense and (scale, bias) of each LayerNorm in the order BroNet evaluates them."""
    dense = sorted({int(k.split("Dense_")[1].split("/")[0]) for k in golden.files if k.startswith(f"{prefix}/Dense_")})
    arrays = []
    for i in dense:
        arrays.append((golden[f"{prefix}/Dense_{i}/kernel"], golden[f"{prefix}/Dense_{i}/bias"]))
        if f"{prefix}/LayerNorm_{i}/scale" in golden.files:
            arrays.append((golden[f"{prefix}/LayerNorm_{i}/scale"], golden[f"{prefix}/LayerNorm_{i}/bias"]))
    return arrays


def leaves(net: BroNet) -> list[nn.Module]:
    """Return the layers of a BroNet that have parameters, in the order of evaluation."""
    return [module for module in net.modules() if hasattr(module, "weight")]


def network_pairs(learner: BroLearner, golden, prefix: str):
    """Yield (name, parameter, golden array in the parameter's layout) for all networks."""
    for name, net in (("actor", learner.actor.mlp), ("dual", learner.optimistic_actor.net)):
        keys = [f"{prefix}/{name}/Dense_{i}" for i in ((0, 1) if name == "actor" else (0,))]
        kernel = np.concatenate([golden[f"{key}/kernel"] for key in keys], axis=1)
        bias = np.concatenate([golden[f"{key}/bias"] for key in keys]) if name == "actor" else None
        arrays = [*trunk_arrays(golden, f"{prefix}/{name}/BroNet_0"), (kernel, bias)]
        for i, (layer, (weight, bias)) in enumerate(zip(leaves(net), arrays, strict=True)):
            yield f"{name}.{i}.weight", layer.weight, weight.T
            if bias is not None:
                yield f"{name}.{i}.bias", layer.bias, bias
    for name, net in (("critic", learner.critic.mlp), ("target", learner.target)):
        members = [trunk_arrays(golden, f"{prefix}/{name}/Critic_{k}/BroNet_0") for k in (0, 1)]
        for i, (layer, *arrays) in enumerate(zip(leaves(net), *members, strict=True)):
            for attribute, values in zip(("weight", "bias"), zip(*arrays, strict=True), strict=True):
                parameter = getattr(layer, attribute)
                yield f"{name}.{i}.{attribute}", parameter, np.stack(values).reshape(parameter.shape)


@pytest.fixture
def golden(shared):
    with np.load(shared / "golden" / "bro_golden.npz", allow_pickle=False) as arrays:
        yield arrays


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_three_updates_match_the_authors_code(golden, float64):
    obs = TensorDict({"policy": torch.zeros(1, 5)}, batch_size=[1])
    groups = {"actor": ["policy"], "critic": ["policy"]}
    distribution = {"class_name": "nil_ext.rl.modules:TanhGaussian"}
    actor = BroActor(obs, groups, "actor", 3, [8, 8], distribution_cfg=distribution)
    critic = BroCritic(obs, groups, "critic", 3, [16, 16, 16], num_quantiles=20)
    learner = BroLearner(actor, critic)
    for name, parameter, array in network_pairs(learner, golden, "init"):
        assert parameter.shape == array.shape, name
        parameter.data.copy_(torch.from_numpy(array.copy()))
    for name in ("alpha", "omega", "lambda"):
        value = getattr(learner.duals, "lambda_" if name == "lambda" else name)
        assert value.item() == pytest.approx(float(golden[f"init/{name}"]), abs=TOLERANCE)

    data = {key: torch.from_numpy(golden[f"batch/{key}"]) for key in ("observations", "actions", "rewards", "masks")}
    data["next"] = torch.from_numpy(golden["batch/next_observations"])
    batch = Batch(
        actor_obs=data["observations"],
        critic_obs=data["observations"],
        actions=data["actions"],
        rewards=data["rewards"],
        discounts=0.99 * data["masks"],
        next_actor_obs=data["next"],
        next_critic_obs=data["next"],
    )
    for step in ("step0", "step1", "step2"):
        noise = torch.stack([torch.from_numpy(golden[f"{step}/noise_{use}"]) for use in ("next", "actor", "dual")])
        report = learner.step(batch, noise)
        for name, key in (
            ("critic", "critic_loss"),
            ("actor", "actor_loss"),
            ("optimistic_actor", "actor_o_loss"),
            ("entropy", "entropy"),
            ("kl_per_dim", "kl_per_dim"),
            ("alpha", "alpha"),
            ("omega", "omega"),
            ("lambda", "lambda"),
        ):
            assert report[name].item() == pytest.approx(float(golden[f"{step}/{key}"]), abs=TOLERANCE), (step, key)
        for name, parameter, array in network_pairs(learner, golden, step):
            assert np.abs(parameter.detach().numpy() - array).max() < TOLERANCE, (step, name)
