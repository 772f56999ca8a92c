# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""BCO: cloning of actions that an inverse dynamics model infers from an expert's states."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tensordict import TensorDict

from nil_ext.rl.algorithms import BRO
from nil_ext.rl.distributed import average_, broadcast_
from nil_ext.rl.models import BroActor, BroCritic
from nil_ext.rl.storage import ReplayRing

from .states import STATE_GROUP
from .trajectories import ExpertTransitions
from .transition_network import TransitionNetwork


class BCO(BRO):
    """Behavioural cloning from observation, iterated: BCO(alpha) of Torabi et al. 2018 (arXiv 1805.01954).

    The policy acts, an inverse dynamics model a = m(s, s') learns from its transitions, and the policy is cloned from
    what the model infers for the expert's; here all three in turn, a gradient step of each per update, instead of in
    rounds. BRO gives acting, replay, warm-up, networks, optimiser and checkpoints; its critics are idle. The policy
    must observe the group "state" alone, of which the expert's states are known. Columns that they do not know begin
    with weight 0 in the policy and, being 0 in every gradient, keep it.
    """

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
        super().__init__(actor, critic, replay, **settings)
        self.inverse = TransitionNetwork(replay.obs_dims[STATE_GROUP], replay.num_actions, hidden_dims, activation)
        self.inverse.to(self.device)
        self.expert = None if expert is None else expert.to(self.device)
        self.exploration_std = exploration_std
        self._optimizer = torch.optim.Adam(self.inverse.network.parameters(), inverse_learning_rate)

    def act(self, obs: TensorDict) -> torch.Tensor:
        """Return actions (E, A), and let the inverse dynamics model's normaliser see the states."""
        self.inverse.normalizer.update(obs[STATE_GROUP])
        return super().act(obs)

    def update(self) -> dict[str, torch.Tensor]:
        """Run the credited updates and return the mean losses; empty where none was due."""
        count = int(self._credit)
        self._credit -= count
        losses = [torch.stack((self._update_inverse(), self._clone())) for _ in range(count)]
        self.gradient_steps += count
        if not losses:
            return {}
        inverse, cloning = torch.stack(losses).mean(dim=0).unbind()
        return {"inverse_dynamics": inverse, "cloning": cloning}

    def train_mode(self) -> None:
        """Start a rollout; the policy forgets what the expert's states do not hold."""
        super().train_mode()
        self.inverse.train()
        self.inverse.restrict_to(self.expert)
        with torch.no_grad():
            self.actor.mlp[0].weight *= self.inverse.known

    def eval_mode(self) -> None:
        """Stop updating the normalisers."""
        super().eval_mode()
        self.inverse.eval()

    def broadcast_parameters(self) -> None:
        """Start from the first process's networks."""
        super().broadcast_parameters()
        broadcast_(list(self.inverse.state_dict().values()))

    def save(self) -> dict:
        """Return everything but the replay."""
        return super().save() | {
            "inverse_state_dict": self.inverse.state_dict(),
            "inverse_optimizer_state_dict": self._optimizer.state_dict(),
        }

    def load(self, loaded_dict: dict, load_cfg: dict | None = None, strict: bool = True) -> bool:
        """Load as :class:`~nil_ext.rl.algorithms.BRO` does, the inverse dynamics model with the critic."""
        goes_on = super().load(loaded_dict, load_cfg, strict)
        wanted = load_cfg or {"critic": True, "optimizer": True}
        if wanted.get("critic"):
            self.inverse.load_state_dict(loaded_dict["inverse_state_dict"], strict=strict)
        if wanted.get("optimizer"):
            self._optimizer.load_state_dict(loaded_dict["inverse_optimizer_state_dict"])
        return goes_on

    def _explore(self, latent: torch.Tensor) -> torch.Tensor:
        """Return the policy's actions (E, A) with noise."""
        actions = self._policy(latent)
        return (actions + self.exploration_std * torch.randn_like(actions)).clamp(-1.0, 1.0)

    def _policy(self, latent: torch.Tensor) -> torch.Tensor:
        """Return the deterministic actions (B, A) for normalised observations (B, D)."""
        self.actor.distribution.update(self.actor.mlp(latent))
        return self.actor.distribution.mean

    def _update_inverse(self) -> torch.Tensor:
        """Regress the actions of stored transitions on their states; those that end in a fall have no next state."""
        drawn = self.replay.sample(self.batch_size, 1, self.gamma)
        states, next_states = drawn.obs[STATE_GROUP], drawn.next_obs[STATE_GROUP]
        error = self.inverse(self.inverse.features(states, next_states)) - drawn.actions
        whole = (drawn.discounts > 0.0).float()
        loss = (error.square().mean(dim=-1) * whole).sum() / whole.sum().clamp(min=1.0)
        self._optimizer.zero_grad()
        loss.backward()
        average_([parameter.grad for parameter in self.inverse.network.parameters()])
        self._optimizer.step()
        return loss.detach()

    def _clone(self) -> torch.Tensor:
        """Move the policy towards the inferred actions of the expert."""
        states, next_states = self.expert.sample(self.batch_size)
        with torch.no_grad():
            inferred = self.inverse(self.inverse.features(states, next_states)).clamp(-1.0, 1.0)
            latent = self.actor.get_latent({STATE_GROUP: states}) * self.inverse.known
        optimizer = self.learner.optimizers["actor"]
        loss = (self._policy(latent) - inferred).square().mean()
        optimizer.zero_grad()
        loss.backward()
        average_([parameter.grad for parameter in self.actor.mlp.parameters() if parameter.grad is not None])
        optimizer.step()
        return loss.detach()
