# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""One update of BRO: losses, optimisers and the networks they act on."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from nil_ext.errors import InputError
from nil_ext.rl.distributed import average_, broadcast_, world_size
from nil_ext.rl.models import BroActor, BroCritic
from nil_ext.rl.modules import DualVariables, OptimisticActor, PolicyAverage, quantile_huber_loss

from .captured_update import CapturedUpdate
from .moments import load_moments

_GOLDEN_RATIO = (1.0 + 5.0**0.5) / 2.0


@dataclass
class Batch:
    """What one update learns from; observations are normalised. B transitions."""

    actor_obs: torch.Tensor  # (B, D)
    critic_obs: torch.Tensor  # (B, D')
    actions: torch.Tensor  # (B, A)
    rewards: torch.Tensor  # (B,)
    discounts: torch.Tensor  # (B,), 0 where terminated
    next_actor_obs: torch.Tensor  # (B, D)
    next_critic_obs: torch.Tensor  # (B, D')

    def __getitem__(self, index: slice) -> Batch:
        """Return a part of the batch."""
        return Batch(*(getattr(self, field.name)[index] for field in fields(self)))


class BroLearner:
    """Networks, duals and optimisers of BRO, and the update that moves them. Knows neither environment nor replay.

    Every formula is the authors' JAX code's (naumix/BiggerRegularizedOptimistic, jaxrl/bro), and three of its updates
    are reproduced to 1e-10 (tests/rl/test_bro_golden.py).
    """

    def __init__(
        self,
        actor: BroActor,
        critic: BroCritic,
        *,
        tau: float = 0.005,
        learning_rate: float = 3e-4,
        weight_decay: float = 1e-4,
        init_alpha: float = 1.0,
        alpha_learning_rate: float = 3e-4,
        target_entropy_scale: float = 0.5,
        optimistic: bool = True,
        optimistic_share: float = 1.0,
        std_multiplier: float = 0.75,
        kl_target: float = 0.05,
        optimism_learning_rate: float = 3e-5,
        exploration_scale: Sequence[float] = (1.0, 1.0),
        policy_average: float = 0.0,
        matmul_precision: str = "float32",
        compiled: bool = False,
        cuda_graphs: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        """Set up target, optimistic actor, duals and optimisers; settings as in ``nil_ext.rl.cfg.BroAlgorithmCfg``."""
        if optimistic and critic.ensemble_size != 2:
            raise InputError(
                f"agent.critic.ensemble_size is {critic.ensemble_size}, but the optimistic actor goes by how two"
                " critics differ: write 2, or agent.algorithm.optimistic=false."
            )
        self.num_actions = actor.distribution.output_dim
        self.optimistic, self.optimistic_share, self.std_multiplier = optimistic, optimistic_share, std_multiplier
        self.actor = actor.to(device)
        self.critic = critic.to(device)
        self.target = copy.deepcopy(critic.mlp).requires_grad_(False)
        self.optimistic_actor = OptimisticActor(actor.obs_dim, self.num_actions, actor.hidden_dims, actor.activation)
        self.optimistic_actor.to(device)
        self.duals = DualVariables(-target_entropy_scale * self.num_actions, kl_target, init_alpha).to(device)
        if not 0.0 <= policy_average <= 1.0:
            raise InputError(f"policy_average is {policy_average}; write a share of the training from 0 (off) to 1.")
        self.average = PolicyAverage(self.actor, policy_average).to(device) if policy_average else None
        self.policy = self.average.policy_like(self.actor) if self.average else self.actor
        """The policy that evaluation and export use: the actor, or the average of its weights."""
        self.exploration_scale = tuple(exploration_scale)

        def adamw(module: torch.nn.Module) -> torch.optim.Optimizer:
            return torch.optim.AdamW(
                module.parameters(), learning_rate, weight_decay=weight_decay, fused=True, capturable=cuda_graphs
            )

        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "actor": adamw(self.actor),
            "critic": adamw(self.critic),
            "optimistic_actor": adamw(self.optimistic_actor),
            # BRO's beta_1 of 0.5 lets the duals follow quickly.
            "duals": torch.optim.Adam(
                [
                    {"params": [self.duals.log_alpha], "lr": alpha_learning_rate},
                    {"params": [self.duals.raw_omega, self.duals.raw_lambda], "lr": optimism_learning_rate},
                ],
                betas=(0.5, 0.999),
                fused=True,
                capturable=cuda_graphs,
            ),
        }
        self._average_into_target = get_ema_multi_avg_fn(1.0 - tau)
        if matmul_precision not in ("float32", "bfloat16"):
            raise InputError(f"matmul_precision '{matmul_precision}' is unknown; write float32 or bfloat16.")
        self._autocast = torch.bfloat16 if matmul_precision == "bfloat16" else None
        self._device_type = torch.device(device).type
        if compiled:
            for network in (self.actor.mlp, self.critic.mlp, self.target, self.optimistic_actor):
                network.compile(dynamic=False)  # in place: names of weights and copies stay as they are
        if cuda_graphs and (self._device_type != "cuda" or world_size() > 1):
            raise InputError(
                f"cuda_graphs needs one GPU; this run learns on {device} in {world_size()} process(es): leave"
                " agent.algorithm.cuda_graphs=false."
            )
        self._captured = CapturedUpdate(self._step) if cuda_graphs else None

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """Everything that learns, by name."""
        modules = {
            "actor": self.actor,
            "optimistic_actor": self.optimistic_actor,
            "critic": self.critic,
            "target": self.target,
            "duals": self.duals,
        }
        return modules | ({"average": self.average} if self.average else {})

    @torch.no_grad()
    def explore(self, latent: torch.Tensor) -> torch.Tensor:
        """Return actions (E, A) to explore with, for normalised observations (E, D) of all environments.

        The first ``optimistic_share`` of the environments follow the optimistic actor, the others the policy itself.
        The noise of each is its own multiple of the standard deviation, spread evenly over ``exploration_scale`` within
        either part (multiples of the golden ratio modulo 1 are even in every stretch of environments); a single
        environment takes the middle.
        """
        self.actor.distribution.update(self.actor.mlp(latent))
        mean, std = self.actor.distribution.params
        if self.exploration_scale != (1.0, 1.0):
            low, high = self.exploration_scale
            index = torch.arange(len(mean), device=mean.device)[:, None]
            place = (index * _GOLDEN_RATIO).frac() if len(mean) > 1 else 0.5
            std = std * (low + (high - low) * place)
        if self.optimistic:
            chosen = torch.arange(len(mean), device=mean.device)[:, None] < round(self.optimistic_share * len(mean))
            mean = torch.where(chosen, mean + self.optimistic_actor(latent, mean), mean)
            std = torch.where(chosen, self.std_multiplier * std, std)
        return torch.tanh(mean + std * torch.randn_like(mean))

    def step(self, batch: Batch, noise: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run one update: critic, target, actor, optimistic actor, duals.

        Args:
            batch: Transitions to learn from.
            noise: Standard normal draws for the next actions, the actor and the optimistic actor. Shape is (3, B, A).

        Returns:
            Losses and the values of the duals after the update, scalars.
        """
        return self._captured(batch, noise) if self._captured else self._step(batch, noise)

    def _step(self, batch: Batch, noise: torch.Tensor) -> dict[str, torch.Tensor]:
        report = {"critic": self._update_critic(batch, noise[0])}
        self._average_into_target(list(self.target.parameters()), list(self.critic.mlp.parameters()), None)
        report["actor"], log_prob = self._update_actor(batch, noise[1])
        self.take_average()
        report["entropy"] = -log_prob
        loss = self.duals.alpha_loss(report["entropy"])
        if self.optimistic:
            report["optimistic_actor"], report["kl_per_dim"] = self._update_optimistic_actor(batch, noise[2])
            loss = loss + self.duals.optimism_loss(report["kl_per_dim"])
        self._descend("duals", loss)
        with torch.no_grad():
            report["alpha"] = self.duals.alpha
            if self.optimistic:
                report["omega"], report["lambda"] = self.duals.omega, self.duals.lambda_
        return report

    def take_average(self) -> None:
        """Let the averaged policy follow the actor, after each of its updates."""
        if self.average:
            self.average.update(self.actor.mlp)

    def reset(self) -> None:
        """Draw fresh networks and duals and forget the optimisers' moments; replay and normalisers stay."""
        for module in (self.actor, self.critic, self.optimistic_actor, self.duals):
            module.reset_parameters()
        self.target.load_state_dict(self.critic.mlp.state_dict())
        if self.average:
            self.average.restart(self.actor.mlp)
        for optimizer in self.optimizers.values():
            optimizer.state.clear()
        self._forget_captured()
        self.synchronise()

    def synchronise(self) -> None:
        """Take over networks, normalisers and duals of the first process."""
        broadcast_([tensor for module in self.modules.values() for tensor in module.state_dict().values()])

    def state_dict(self) -> dict:
        """Return networks, duals and the optimisers' moments."""
        return {
            **{f"{name}_state_dict": module.state_dict() for name, module in self.modules.items()},
            "optimizer_state_dicts": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
        }

    def load_state_dict(self, state: dict, wanted: dict[str, bool], strict: bool = True) -> None:
        """Load the wanted parts: "actor", "critic" and "optimizer", which the duals belong to."""
        part_of = {"critic": "critic", "target": "critic", "duals": "optimizer"}
        with _other_sizes_refused():
            for name, module in self.modules.items():
                if not wanted.get(part_of.get(name, "actor")):
                    continue
                if name == "average" and "average_state_dict" not in state:  # of a run that did not average
                    self.average.restart(self.actor.mlp)
                else:
                    module.load_state_dict(state[f"{name}_state_dict"], strict=strict)
        if wanted.get("optimizer"):
            for name, optimizer in self.optimizers.items():
                load_moments(optimizer, state["optimizer_state_dicts"][name])
        self._forget_captured()

    def load_policy(self, state: dict) -> None:
        """Load the actor alone, which is enough to act."""
        with _other_sizes_refused():
            self.actor.load_state_dict(state)
        if self.average:
            self.average.restart(self.actor.mlp)

    def _forget_captured(self) -> None:
        """Capture the update anew: the optimisers' moments lie elsewhere now."""
        if self._captured:
            self._captured.forget()

    def _policy(self, latent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and standard deviation (B, A) of the conservative actor, before the tanh."""
        self.actor.distribution.update(self._evaluate(self.actor.mlp, latent))
        return self.actor.distribution.params

    def _evaluate(self, network: torch.nn.Module, *inputs: torch.Tensor) -> torch.Tensor:
        """Return a network's output for an update: products in the chosen precision, all that follows in float32.

        In bfloat16 a discount of .99 would be .98828, so neither targets nor log-probabilities nor losses are.
        """
        if self._autocast is None:
            return network(*inputs)
        with torch.autocast(self._device_type, self._autocast):
            output = network(*inputs)
        return output.float()

    def _update_critic(self, batch: Batch, noise: torch.Tensor) -> torch.Tensor:
        """Regress the quantiles onto the soft Bellman target; the mean of the target critics, no minimum."""
        with torch.no_grad():
            self._policy(batch.next_actor_obs)
            next_actions, next_log_prob = self.actor.distribution.rsample(noise)
            inputs = self.critic.network_input(batch.next_critic_obs, next_actions)
            quantiles = self._evaluate(self.target, inputs).mean(dim=0)
            soft = quantiles - (self.duals.alpha * next_log_prob)[:, None]
            targets = batch.rewards[:, None] + batch.discounts[:, None] * soft  # (B, N)
        quantiles = self._evaluate(self.critic.mlp, self.critic.network_input(batch.critic_obs, batch.actions))
        return self._descend("critic", quantile_huber_loss(quantiles, targets))

    def _update_actor(self, batch: Batch, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maximise value and entropy; return the loss and the mean log-probability."""
        self._policy(batch.actor_obs)
        actions, log_prob = self.actor.distribution.rsample(noise)
        quantiles = self._evaluate(self.critic.mlp, self.critic.network_input(batch.critic_obs, actions))
        log_prob = log_prob.mean()
        loss = self.duals.alpha.detach() * log_prob - quantiles.mean()
        return self._descend("actor", loss), log_prob.detach()

    def _update_optimistic_actor(self, batch: Batch, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maximise the upper bound of the value near the conservative actor; return loss and divergence per dimension.

        The divergence KL(N(mean_o, std_o / m) || N(mean_c, std_c)), m the multiplier, has std_o / m = std_c and is
        therefore sum(shift^2 / (2 std_c^2)).
        """
        with torch.no_grad():
            mean, std = self._policy(batch.actor_obs)
        shift = self._evaluate(self.optimistic_actor, batch.actor_obs, mean)
        actions = torch.tanh(mean + shift + self.std_multiplier * std * noise)
        quantiles = self._evaluate(self.critic.mlp, self.critic.network_input(batch.critic_obs, actions))  # (K, B, N)
        disagreement = (quantiles[0] - quantiles[1]).abs().mean() / 2.0
        kl = (shift / std).square().sum(dim=-1).mean() / 2.0
        with torch.no_grad():
            omega, lambda_ = self.duals.omega, self.duals.lambda_
        loss = lambda_ * kl - quantiles.mean() - omega * disagreement
        return self._descend("optimistic_actor", loss), kl.detach() / self.num_actions

    def _descend(self, name: str, loss: torch.Tensor) -> torch.Tensor:
        """Take one step of an optimiser; only its own parameters get gradients.

        Every loss is a mean over the batch, so averaging the gradients of W processes is an update with the union of
        their batches.
        """
        optimizer = self.optimizers[name]
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        optimizer.zero_grad()
        loss.backward(inputs=parameters)
        average_([parameter.grad for parameter in parameters if parameter.grad is not None])
        optimizer.step()
        return loss.detach()


@contextmanager
def _other_sizes_refused() -> Iterator[None]:
    """Within, weights of other shapes are bad input."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(
            "The checkpoint's networks have other sizes than this run's; repeat the agent.* settings it was trained"
            " with (params/agent.yaml beside it)."
        ) from error
