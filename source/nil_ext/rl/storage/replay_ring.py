# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Replay memory of many environments that step together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from nil_ext.errors import InputError
from nil_ext.memory import memory_for


@dataclass
class Transitions:
    """A batch of n-step transitions.

    Shapes: observations are one tensor (B, D) for each group.
    """

    obs: dict[str, torch.Tensor]
    """Observations in which the actions were chosen."""

    actions: torch.Tensor
    """Actions (B, A)."""

    rewards: torch.Tensor
    """Discounted sum of the rewards of up to n steps, ending with the episode (B,)."""

    discounts: torch.Tensor
    """gamma^k, k the number of rewards in the sum; 0 where a termination ended it (B,)."""

    next_obs: dict[str, torch.Tensor]
    """Observations after the last of those steps; of a truncated episode its final observation."""


_PRECISIONS = {"float32": torch.float32, "float16": torch.float16}

Relabel = Callable[[Transitions], torch.Tensor]
"""Rewards (B,) of B transitions of one step, undiscounted: after a termination, where ``discounts`` are 0 and else 1,
``next_obs`` is already the next episode's."""


class ReplayRing:
    """Ring of time steps, on one device, that never grows and never waits for the device.

    Time comes first, so that a step of all environments is one contiguous row: ``obs[t], action[t], reward[t]`` and how
    step t ended. Each observation is stored once: the one after step t is row t + 1. The exception is an episode that
    was truncated, where row t + 1 already holds the next episode; its final observation lies in a table aside. That
    table is a ring of its own, addressed by the number of truncations so far, with a last row that takes the writes of
    environments that were not truncated, so that every write has the same shape.

    Rewards are kept stream by stream and weighted when a batch is drawn, so that weights may change while it fills.

    With D observations, A actions, K streams and a table of a tenth, a transition takes 4.4 D + 4 (A + K) + 6 byte, or
    2.2 D + 4 (A + K) + 6 with observations in float16. A million of the H1's then take 0.27 GiB with the paper preset
    (D = 82, A = 19, K = 7) and 0.37 GiB with the cpu preset (D = 120, A = 19, K = 13).
    """

    def __init__(
        self,
        obs_dims: Mapping[str, int],
        num_actions: int,
        num_envs: int,
        num_steps: int,
        final_obs_fraction: float = 0.1,
        device: torch.device | str = "cpu",
        reward_streams: Sequence[str] = ("reward",),
        precision: str = "float32",
    ) -> None:
        """Set the size; memory is taken when the first observation arrives.

        Args:
            obs_dims: Size D of each observation group.
            num_actions: Size A of the action.
            num_envs: Number E of environments.
            num_steps: Number T of rows; T - 1 steps can be sampled, the last row is the step in progress.
            final_obs_fraction: Size of the table of final observations, relative to E T. It is enough while truncated
                episodes last 1 / final_obs_fraction steps on average.
            device: Where the memory lies.
            reward_streams: Names of the K reward streams.
            precision: Type in which observations are kept, "float32" or "float16"; larger ones than it holds are
                clamped. What is drawn is float32.

        Raises:
            InputError: When the ring is too small for a step, or the precision is none of these.
        """
        if num_steps < 2:
            raise InputError(f"The replay holds {num_steps} step(s) of {num_envs} environments; enlarge replay_size.")
        if precision not in _PRECISIONS:
            raise InputError(f"replay_precision '{precision}' is unknown; write float32 or float16.")
        self.obs_dims = dict(obs_dims)
        self.num_actions = num_actions
        self.num_envs = num_envs
        self.num_steps = num_steps
        self.num_final = math.ceil(final_obs_fraction * num_envs * num_steps) + num_envs
        self.device = torch.device(device)
        self.reward_streams = tuple(reward_streams)
        """Names of the reward streams."""
        self.precision = precision
        self._type = _PRECISIONS[precision]
        self.reward_weights = torch.ones(len(self.reward_streams), device=self.device)
        """What each stream counts in the rewards that are drawn (K,); may be set at any time."""
        self.count = 0
        """Number of steps stored so far, those since overwritten included."""
        self.final_obs_lost = torch.zeros((), device=self.device)
        """Share of the last sample whose final observation was overwritten; see :meth:`gather`."""
        self._num_truncated = torch.zeros((), dtype=torch.int32, device=self.device)
        self._obs: dict[str, torch.Tensor] = {}  # (T, E, D) each
        self._steps: dict[str, torch.Tensor] = {}  # (T, E, *) each
        self._final_obs: dict[str, torch.Tensor] = {}  # (F + 1, D) each

    def __len__(self) -> int:
        """Return the number of stored transitions."""
        return min(self.count, self.num_steps - 1) * self.num_envs

    def observe(self, obs: Mapping[str, torch.Tensor]) -> None:
        """Write the observations (E, D) in which the next actions are chosen."""
        self._allocate()
        row = self.count % self.num_steps
        for group, storage in self._obs.items():
            storage[row] = self._stored(obs[group])

    def push(
        self,
        actions: torch.Tensor,
        rewards: torch.Tensor,
        terminated: torch.Tensor,
        truncated: torch.Tensor,
        next_obs: Mapping[str, torch.Tensor],
        final_obs: Mapping[str, torch.Tensor],
    ) -> None:
        """Complete the step begun by :meth:`observe`.

        Args:
            actions: Actions. Shape is (E, A).
            rewards: Reward streams, unweighted, in the order of :attr:`reward_streams`. Shape is (E, K).
            terminated: Whether the episode ended for good. Shape is (E,), bool.
            truncated: Whether it was cut short; a termination in the same step wins. Shape is (E,), bool.
            next_obs: Observations after the step, of the new episode where one ended. Shapes are (E, D).
            final_obs: Observations before the reset, read only where truncated. Shapes are (E, D).
        """
        row = self.count % self.num_steps
        truncated = truncated & ~terminated
        self._steps["actions"][row] = actions
        self._steps["rewards"][row] = rewards
        self._steps["terminated"][row] = terminated
        self._steps["truncated"][row] = truncated
        self._store_final(row, truncated, final_obs)
        self.count += 1
        self.observe(next_obs)

    def cut(self, obs: Mapping[str, torch.Tensor]) -> None:
        """Truncate the episodes in progress that do not go on from the observation after their last stored step.

        Args:
            obs: Observations from which the environments go on. Shapes are (E, D).
        """
        if self.count == 0:
            return
        row = (self.count - 1) % self.num_steps
        after = {group: storage[self.count % self.num_steps] for group, storage in self._obs.items()}
        # as stored: what was only rounded is no other place
        elsewhere = torch.stack([(self._stored(obs[g]) != after[g]).any(dim=-1) for g in after]).any(dim=0)
        cut = elsewhere & ~(self._steps["terminated"][row] | self._steps["truncated"][row])
        self._store_final(row, cut, after)
        self._steps["truncated"][row] |= cut

    def sample(
        self, batch_size: int, n_step: int = 1, gamma: float = 0.99, relabel: Relabel | None = None
    ) -> Transitions:
        """Draw transitions uniformly, with replacement."""
        first = max(0, self.count - self.num_steps + 1)
        last = self.count - n_step
        if last < first:
            raise InputError(f"The replay holds {self.count - first} step(s), fewer than n_step = {n_step}.")
        step = torch.randint(first, last + 1, (batch_size,), device=self.device)
        env = torch.randint(self.num_envs, (batch_size,), device=self.device)
        return self.gather(step, env, n_step, gamma, relabel)

    def gather(
        self,
        step: torch.Tensor,
        env: torch.Tensor,
        n_step: int = 1,
        gamma: float = 0.99,
        relabel: Relabel | None = None,
    ) -> Transitions:
        """Return the n-step transitions that start at the given steps.

        Where the final observation of a truncated episode was overwritten, the last observation before it stands in (as
        in rsl_rl's PPO); :attr:`final_obs_lost` tells how often, and a larger final_obs_fraction avoids it.

        Args:
            step: Steps counted from the first one ever stored, each with n - 1 stored successors. Shape is (B,), int64.
            env: Environments. Shape is (B,), int64.
            n_step: Largest number n of rewards to sum.
            gamma: Discount of one step.
            relabel: Gives the rewards to sum instead of the stored ones.
        """
        rows = {name: storage.flatten(0, 1) for name, storage in self._steps.items()}  # (T E, *)
        obs = {group: storage.flatten(0, 1) for group, storage in self._obs.items()}
        offsets = torch.arange(n_step, device=self.device)
        window = self._flat(step[:, None] + offsets, env[:, None])  # (B, n)
        done = rows["terminated"][window] | rows["truncated"][window]
        alive = torch.ones_like(window)  # a reward counts until the episode has ended
        alive[:, 1:] = (~done[:, :-1]).long().cumprod(dim=-1)
        length = alive.sum(dim=-1)  # k, from 1 to n

        end = self._flat(step + length - 1, env)
        slot = rows["final_slot"][end]
        truncated = rows["truncated"][end]
        lost = truncated & (self._num_truncated - slot > self.num_final)
        kept = (truncated & ~lost)[:, None]
        next_row = torch.where(lost, end, self._flat(step + length, env))
        start = window[:, 0]
        if relabel is None:
            rewards = rows["rewards"][window] @ self.reward_weights
        else:
            single = self.gather((step[:, None] + offsets).flatten(), env.repeat_interleave(n_step), gamma=1.0)
            rewards = relabel(single).view_as(window)
        self.final_obs_lost = lost.float().mean()
        return Transitions(
            obs={group: values[start].float() for group, values in obs.items()},
            actions=rows["actions"][start],
            rewards=(rewards * alive * gamma**offsets).sum(dim=-1),
            discounts=gamma**length * ~rows["terminated"][end],
            next_obs={
                group: torch.where(kept, self._final_obs[group][slot % self.num_final], values[next_row]).float()
                for group, values in obs.items()
            },
        )

    def clear(self) -> None:
        """Forget everything stored."""
        self.count = 0
        self._num_truncated.zero_()

    @property
    def nbytes(self) -> int:
        """Size of what :meth:`state_dict` returns [byte]."""
        storages = [*self._obs.values(), *self._steps.values()]
        return self._filled * sum(s[0].nbytes for s in storages) + sum(s.nbytes for s in self._final_obs.values())

    @property
    def full_nbytes(self) -> int:
        """Memory of the whole ring [byte], also before it is taken."""
        return sum(storage.nbytes for part in self._new_storages("meta") for storage in part.values())

    def state_dict(self) -> dict:
        """Return a copy of the content, without rows not yet written (of a view the whole memory would be saved).

        The copy is on the host: a GPU may not hold the replay twice.
        """
        host = partial(torch.Tensor.to, device="cpu", copy=True)
        return {
            "size": self._size(),
            "count": self.count,
            "num_truncated": host(self._num_truncated),
            "stream_weights": host(self.reward_weights),  # updates may draw before the next step tells them
            "obs": {group: host(storage[: self._filled]) for group, storage in self._obs.items()},
            "steps": {name: host(storage[: self._filled]) for name, storage in self._steps.items()},
            "final_obs": {group: host(storage) for group, storage in self._final_obs.items()},
        }

    def load_state_dict(self, state: dict) -> bool:
        """Take over saved content, the weights of its rewards included.

        Returns:
            False, and nothing is taken over, where it comes from a ring of another size, precision or other reward
            streams.
        """
        if state["size"] != self._size():
            return False
        self._allocate()
        self.reward_weights = state["stream_weights"].to(self.device)
        self.count = state["count"]
        self._num_truncated.copy_(state["num_truncated"])
        for name in ("obs", "steps", "final_obs"):
            for key, storage in getattr(self, f"_{name}").items():
                storage[: len(state[name][key])] = state[name][key]
        return True

    @property
    def _filled(self) -> int:
        """Number of rows that hold something, the step in progress included."""
        return min(self.count + 1, self.num_steps)

    def _size(self) -> dict:
        return {
            "obs_dims": self.obs_dims,
            "num_actions": self.num_actions,
            "num_envs": self.num_envs,
            "num_steps": self.num_steps,
            "num_final": self.num_final,
            "reward_streams": list(self.reward_streams),
            "precision": self.precision,
        }

    def _allocate(self) -> None:
        """Take the memory, once."""
        if self._obs:
            return
        fits = memory_for(
            f"The replay's {self.num_steps} steps of {self.num_envs} environments", "lower agent.algorithm.replay_size"
        )
        # Under inference mode new tensors could not be written outside of it (rsl_rl's own runner collects under it).
        with fits, torch.inference_mode(False):
            self._obs, self._steps, self._final_obs = self._new_storages(self.device)

    def _new_storages(self, device: torch.device | str) -> tuple[dict[str, torch.Tensor], ...]:
        """Return observations, steps and final observations, all zero.

        Zeros, since the newest row is saved before its reward is known, and what was in the memory may be no number;
        and since gather() looks up a slot for every row and only then drops it where nothing was truncated.
        """
        steps, envs = self.num_steps, self.num_envs
        new = partial(torch.zeros, device=device)
        return (
            {group: new(steps, envs, dim, dtype=self._type) for group, dim in self.obs_dims.items()},
            {
                "actions": new(steps, envs, self.num_actions),
                "rewards": new(steps, envs, len(self.reward_streams)),
                "terminated": new(steps, envs, dtype=torch.bool),
                "truncated": new(steps, envs, dtype=torch.bool),
                "final_slot": new(steps, envs, dtype=torch.int32),
            },
            {group: new(self.num_final + 1, dim, dtype=self._type) for group, dim in self.obs_dims.items()},
        )

    def _stored(self, obs: torch.Tensor) -> torch.Tensor:
        """Return observations in the type in which they are kept."""
        largest = torch.finfo(self._type).max
        return obs.clamp(-largest, largest).to(self._type)

    def _store_final(self, row: int, truncated: torch.Tensor, final_obs: Mapping[str, torch.Tensor]) -> None:
        """Write the final observations of the truncated environments to the table and their slots to the row."""
        slot = self._num_truncated + truncated.cumsum(0, dtype=torch.int32) - 1
        slots = self._steps["final_slot"][row]
        slots.copy_(torch.where(truncated, slot, slots))  # cut() comes second to a row: others keep theirs
        target = torch.where(truncated, slot % self.num_final, self.num_final)
        for group, storage in self._final_obs.items():
            storage[target] = self._stored(final_obs[group])
        self._num_truncated += truncated.sum(dtype=torch.int32)

    def _flat(self, step: torch.Tensor, env: torch.Tensor) -> torch.Tensor:
        """Return the index of a step of an environment in the flattened rows."""
        return step % self.num_steps * self.num_envs + env
