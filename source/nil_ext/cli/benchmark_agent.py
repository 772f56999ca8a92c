# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Benchmarks of the agent by itself, each against its baseline in one run: the quantile loss, and a whole update."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import torch
from tensordict import TensorDict

from ..errors import InputError
from ..rl.algorithms import BRO
from ..rl.algorithms.bro_learner import Batch
from ..rl.modules import quantile_huber_loss

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

UPDATE_MODES = {
    "float32": {},
    "bfloat16": {"matmul_precision": "bfloat16"},
    "compiled": {"compiled": True},
    "CUDA graph": {"cuda_graphs": True},
    "CUDA graph, bfloat16": {"cuda_graphs": True, "matmul_precision": "bfloat16"},
    "CUDA graph, bfloat16, compiled": {"cuda_graphs": True, "matmul_precision": "bfloat16", "compiled": True},
}
"""Settings of ``agent.algorithm`` that are compared; the first is the baseline."""

H1_OBSERVATIONS, H1_ACTIONS = 120, 19
"""Sizes of NIL-H1-Walk, at which updates are timed."""

_SETTLING_UPDATES = 5
"""Updates before the clock starts: compiling, recording, allocating."""


def pairwise_quantile_huber_loss(quantiles: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The loss by its definition, through a table (K, B, N, M) of all differences under autograd.

    Args:
        quantiles: predicted quantiles. Shape is (K, B, N).
        targets: target samples. Shape is (B, M).
    """
    count = quantiles.shape[-1]
    tau = ((torch.arange(count, dtype=quantiles.dtype, device=quantiles.device) + 0.5) / count)[:, None]
    error = targets[None, :, None, :] - quantiles[..., None]
    huber = torch.where(error.abs() <= 1.0, 0.5 * error.square(), error.abs() - 0.5)
    return ((tau - (error < 0).to(error.dtype)).abs() * huber).sum(dim=2).mean(dim=(1, 2)).sum()


def quantile_loss_table(
    batch_size: int = 256,
    num_quantiles: tuple[int, ...] = (10, 25, 100),
    repeats: int = 20,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> str:
    """Compare both losses, forward and backward with two critics, as a Markdown table.

    Args:
        batch_size: transitions B.
        num_quantiles: numbers N = M to compare at.
        repeats: runs whose median time counts.
        device: where to run.
        seed: seed of the values.

    Returns:
        For each N the relative difference of value and gradient from the table's in float64, the median times [ms] (on
        the CPU: CPU time), the bytes that autograd keeps for the backward pass [KiB], and the ratios of the last two.
    """
    lines = [
        "| N | value | gradient | sorted [ms] | pairwise [ms] | time ratio | sorted [KiB] | pairwise [KiB] "
        "| memory ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    generator = torch.Generator().manual_seed(seed)
    for count in num_quantiles:
        quantiles = torch.randn(2, batch_size, count, generator=generator).to(device)
        targets = torch.randn(batch_size, count, generator=generator).to(device)
        exact_value, exact_gradient = _run(pairwise_quantile_huber_loss, quantiles.double(), targets.double())
        value, gradient = _run(quantile_huber_loss, quantiles, targets)
        times = [
            statistics.median(_seconds(partial(_run, loss, quantiles, targets), device) for _ in range(repeats))
            for loss in (quantile_huber_loss, pairwise_quantile_huber_loss)
        ]
        kept = [_kept_bytes(loss, quantiles, targets) for loss in (quantile_huber_loss, pairwise_quantile_huber_loss)]
        lines.append(
            f"| {count} | {((value - exact_value) / exact_value).abs().item():.1e}"
            f" | {((gradient - exact_gradient).abs().max() / exact_gradient.abs().max()).item():.1e}"
            f" | {1e3 * times[0]:.2f} | {1e3 * times[1]:.2f} | {times[1] / times[0]:.1f}"
            f" | {kept[0] / 1024:.0f} | {kept[1] / 1024:.0f} | {kept[1] / kept[0]:.0f} |"
        )
    return "\n".join(lines)


def update_table(preset: str = "cpu", repeats: int = 20, device: torch.device | str = "cpu", seed: int = 0) -> str:
    """Time whole updates of the default agent at the H1's sizes in every mode the device has, as a Markdown table.

    Args:
        preset: ``cpu`` or ``paper``, whose networks and batch are taken.
        repeats: updates whose median time counts.
        device: where to run.
        seed: seed of weights and batches, the same for all modes.

    Returns:
        For each mode the median time of an update [ms] and the baseline's time over it.
    """
    lines = ["| update | ms | against float32 |", "|---|---|---|"]
    baseline = None
    for mode, settings in UPDATE_MODES.items():
        if settings.get("cuda_graphs") and torch.device(device).type != "cuda":
            continue
        torch.manual_seed(seed)
        alg = _agent(preset, settings, device)
        rows = alg.batch_size
        states = torch.randn(4, rows, H1_OBSERVATIONS, device=device)
        actions = torch.rand(rows, H1_ACTIONS, device=device) * 2.0 - 1.0
        discounts = torch.full((rows,), alg.gamma, device=device)
        batch = Batch(*states[:2], actions, torch.randn(rows, device=device), discounts, *states[2:])
        noise = torch.randn(3, rows, H1_ACTIONS, device=device)
        step = partial(alg.learner.step, batch, noise)
        for _ in range(_SETTLING_UPDATES):
            step()
        milliseconds = 1e3 * statistics.median(_seconds(step, device) for _ in range(repeats))
        baseline = baseline or milliseconds
        lines.append(f"| {mode} | {milliseconds:.2f} | {baseline / milliseconds:.2f} |")
    return "\n".join(lines)


def _agent(preset: str, settings: dict, device: torch.device | str) -> BRO:
    """The default agent with a small replay, for an environment of which only the sizes matter."""
    from isaaclab_rl.rsl_rl import check_rsl_rl_version, handle_deprecated_rsl_rl_cfg

    from ..rl.cfg import BroCpuRunnerCfg, BroRunnerCfg

    cfg = BroCpuRunnerCfg() if preset == "cpu" else BroRunnerCfg()
    cfg = handle_deprecated_rsl_rl_cfg(cfg, check_rsl_rl_version()).to_dict()
    cfg["algorithm"] |= {"replay_size": 64, "warmup_transitions": 0, **settings}
    obs = TensorDict({"policy": torch.zeros(1, H1_OBSERVATIONS, device=device)}, batch_size=[1])
    env = SimpleNamespace(num_envs=1, num_actions=H1_ACTIONS)
    return BRO.construct_algorithm(obs, env, cfg, str(device))


def _run(loss: Loss, quantiles: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    leaf = quantiles.detach().requires_grad_()
    value = loss(leaf, targets)
    value.backward()
    return value.detach().double(), leaf.grad.double()


def _seconds(body: Callable[[], object], device: torch.device | str) -> float:
    """Time of one call [s]: of the CPU spent where it runs there, so that other processes do not count."""
    if torch.device(device).type == "cpu":
        begin = time.process_time()
        body()
        return time.process_time() - begin
    torch.cuda.synchronize(device)
    begin = time.perf_counter()
    body()
    torch.cuda.synchronize(device)
    return time.perf_counter() - begin


def _kept_bytes(loss: Loss, quantiles: torch.Tensor, targets: torch.Tensor) -> int:
    """Bytes of the distinct tensors that the forward pass keeps for the backward pass."""
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss(quantiles.detach().requires_grad_(), targets)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def run(argv: list[str]) -> None:
    """Print the table of both losses, or that of the ways to run an update."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py agent",
        description="Compare the agent's quantile loss with the table of all pairs, or the ways to run an update.",
    )
    parser.add_argument("--update", choices=("cpu", "paper"), help="Time whole updates of this preset instead.")
    parser.add_argument("--batch_size", type=_count, help="Transitions of the losses. Default: 256.")
    parser.add_argument("--repeats", type=_count, default=20, help="Runs whose median time counts. Default: 20.")
    parser.add_argument("--device", default="cpu", help="Where to run: cpu (one thread, default) or cuda.")
    args = parser.parse_args(argv)
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"--device {args.device}: PyTorch finds no CUDA device here; leave it out to run on the CPU.")
    if args.update and args.batch_size is not None:
        raise InputError("--batch_size is for the losses, an update has its preset's batch: leave one of both out.")
    torch.set_num_threads(1)
    if args.update:
        print(update_table(args.update, args.repeats, args.device))
    else:
        print(quantile_loss_table(args.batch_size or 256, repeats=args.repeats, device=args.device))


def _count(text: str) -> int:
    """Parse a number of at least 1."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{value}: give at least 1")
    return value
