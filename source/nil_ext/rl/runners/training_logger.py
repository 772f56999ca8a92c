# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What a training run reports: scalars for TensorBoard and one line for the eye."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import timedelta

import torch
from rsl_rl.utils.log_writer import LogWriter
from rsl_rl.utils.logger import Logger


@dataclass
class Progress:
    """Where a run stands."""

    iteration: int
    """Iterations done."""

    transitions: int
    """Environment steps done, of all environments together."""

    gradient_steps: int
    """Updates done."""

    seconds: float
    """Training time so far, earlier sessions of a resumed run included [s]."""

    fraction: float
    """Part of the budget that is used up, from 0 to 1."""

    seconds_left: float
    """Time to the end of the budget [s]."""


_WINDOWS = 10
"""Reports over which returns are averaged to tell which policy is best (ours)."""


class TrainingLogger(Logger):
    """rsl_rl's logger for a loop that updates at every step and reports once per window of many.

    Sums stay on the device until :meth:`report` fetches them all at once. The environment's ``extras["log"]`` holds
    means over the episodes that ended in a step and stays in place, stale, until the next ones end; it is therefore
    weighted by the number of episodes that ended in each step.

    ``extras["judged"]`` (E,), where the environment gives it, tells by which episodes policies are compared: those that
    begin in mid-motion say as much about where they began as about the policy.
    """

    def __init__(self, **kwargs) -> None:
        """Take the arguments of rsl_rl's logger."""
        super().__init__(**kwargs)
        # sum and number of the judged episodes of each window
        self._returns: deque[tuple[float, float]] = deque(maxlen=_WINDOWS)
        self.git_status_repos = []  # upstream starts with its own source, which in an environment is no repository
        self._start_window()

    @property
    def mean_return(self) -> float | None:
        """Mean return of the judged episodes of the last ten reports; None while they are fewer than environments."""
        total, episodes = (sum(values) for values in zip((0.0, 0.0), *self._returns, strict=True))
        return total / episodes if episodes >= self.num_envs else None

    def forget_returns(self) -> None:
        """Begin :attr:`mean_return` anew; episodes in progress count what they earn from here on."""
        self._returns.clear()
        self.cur_reward_sum.zero_()

    def process_env_step(
        self, rewards: torch.Tensor, dones: torch.Tensor, extras: dict, intrinsic_rewards: torch.Tensor | None = None
    ) -> None:
        """Add one step of all environments to the window.

        Args:
            rewards: Rewards. Shape is (E,).
            dones: Whether the episodes ended. Shape is (E,).
            extras: What the environment tells besides.
            intrinsic_rewards: Unused; part of upstream's signature.
        """
        done = (dones > 0).float()
        num_done = done.sum()
        self.cur_reward_sum += rewards
        self.cur_episode_length += 1
        self._sums["reward"] += rewards.mean()
        self._sums["episodes"] += num_done
        self._sums["return"] += (self.cur_reward_sum * done).sum()
        self._sums["length"] += (self.cur_episode_length * done).sum()
        judged = done * extras["judged"].to(self.device) if "judged" in extras else done
        self._sums["judged"] += judged.sum()
        self._sums["judged_return"] += (self.cur_reward_sum * judged).sum()
        self._sums["judged_length"] += (self.cur_episode_length * judged).sum()
        self.cur_reward_sum *= 1.0 - done
        self.cur_episode_length *= 1.0 - done
        self._steps += 1
        log = extras.get("log")
        if log:
            values = [torch.as_tensor(value, dtype=torch.float32, device=self.device).mean() for value in log.values()]
            weighted = torch.stack([*values, torch.ones_like(num_done)]) * num_done
            # where: a mean over no episodes may be NaN
            self._episodes[tuple(log)] = self._episodes[tuple(log)] + torch.where(num_done > 0, weighted, 0.0)

    def process_update(self, losses: dict[str, torch.Tensor]) -> None:
        """Add what one step's updates report, scalars on the device."""
        if losses:
            values = torch.stack([*losses.values(), torch.ones((), device=self.device)])
            self._losses[tuple(losses)] = self._losses[tuple(losses)] + values

    def report(
        self,
        progress: Progress,
        learning_rate: float,
        action_std: torch.Tensor,
        collect_seconds: float,
        learn_seconds: float,
    ) -> None:
        """Write the window's averages, print the progress line and start a new window.

        Args:
            progress: Where the run stands.
            learning_rate: Learning rate of the networks.
            action_std: Standard deviation of the actions. Shape is (E, A).
            collect_seconds: Time the window spent in the environment [s].
            learn_seconds: Time the window spent in updates, or waiting for those beside the steps [s].
        """
        if self.disable_logs or self._steps == 0:
            return
        transitions = self._steps * self.num_envs * self.gpu_world_size  # of all processes, as progress.transitions
        sums = {name: total.item() for name, total in self._sums.items()}
        scalars = {
            **self._fetch_means(self._episodes),
            **{f"Loss/{name}": value for name, value in self._fetch_means(self._losses).items()},
            "Loss/learning_rate": learning_rate,
            "Policy/mean_std": action_std.mean().item(),
            "Perf/total_fps": transitions / max(collect_seconds + learn_seconds, 1e-9),
            "Perf/collection_time": collect_seconds,
            "Perf/learning_time": learn_seconds,
            "Train/env_steps": progress.transitions,
            "Train/gradient_steps": progress.gradient_steps,
            "Train/minutes": progress.seconds / 60.0,
            "Train/mean_step_reward": sums["reward"] / self._steps,
        }
        if sums["episodes"] > 0:
            scalars["Train/mean_reward"] = sums["return"] / sums["episodes"]
            scalars["Train/mean_episode_length"] = sums["length"] / sums["episodes"]
        self._returns.append((sums["judged_return"], sums["judged"]))
        if 0 < sums["judged"] < sums["episodes"]:
            scalars["Train/mean_reward_judged"] = sums["judged_return"] / sums["judged"]
            scalars["Train/mean_episode_length_judged"] = sums["judged_length"] / sums["judged"]
        if self.writer is not None:
            for tag, value in scalars.items():
                self.writer.add_scalar(tag if "/" in tag else f"Episode/{tag}", value, progress.iteration)
        print(progress_line(progress, scalars), flush=True)
        self._start_window()

    def stop_logging_writer(self) -> None:
        """Stop the writer; upstream leaves TensorBoard's open, whose last seconds are then lost if the process dies."""
        super().stop_logging_writer()
        if self.writer is not None and not isinstance(self.writer, LogWriter):
            self.writer.close()

    def _start_window(self) -> None:
        def zero() -> torch.Tensor:
            return torch.zeros((), device=self.device)

        self._steps = 0
        self._sums: dict[str, torch.Tensor] = defaultdict(zero)
        # Sums and, last, their weight for each set of names that arrived together; the zero broadcasts at first use.
        self._episodes: dict[tuple[str, ...], torch.Tensor] = defaultdict(zero)
        self._losses: dict[tuple[str, ...], torch.Tensor] = defaultdict(zero)

    @staticmethod
    def _fetch_means(windows: dict[tuple[str, ...], torch.Tensor]) -> dict[str, float]:
        """Return the weighted mean of every name; names without weight are left out."""
        totals: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for names, sums in windows.items():
            *values, weight = sums.tolist()
            for name, value in zip(names, values, strict=True):
                totals[name][0] += value
                totals[name][1] += weight
        return {name: value / weight for name, (value, weight) in totals.items() if weight > 0}


def progress_line(progress: Progress, scalars: dict[str, float]) -> str:
    """Return one line: budget used, steps, speed, time, reward streams and metrics, those left out that are 0.

    >>> p = Progress(10, 6400, 80, 12.0, 0.25, 36.0)
    >>> progress_line(p, {"Perf/total_fps": 533.0, "Train/mean_step_reward": 0.5, "Episode_Reward/mask_iou": 0.61})
    ' 25%  6.4k env-steps  533/s  0:00:12 + 0:00:36 left | reward/step 0.5 | mask_iou 0.61'
    """
    elapsed, left = (str(timedelta(seconds=round(s))) for s in (progress.seconds, progress.seconds_left))
    parts = [
        f"{progress.fraction:4.0%}  {_short(progress.transitions)} env-steps  {scalars['Perf/total_fps']:.0f}/s"
        f"  {elapsed} + {left} left",
        f"reward/step {scalars['Train/mean_step_reward']:.3g}",
    ]
    for prefix in ("Episode_Reward/", "Metrics/"):
        named = {tag.rsplit("/", 1)[1]: value for tag, value in scalars.items() if tag.startswith(prefix) and value}
        if named:
            parts.append(" ".join(f"{name} {value:.3g}" for name, value in named.items()))
    return " | ".join(parts)


def _short(count: int) -> str:
    """Return 950, 6.4k or 1.25M."""
    if count < 1000:
        return str(count)
    return f"{count / 1e3:.1f}k" if count < 1_000_000 else f"{count / 1e6:.2f}M"
