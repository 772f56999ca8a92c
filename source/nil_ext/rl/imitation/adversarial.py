# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""AMP and GAIfO: BRO paid by a discriminator that tells an expert's state transitions from the policy's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from tensordict import TensorDict

from nil_ext.rl.models import BroActor, BroCritic
from nil_ext.rl.storage import ReplayRing, Transitions

from .expert_bro import ExpertBRO
from .states import STATE_GROUP
from .trajectories import ExpertTransitions


class AdversarialImitation(ExpertBRO, ABC):
    """BRO whose rewards are the discriminator's newest opinion of the transitions, given when a batch is drawn.

    What the environment pays is stored and reported, and never learned from. The discriminator learns from uniform
    draws of the whole replay, as in off-policy adversarial imitation (Discriminator-Actor-Critic, Kostrikov et al.
    2019). A step that ends in a fall earns 0 and the discriminator never sees it: no state follows it.
    """

    network_name = "discriminator"

    def __init__(
        self,
        actor: BroActor,
        critic: BroCritic,
        replay: ReplayRing,
        *,
        expert: ExpertTransitions | None = None,
        hidden_dims: Sequence[int] = (1024, 512),
        activation: str = "relu",
        discriminator_learning_rate: float = 1e-4,
        discriminator_updates: float = 1.0,
        lipschitz: bool = True,
        gradient_penalty: float = 10.0,
        **settings,
    ) -> None:
        """Set up the algorithm; settings are those of ``nil_ext.tasks.walk.baseline_cfg``.

        Args:
            actor: The policy.
            critic: The critics.
            replay: The memory, with the observation group "state".
            expert: The expert's transitions; without them there is a policy to play but nothing to learn from.
            hidden_dims: Widths of the discriminator.
            activation: Activation of the discriminator.
            discriminator_learning_rate: Its learning rate (Adam).
            discriminator_updates: Its updates per update of the agent.
            lipschitz: Whether the discriminator's gradient is penalised and the reward bounded.
            gradient_penalty: Weight of that penalty.
            **settings: Settings of :class:`~nil_ext.rl.algorithms.BRO`.
        """
        super().__init__(
            actor,
            critic,
            replay,
            num_outputs=1,
            hidden_dims=hidden_dims,
            activation=activation,
            network_learning_rate=discriminator_learning_rate,
            expert=expert and expert.rounded(replay.precision),  # else how numbers end tells who made them
            **settings,
        )
        self.discriminator_updates = discriminator_updates
        self.lipschitz, self.gradient_penalty = lipschitz, gradient_penalty
        self._discriminator_credit = 0.0

    @abstractmethod
    def style_reward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the rewards (B,) of transitions that the discriminator gives these logits (B,)."""

    @abstractmethod
    def loss(self, expert: torch.Tensor, policy: torch.Tensor) -> torch.Tensor:
        """Return the loss that raises the expert's logits (B,) and lowers the policy's (B,)."""

    @abstractmethod
    def penalty(self, expert: torch.Tensor, policy: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """Return the penalty on the discriminator's gradient, from the features (B, 2 S) of both.

        Args:
            expert: Features of the expert's transitions.
            policy: Features of the policy's.
            share: Where between both, uniform in [0, 1). Shape is (B, 1).
        """

    def act(self, obs: TensorDict) -> torch.Tensor:
        """Return actions (E, A), and let the discriminator's normaliser see the states of both sides."""
        actions = super().act(obs)
        self.network.normalizer.update(self.expert.sample(len(obs[STATE_GROUP]))[0])
        return actions

    def begin_update(self) -> Callable[[], dict[str, torch.Tensor]]:
        """Draw what agent and discriminator learn from next, and return what is left to do.

        See :meth:`~nil_ext.rl.algorithms.BRO.begin_update`. What is returned runs the discriminator's updates after the
        agent's, whose rewards were given when they were drawn, and also reports on them.
        """
        self._discriminator_credit += self._num_due * self.discriminator_updates
        due = int(self._discriminator_credit)
        self._discriminator_credit -= due
        drawn = [self._draw_for_discriminator() for _ in range(due)]
        learn = super().begin_update()
        return lambda: learn() | self._update_discriminator(drawn)

    def save(self) -> dict:
        """Return everything but the replay."""
        return super().save() | {"discriminator_credit": self._discriminator_credit}

    def load(self, loaded_dict: dict, load_cfg: dict | None = None, strict: bool = True) -> bool:
        """Load as :class:`ExpertBRO` does."""
        goes_on = super().load(loaded_dict, load_cfg, strict)
        if goes_on:
            self._discriminator_credit = loaded_dict.get("discriminator_credit", 0.0)  # older ones have none
        return goes_on

    @torch.no_grad()
    def relabel(self, drawn: Transitions) -> torch.Tensor:
        """Return the discriminator's rewards (B,) of one-step transitions; see :data:`~nil_ext.rl.storage.Relabel`."""
        features = self.network.features(drawn.obs[STATE_GROUP], drawn.next_obs[STATE_GROUP])
        return self.style_reward(self.network(features).squeeze(-1)) * (drawn.discounts > 0.0)

    def _draw(self, size: int) -> Transitions:
        """Draw transitions from the replay and pay them anew."""
        return self.replay.sample(size, self.n_step, self.gamma, self.relabel)

    def _draw_for_discriminator(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return features (B, 2 S) of the expert's and of the policy's transitions, and points (B, 1) between them."""
        drawn = self.replay.sample(self.batch_size, gamma=1.0)
        # draws that ended in a fall give their places to others, so that the shape stays and nothing waits for it
        whole = (drawn.discounts > 0.0).float() + 1e-9
        rows = torch.multinomial(whole, len(whole), replacement=True)
        policy = self.network.features(drawn.obs[STATE_GROUP][rows], drawn.next_obs[STATE_GROUP][rows])
        expert = self.network.features(*self.expert.sample(self.batch_size))
        return expert, policy, torch.rand(len(expert), 1, device=expert.device)

    def _update_discriminator(
        self, drawn: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    ) -> dict[str, torch.Tensor]:
        """Run an update of the discriminator for each draw and return the mean of what they report."""
        reports = [self._discriminate(*features) for features in drawn]
        return {name: torch.stack([report[name] for report in reports]).mean() for name in (reports or [{}])[0]}

    def _discriminate(self, expert: torch.Tensor, policy: torch.Tensor, share: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run one update of the discriminator."""
        logits = [self.network(features).squeeze(-1) for features in (expert, policy)]
        loss = self.loss(*logits)
        if self.lipschitz:
            loss = loss + self.gradient_penalty * self.penalty(expert, policy, share)
        self._step(loss)
        with torch.no_grad():
            right = 0.5 * ((logits[0] > 0.0).float().mean() + (logits[1] < 0.0).float().mean())
            paid = self.style_reward(logits[1]).mean()
        return {"discriminator": loss.detach(), "discriminator_right": right, "style_reward": paid}

    def _gradient_norms(self, features: torch.Tensor) -> torch.Tensor:
        """Return the norms (B,) of the discriminator's gradient at features (B, 2 S), themselves differentiable."""
        features = features.detach().requires_grad_()
        logits = self.network(features)
        return torch.autograd.grad(logits.sum(), features, create_graph=True)[0].norm(dim=-1)


class AMP(AdversarialImitation):
    """Adversarial motion priors (Peng et al. 2021), style alone.

    Least-squares discriminator, 1 for the expert and -1 for the policy; its gradient is penalised at the expert's
    transitions; reward max(0, 1 - (d - 1)^2 / 4), which is bounded by itself.
    """

    def style_reward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return max(0, 1 - (d - 1)^2 / 4)."""
        return (1.0 - 0.25 * (logits - 1.0).square()).clamp(min=0.0)

    def loss(self, expert: torch.Tensor, policy: torch.Tensor) -> torch.Tensor:
        """Return E[(d - 1)^2] of the expert and E[(d + 1)^2] of the policy, summed."""
        return (expert - 1.0).square().mean() + (policy + 1.0).square().mean()

    def penalty(self, expert: torch.Tensor, policy: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """Return half the mean squared gradient at the expert's transitions."""
        return 0.5 * self._gradient_norms(expert).square().mean()


class GAIfO(AdversarialImitation):
    """Generative adversarial imitation from observation (Torabi et al. 2018, arXiv 1807.06158).

    Binary discriminator on state transitions; reward -log of its belief that the policy made the transition. With
    ``lipschitz`` it is 1-Lipschitz between expert and policy (one-sided penalty; Gulrajani et al. 2017, Blondé et al.
    2022) and the reward is cut at ``reward_bound`` and divided by it, so that it lies in [0, 1].
    """

    def __init__(self, *arguments, reward_bound: float = 2.0, **settings) -> None:
        """Take the settings of :class:`AdversarialImitation` and the reward's bound."""
        super().__init__(*arguments, **settings)
        self.reward_bound = reward_bound

    def style_reward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return -log(1 - sigmoid(logit)), bounded or not."""
        reward = F.softplus(logits)
        return reward.clamp(max=self.reward_bound) / self.reward_bound if self.lipschitz else reward

    def loss(self, expert: torch.Tensor, policy: torch.Tensor) -> torch.Tensor:
        """Return the cross entropy of telling expert (1) from policy (0)."""
        return F.softplus(-expert).mean() + F.softplus(policy).mean()

    def penalty(self, expert: torch.Tensor, policy: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """Return the mean squared excess of the gradient over 1, at random points between both."""
        norms = self._gradient_norms(torch.lerp(expert, policy, share))
        return (norms - 1.0).clamp(min=0.0).square().mean()
