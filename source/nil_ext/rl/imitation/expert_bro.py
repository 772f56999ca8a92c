# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What the baselines share: BRO, an expert, and a network that learns from pairs of states."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

import torch
from tensordict import TensorDict

from nil_ext.errors import InputError
from nil_ext.rl.algorithms import BRO, POLICY_ONLY, load_moments
from nil_ext.rl.distributed import average_, broadcast_
from nil_ext.rl.models import BroActor, BroCritic
from nil_ext.rl.storage import ReplayRing

from .states import STATE_GROUP
from .trajectories import ExpertTransitions
from .transition_network import TransitionNetwork


class ExpertBRO(BRO, ABC):
    """BRO beside a :class:`TransitionNetwork`, which is trained, saved and shared between processes with it."""

    network_name: ClassVar[str]
    """What the network is, in a checkpoint's keys."""

    def __init__(
        self,
        actor: BroActor,
        critic: BroCritic,
        replay: ReplayRing,
        *,
        num_outputs: int,
        hidden_dims: Sequence[int],
        activation: str,
        network_learning_rate: float,
        expert: ExpertTransitions | None,
        **settings,
    ) -> None:
        """Set up the algorithm and its network.

        Args:
            actor: The policy.
            critic: The critics.
            replay: The memory, with the observation group "state".
            num_outputs: Size of the network's output.
            hidden_dims: Its hidden widths.
            activation: Its activation.
            network_learning_rate: Its learning rate (Adam).
            expert: The expert's transitions; without them there is a policy to play but nothing to learn from.
            **settings: Settings of :class:`~nil_ext.rl.algorithms.BRO`.
        """
        super().__init__(actor, critic, replay, **settings)
        self.network = TransitionNetwork(replay.obs_dims[STATE_GROUP], num_outputs, hidden_dims, activation)
        self.network.to(self.device)
        self.expert = None if expert is None else expert.to(self.device)
        self._optimizer = torch.optim.Adam(self.network.network.parameters(), network_learning_rate, fused=True)

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """Everything that learns, by name."""
        return super().modules | {self.network_name: self.network}

    def act(self, obs: TensorDict) -> torch.Tensor:
        """Return actions (E, A), and let the network's normaliser see the states."""
        self.network.normalizer.update(obs[STATE_GROUP])
        return super().act(obs)

    def train_mode(self) -> None:
        """Start a rollout; the network looks at nothing that the expert's states do not hold."""
        super().train_mode()
        self.network.train()
        self.network.restrict_to(self.expert)

    def eval_mode(self) -> None:
        """Stop updating the normalisers."""
        super().eval_mode()
        self.network.eval()

    def broadcast_parameters(self) -> None:
        """Start from the first process's networks."""
        super().broadcast_parameters()
        broadcast_(list(self.network.state_dict().values()))

    def save(self) -> dict:
        """Return everything but the replay."""
        return super().save() | {
            "algorithm": type(self).__name__,
            f"{self.network_name}_state_dict": self.network.state_dict(),
            f"{self.network_name}_optimizer_state_dict": self._optimizer.state_dict(),
        }

    def load(self, loaded_dict: dict, load_cfg: dict | None = None, strict: bool = True) -> bool:
        """Load as :class:`~nil_ext.rl.algorithms.BRO` does, the network with the critic.

        Raises:
            InputError: When it is another algorithm's, whose network may look like this one's.
        """
        name = type(self).__name__
        theirs = loaded_dict.get("algorithm", name)  # older checkpoints and policies alone do not tell
        if theirs != name:
            raise InputError(
                f"The checkpoint is one of {theirs}, this agent is {name}: give the --agent that it was trained with,"
                " or another checkpoint."
            )
        goes_on = super().load(loaded_dict, load_cfg, strict)
        if loaded_dict.get(POLICY_ONLY):
            return goes_on
        wanted = load_cfg or {"critic": True, "optimizer": True}
        if wanted.get("critic"):
            self.network.load_state_dict(loaded_dict[f"{self.network_name}_state_dict"], strict=strict)
        if wanted.get("optimizer"):
            load_moments(self._optimizer, loaded_dict[f"{self.network_name}_optimizer_state_dict"])
        return goes_on

    def _step(self, loss: torch.Tensor) -> None:
        """Take a step of the network's optimiser, over all processes."""
        self._optimizer.zero_grad()
        loss.backward()
        average_([parameter.grad for parameter in self.network.network.parameters()])
        self._optimizer.step()
