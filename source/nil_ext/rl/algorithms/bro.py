# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""BRO: Bigger, Regularized, Optimistic (Nauman et al. 2024), for many environments that step together."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from functools import partial

import torch
from rsl_rl.env import VecEnv
from rsl_rl.utils import resolve_class, resolve_obs_groups
from tensordict import TensorDict

from nil_ext.errors import InputError
from nil_ext.rl.distributed import world_size
from nil_ext.rl.models import BroActor, BroCritic
from nil_ext.rl.storage import ReplayRing, Transitions

from .allowed_settings import require_allowed
from .bro_learner import Batch, BroLearner
from .policy_checkpoint import POLICY_ONLY

_MOST_AT_ONCE = 64
"""Updates whose batches are drawn together: one look-up instead of many, without taking much memory."""


class BRO:
    """Soft actor-critic with quantile critics, residual networks, an optimistic actor to explore with, and resets.

    This class is rsl_rl's algorithm contract: it acts, fills the replay and decides when to update;
    :class:`BroLearner` is the update. What many environments need beyond the authors' code: n-step returns, final
    observations of truncated episodes, updates counted by how often each transition is drawn, resets counted in updates
    and with fresh seeds.
    """

    def __init__(
        self,
        actor: BroActor,
        critic: BroCritic,
        replay: ReplayRing,
        *,
        gamma: float = 0.99,
        n_step: int = 1,
        batch_size: int = 128,
        reuse: float = 1280.0,
        warmup_transitions: int = 2500,
        warmup_range: float = 1.0,
        reward_scale: float = 1.0,
        learning_rate: float = 3e-4,
        reset_updates: Sequence[int] = (),
        reset_catch_up: int = 0,
        device: torch.device | str = "cpu",
        **learner_settings,
    ) -> None:
        """Set up the algorithm; settings are those of ``nil_ext.rl.cfg.BroAlgorithmCfg``.

        Args:
            actor: The policy.
            critic: The critics.
            replay: The memory, still empty.
            gamma: Discount of one step.
            n_step: Rewards summed before bootstrapping.
            batch_size: Transitions of one update.
            reuse: How often each transition is drawn on average.
            warmup_transitions: Transitions collected with uniform actions before the first update.
            warmup_range: Those actions are uniform in [-warmup_range, warmup_range].
            reward_scale: Factor on the rewards the critics see.
            learning_rate: Learning rate of the networks.
            reset_updates: Numbers of updates after which networks and optimisers start afresh.
            reset_catch_up: Updates that follow a reset at once, before the fresh networks act.
            device: Where it learns.
            **learner_settings: Settings of :class:`BroLearner`.
        """
        self.world_size = world_size()
        self.device = device
        self.replay = replay
        self.gamma, self.n_step = gamma, n_step
        self.batch_size, self.reuse = batch_size, reuse
        self.warmup_transitions = warmup_transitions
        self.warmup_range = warmup_range
        self.reward_scale = reward_scale
        self.learning_rate = learning_rate
        self.reset_updates = frozenset(reset_updates)
        self.reset_catch_up = reset_catch_up
        self.learner = BroLearner(actor, critic, learning_rate=learning_rate, device=device, **learner_settings)
        self.actor, self.critic = self.learner.actor, self.learner.critic

        self.transitions = 0
        """Environment steps so far, of all environments of all processes together."""
        self.gradient_steps = 0
        """Updates so far."""
        self._credit = 0.0
        self._actions: torch.Tensor | None = None
        self._rollout_starts = True

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """Everything that learns, by name."""
        return self.learner.modules

    @property
    def weights(self) -> list[torch.Tensor]:
        """All parameters of :attr:`modules`."""
        return [parameter for module in self.modules.values() for parameter in module.parameters()]

    @staticmethod
    def construct_algorithm(obs: TensorDict, env: VecEnv, cfg: dict, device: str) -> BRO:
        """Build models, replay and algorithm from the runner's settings."""
        algorithm_class, settings = resolve_class(cfg["algorithm"])
        require_allowed(settings)
        actor_class, actor_cfg = resolve_class(cfg["actor"])
        critic_class, critic_cfg = resolve_class(cfg["critic"])
        with contextlib.redirect_stdout(io.StringIO()):  # it prints the groups, which params/agent.yaml holds as well
            cfg["obs_groups"] = resolve_obs_groups(obs, cfg["obs_groups"], ["actor", "critic"])
        groups = dict.fromkeys(group for names in cfg["obs_groups"].values() for group in names)
        replay = ReplayRing(
            {group: obs[group].shape[-1] for group in groups},
            env.num_actions,
            env.num_envs,
            settings.pop("replay_size") // env.num_envs + 1,
            settings.pop("final_obs_fraction"),
            device,
            getattr(env, "reward_streams", ("reward",)),
            settings.pop("replay_precision", "float32"),
        )
        actor = actor_class(obs, cfg["obs_groups"], "actor", env.num_actions, **actor_cfg)
        critic = critic_class(obs, cfg["obs_groups"], "critic", env.num_actions, **critic_cfg)
        return algorithm_class(actor, critic, replay, device=device, **settings)

    @torch.no_grad()
    def act(self, obs: TensorDict) -> torch.Tensor:
        """Return actions (E, A) in [-1, 1]: uniform draws during the warm-up, then the exploring actor's."""
        if self._rollout_starts:  # the environment may have been reset since the last rollout
            self.replay.cut(obs)
            self.replay.observe(obs)  # within a rollout process_env_step has stored them
            self._rollout_starts = False
        self.actor.update_normalization(obs)
        self.critic.update_normalization(obs)
        self._actions = self._explore(self.actor.get_latent(obs))
        if self.transitions < self.warmup_transitions:
            self._actions = (torch.rand_like(self._actions) * 2.0 - 1.0) * self.warmup_range
        return self._actions

    @torch.no_grad()
    def process_env_step(self, obs: TensorDict, rewards: torch.Tensor, dones: torch.Tensor, extras: dict) -> None:
        """Store the step and credit its updates.

        Where ``extras`` tell the reward streams (see ``nil_ext.tasks.stream_vec_env``), they are stored, not their sum;
        where they say that the streams stored so far lack one that counts now, the replay is forgotten.
        A done that is no time-out is a termination, whose value ends at zero; a time-out bootstraps from the
        observation before its reset.
        """
        dones = dones.bool()
        time_outs = extras.get("time_outs")
        truncated = torch.zeros_like(dones) if time_outs is None else dones & time_outs.to(dones.device).bool()
        final_obs = extras.get("final_obs")
        if final_obs is None:
            if truncated.any():
                raise InputError(
                    "The environment reports a time-out but not its final observation; set compute_final_obs=True in"
                    " the environment's settings."
                )
            final_obs = obs
        final_obs = {group: final_obs[group].to(self.device) for group in self.replay.obs_dims}
        streams = rewards[:, None]
        if "reward_streams" in extras:
            streams = extras["reward_streams"].to(self.device)
            self.replay.reward_weights = extras["reward_weights"].to(self.device)
        self.replay.push(self._actions, streams, dones & ~truncated, truncated, obs, final_obs)
        if extras.get("replay_outdated"):
            self.replay.clear()
            self._rollout_starts = True
            print(
                "\n[INFO] Another reward counts from here on: the replay begins anew, and updates wait until it fills."
            )
        self.transitions += len(dones) * self.world_size
        if self._filled:
            # each process draws batches of its own from what its own environments do: their number cancels out
            self._credit += self.reuse * len(dones) / self.batch_size

    def compute_returns(self, obs: TensorDict) -> None:
        """Do nothing: returns are bootstrapped when a batch is drawn."""

    def update(self) -> dict[str, torch.Tensor]:
        """Run the credited updates and return the mean of what they report, on the device; empty where none was due."""
        reports = []
        while self._num_due:
            reports.append(self.begin_update()())
        names = dict.fromkeys(name for report in reports for name in report)
        return {name: torch.stack([report[name] for report in reports if name in report]).mean() for name in names}

    def begin_update(self) -> Callable[[], dict[str, torch.Tensor]]:
        """Draw what the next credited updates learn from, as many as fit at once, and return what is left to do.

        The function that is returned runs the updates and returns the mean of what they report. It draws no random
        numbers and touches neither the replay nor the normalisers, so it may run in another thread while the
        environment steps; nothing else of the algorithm may be called before it has ended.
        """
        count = self._num_due
        if count == 0:
            return dict
        if self.gradient_steps in self.reset_updates:
            self.learner.reset()
            self._credit += self.reset_catch_up
        self._credit -= count
        self.gradient_steps += count
        batch = self._sample(count * self.batch_size)
        noise = torch.randn(3, *batch.actions.shape, device=self.device)
        return partial(self._learn, batch, noise, self.replay.final_obs_lost)

    def train_mode(self) -> None:
        """Start a rollout; where the environment does not go on from the last stored step, episodes are cut there.

        Raises:
            InputError: When the replay cannot hold what the first update waits for.
        """
        steps, num_envs = self.replay.num_steps - 1, self.replay.num_envs
        if steps * num_envs * self.world_size < self._enough:  # not asked of who only plays, with any number of them
            raise InputError(
                f"The replay holds {steps} step(s) of {num_envs} environments, and updates wait for n_step = "
                f"{self.n_step} of them and for warmup_transitions = {self.warmup_transitions}: enlarge "
                "agent.algorithm.replay_size."
            )
        self.actor.train()
        self.critic.train()
        self._rollout_starts = True

    def broadcast_parameters(self) -> None:
        """Start from the first process's networks."""
        self.learner.synchronise()

    def eval_mode(self) -> None:
        """Stop updating the normalisers."""
        self.actor.eval()
        self.critic.eval()

    def get_policy(self) -> BroActor:
        """Return the policy for evaluation and export: the conservative actor, or the average of its weights."""
        return self.learner.policy

    def save(self) -> dict:
        """Return everything but the replay."""
        return {
            **self.learner.state_dict(),
            "spaces": self._spaces(),
            "transitions": self.transitions,
            "gradient_steps": self.gradient_steps,
            "update_credit": self._credit,
        }

    def load(self, loaded_dict: dict, load_cfg: dict | None = None, strict: bool = True) -> bool:
        """Load the parts that ``load_cfg`` names, and return whether training goes on from them.

        Args:
            loaded_dict: What :meth:`save` returned.
            load_cfg: Whether to load "actor", "critic", "optimizer" (with the duals) and "iteration" (the counters);
                None for all.
            strict: Whether names of parameters must match.
        """
        wanted = load_cfg or dict.fromkeys(("actor", "critic", "optimizer", "iteration"), True)
        if loaded_dict.get("spaces") != self._spaces():
            raise InputError(
                f"The checkpoint was trained for {loaded_dict.get('spaces', 'another algorithm')}, this task has"
                f" {self._spaces()}; choose a checkpoint of the same robot and observations."
            )
        if loaded_dict.get(POLICY_ONLY):
            self.learner.load_policy(loaded_dict["actor_state_dict"])
            return False
        self.learner.load_state_dict(loaded_dict, wanted, strict)
        if not wanted.get("iteration"):
            return False
        self.transitions = loaded_dict["transitions"]
        self.gradient_steps = loaded_dict["gradient_steps"]
        self._credit = loaded_dict["update_credit"]
        return True

    @property
    def _enough(self) -> int:
        """Transitions that updates wait for, of all processes together."""
        return max(self.warmup_transitions, self.n_step * self.replay.num_envs * self.world_size)

    @property
    def _filled(self) -> bool:
        """Whether the replay holds enough to learn from."""
        return len(self.replay) * self.world_size >= self._enough

    @property
    def _num_due(self) -> int:
        """Credited updates that can be drawn for at once: up to the next reset, and as long as the replay is filled."""
        due = min(int(self._credit), _MOST_AT_ONCE) if self._filled else 0
        return min([due, *(at - self.gradient_steps for at in self.reset_updates if at > self.gradient_steps)])

    def _learn(self, batch: Batch, noise: torch.Tensor, final_obs_lost: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run an update for each ``batch_size`` rows and return the mean of what they report."""
        reports = []
        for start in range(0, len(batch.rewards), self.batch_size):
            part = slice(start, start + self.batch_size)
            report = self.learner.step(batch[part], noise[:, part])
            reports.append(torch.stack(list(report.values())))
        return dict(zip(report, torch.stack(reports).mean(dim=0), strict=True)) | {"final_obs_lost": final_obs_lost}

    def _explore(self, latent: torch.Tensor) -> torch.Tensor:
        """Return actions (E, A) to explore with, for normalised observations (E, D)."""
        return self.learner.explore(latent)

    def _draw(self, size: int) -> Transitions:
        """Draw transitions from the replay."""
        return self.replay.sample(size, self.n_step, self.gamma)

    def _spaces(self) -> dict:
        """Return the sizes that a checkpoint must share."""
        return {"observations": self.replay.obs_dims, "actions": self.replay.num_actions}

    def _sample(self, size: int) -> Batch:
        """Draw transitions and normalise their observations, whose statistics updates leave alone."""
        drawn = self._draw(size)
        return Batch(
            actor_obs=self.actor.get_latent(drawn.obs),
            critic_obs=self.critic.get_latent(drawn.obs),
            actions=drawn.actions,
            rewards=drawn.rewards * self.reward_scale,
            discounts=drawn.discounts,
            next_actor_obs=self.actor.get_latent(drawn.next_obs),
            next_critic_obs=self.critic.get_latent(drawn.next_obs),
        )
