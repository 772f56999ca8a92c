# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""BCO: cloning of actions that an inverse dynamics model infers from an expert's states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from nil_ext.rl.distributed import average_
from nil_ext.rl.models import BroActor, BroCritic
from nil_ext.rl.storage import ReplayRing, Transitions

from .expert_bro import ExpertBRO
from .states import STATE_GROUP
from .trajectories import ExpertTransitions


class BCO(ExpertBRO):
    """Behavioural cloning from observation, iterated: BCO(alpha) of Torabi et al. 2018 (arXiv 1805.01954).

    The policy acts, an inverse dynamics model a = m(s, s') learns from its transitions, and the policy is cloned from
    what the model infers for the expert's; here all three in turn, a gradient step of each per update, instead of in
    rounds. BRO gives acting, replay, warm-up, networks, optimiser and checkpoints; its critics are idle. The policy
    must observe the group "state" alone, of which the expert's states are known. Columns that they do not know begin
    with weight 0 in the policy and, being 0 in every gradient, keep it.
    """

    network_name = "inverse"

    def __init__(
        self,
        actor: BroActor,
        critic: BroCritic,
        replay: ReplayRing,
        *,
        expert: ExpertTransitions | None = None,
        hidden_dims: Sequence[int] = (256, 256),
        activation: str = "relu",
        inverse_learning_rate: float = 1e-3,
        exploration_std: float = 0.2,
        **settings,
    ) -> None:
        """Set up the algorithm; settings are those of ``nil_ext.tasks.walk.baseline_cfg``.

        Args:
            actor: The policy.
            critic: Idle.
            replay: The memory, with the observation group "state".
            expert: The expert's transitions; without them there is a policy to play but nothing to learn from.
            hidden_dims: Widths of the inverse dynamics model.
            activation: Activation of that model.
            inverse_learning_rate: Its learning rate (Adam).
            exploration_std: Standard deviation of the noise on the actions that are tried.
            **settings: Settings of :class:`~nil_ext.rl.algorithms.BRO`.
        """
        super().__init__(
            actor,
            critic,
            replay,
            num_outputs=replay.num_actions,
            hidden_dims=hidden_dims,
            activation=activation,
            network_learning_rate=inverse_learning_rate,
            expert=expert,
            **settings,
        )
        self.exploration_std = exploration_std

    def begin_update(self) -> Callable[[], dict[str, torch.Tensor]]:
        """Draw what the next credited updates learn from, and return what is left to do.

        See :meth:`~nil_ext.rl.algorithms.BRO.begin_update`; what is returned reports the mean losses.
        """
        count = self._num_due
        if count == 0:
            return dict
        self._credit -= count
        self.gradient_steps += count
        size = self.batch_size
        drawn = [(self.replay.sample(size, gamma=1.0), *self.expert.sample(size)) for _ in range(count)]
        return partial(self._learn_from, drawn)

    def train_mode(self) -> None:
        """Start a rollout; the policy forgets what the expert's states do not hold."""
        super().train_mode()
        with torch.no_grad():
            self.actor.mlp[0].weight *= self.network.known

    def _explore(self, latent: torch.Tensor) -> torch.Tensor:
        """Return the policy's actions (E, A) with noise."""
        actions = self._policy(latent)
        return (actions + self.exploration_std * torch.randn_like(actions)).clamp(-1.0, 1.0)

    def _policy(self, latent: torch.Tensor) -> torch.Tensor:
        """Return the deterministic actions (B, A) for normalised observations (B, D)."""
        self.actor.distribution.update(self.actor.mlp(latent))
        return self.actor.distribution.mean

    def _learn_from(self, drawn: list[tuple[Transitions, torch.Tensor, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """Run an update for each draw of transitions and of the expert's pairs of states; return the mean losses."""
        losses = [torch.stack((self._update_inverse(own), self._clone(*pair))) for own, *pair in drawn]
        return dict(zip(("inverse_dynamics", "cloning"), torch.stack(losses).mean(dim=0), strict=True))

    def _update_inverse(self, drawn: Transitions) -> torch.Tensor:
        """Regress the actions of transitions on their states; those that end in a fall have no next state."""
        states, next_states = drawn.obs[STATE_GROUP], drawn.next_obs[STATE_GROUP]
        error = self.network(self.network.features(states, next_states)) - drawn.actions
        whole = (drawn.discounts > 0.0).float()
        loss = (error.square().mean(dim=-1) * whole).sum() / whole.sum().clamp(min=1.0)
        self._step(loss)
        return loss.detach()

    def _clone(self, states: torch.Tensor, next_states: torch.Tensor) -> torch.Tensor:
        """Move the policy towards the actions inferred from an expert's pairs of states (B, S)."""
        with torch.no_grad():
            inferred = self.network(self.network.features(states, next_states)).clamp(-1.0, 1.0)
            latent = self.actor.get_latent({STATE_GROUP: states}) * self.network.known
        optimizer = self.learner.optimizers["actor"]
        loss = (self._policy(latent) - inferred).square().mean()
        optimizer.zero_grad()
        loss.backward()
        average_([parameter.grad for parameter in self.actor.mlp.parameters() if parameter.grad is not None])
        optimizer.step()
        self.learner.take_average()
        return loss.detach()
