# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""rsl_rl's runner for algorithms that learn from a replay."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rsl_rl.env import VecEnv
from rsl_rl.runners import OnPolicyRunner
from tensordict import TensorDict

from nil_ext.errors import InputError, NonFiniteError
from nil_ext.rl.algorithms import BRO
from nil_ext.rl.distributed import maximum_

from .checkpoint import CHECKPOINT_VERSION, last_checkpoint, read_checkpoint, write_checkpoint
from .guard import RewardTerms, all_finite, diagnose, step_streams, write_diagnostic
from .learning_thread import LearningThread
from .random_state import get_random_state, set_random_state
from .replay_file import ReplayFile
from .stop_request import StopRequest, stop_on_signals
from .training_logger import Progress, TrainingLogger

BEST_FILE = "model_best.pt"
"""Name of the checkpoint with the highest mean return; see :attr:`TrainingLogger.mean_return`."""

DIAGNOSTIC_FILE = "diagnostic.pt"
"""Name of the file that tells what was not finite."""

WITHIN_WARM_UP = "within its warm-up"
"""Words of the line about a run that has learned nothing; tables of runs pass the line on."""


class OffPolicyRunner(OnPolicyRunner):
    """Steps the environment and runs the updates each step has earned.

    Construction, policy access and export are upstream's. An iteration is ``num_steps_per_env`` steps; a report comes
    every ``log_interval`` iterations, a checkpoint every ``save_interval``. A run ends after its iterations or after
    ``max_minutes`` of training, earlier sessions of a resumed run included.

    Beyond upstream's settings it reads ``log_interval``, ``max_minutes``, ``replay_save_limit`` and ``learn_beside``
    (see :class:`nil_ext.rl.cfg.BroRunnerCfg`).
    """

    alg: BRO
    """The algorithm."""

    logger: TrainingLogger
    """The logger."""

    def __init__(self, env: VecEnv, train_cfg: dict, log_dir: str | None = None, device: str = "cpu") -> None:
        """Build algorithm and logger."""
        if env.num_envs < 1:
            raise InputError(f"num_envs is {env.num_envs}; train with at least one environment.")
        for name in ("num_steps_per_env", "log_interval", "save_interval"):
            if train_cfg.get(name, 1) < 1:
                raise InputError(f"agent.{name} is {train_cfg[name]}; give 1 or more.")
        if not (train_cfg.get("max_minutes", 1.0) or 0.0) > 0.0:
            raise InputError(f"agent.max_minutes is {train_cfg['max_minutes']}; give more than 0, or inf.")
        if not hasattr(env, "cfg"):
            env.cfg = {}  # upstream's logger asks for it; a plain VecEnv may have none
        super().__init__(env, train_cfg, log_dir, device)
        self.logger = TrainingLogger(
            log_dir=log_dir,
            cfg=self.cfg,
            env_cfg=env.cfg,
            num_envs=env.num_envs,
            is_distributed=self.is_distributed,
            gpu_world_size=self.gpu_world_size,
            gpu_global_rank=self.gpu_global_rank,
            device=device,
        )
        self.infos: dict | None = None
        """What checkpoints say about the run, such as joint names, in plain values; returned by :meth:`load`."""
        self.reward_terms: RewardTerms | None = None
        """Gives the reward terms of an environment by name, for the words of an error."""
        self.seconds = 0.0
        """Training time so far, earlier sessions included [s]."""
        self.best_return = float("-inf")
        """Highest mean return so far, which the best checkpoint has."""
        self._judged_by = self._reward_weights
        self._loaded_folder: Path | None = None
        self._replay_file = ReplayFile(self.gpu_global_rank, self.cfg.get("replay_save_limit", 0.0))
        self._collect_seconds = 0.0
        self._learn_seconds = 0.0
        self._learning_thread: LearningThread | None = None

    def learn(self, num_learning_iterations: int, init_at_random_ep_len: bool = False) -> None:
        """Train for a number of iterations or until the time budget is used up.

        A checkpoint is written at the end, and also on Ctrl-C and SIGTERM, which end the run after the step in progress
        by a KeyboardInterrupt.

        Raises:
            NonFiniteError: When an observation, reward, action or weight is not finite.
        """
        max_seconds = 60.0 * self.cfg.get("max_minutes", float("inf"))
        if self.seconds >= max_seconds:
            raise InputError(
                f"This run has used its {max_seconds / 60:g} minutes; set a larger agent.max_minutes to go on."
            )
        if init_at_random_ep_len:
            self.env.episode_length_buf = torch.randint_like(
                self.env.episode_length_buf, high=int(self.env.max_episode_length)
            )
        try:
            self.logger.init_logging_writer()
        except OSError as error:
            raise InputError(f"Cannot write to {self.logger.log_dir} ({error}); choose another log folder.") from error
        self._go_on_from_loaded()
        self.alg.train_mode()
        if self.is_distributed:
            self.alg.broadcast_parameters()
        with stop_on_signals() as stop, self._beside():
            try:
                stopped = self._run(num_learning_iterations, max_seconds, stop)
            finally:  # also when the environment fails: hours of training are not lost
                stop.saving = True
                if self._learning_thread is not None:
                    self._learning_thread.finish()
                self._save_to_log_dir()
                self.logger.stop_logging_writer()
        if stopped:
            raise KeyboardInterrupt(stop.signal.name if stop.signal else "another process was stopped")
        # else its numbers, those of an untrained policy, would look like what was learned
        if self.alg.transitions <= self.alg.warmup_transitions and self.gpu_global_rank == 0:
            print(
                f"[INFO] The run ended {WITHIN_WARM_UP} ({self.alg.transitions} of {self.alg.warmup_transitions}"
                " transitions), with random actions and hardly an update: give it a larger budget, or lower"
                " agent.algorithm.warmup_transitions."
            )

    def save(self, path: str, infos: dict | None = None) -> None:
        """Write a checkpoint; the file appears whole or not at all."""
        content = self.alg.save()
        content["version"] = CHECKPOINT_VERSION
        content["iter"] = self.current_learning_iteration
        content["seconds"] = self.seconds
        content["best_return"] = self.best_return
        content["reward_weights"] = self._reward_weights
        content["rng"] = get_random_state(self.device)
        content["infos"] = self.infos if infos is None else infos
        write_checkpoint(content, Path(path))
        self.logger.save_model(path, self.current_learning_iteration)

    def load(
        self, path: str, load_cfg: dict | None = None, strict: bool = True, map_location: str | None = None
    ) -> dict | None:
        """Load a checkpoint, and on the next :meth:`learn` replay and best checkpoint beside it.

        Arguments are upstream's, and so are the checkpoints it reads beside its own: rsl_rl's runner stores neither
        time nor random state.

        Returns:
            What the run that wrote it said about itself.
        """
        content = read_checkpoint(Path(path), map_location or self.device)
        if content.get("version", 0) > CHECKPOINT_VERSION:
            raise InputError(
                f"{path} has checkpoint version {content['version']}, this nil_ext reads up to {CHECKPOINT_VERSION};"
                " update nil_ext."
            )
        if self.alg.load(content, load_cfg, strict):
            self.current_learning_iteration = content["iter"]
            self.seconds = content.get("seconds", 0.0)
            set_random_state(content.get("rng", {}), self.device)
            self._loaded_folder = Path(path).parent
        return content["infos"]

    def leave_replay(self, reason: str) -> None:
        """Go on from the loaded weights without the replay and the best checkpoint beside them.

        Args:
            reason: why their rewards cannot be compared with this run's; printed.
        """
        self._loaded_folder = None
        print(f"[INFO] {reason}: its replay is left behind, and updates wait until it has been refilled.")

    def _configure_multi_gpu(self) -> None:
        """Join the processes that torchrun started; unlike upstream also on the CPU, with gloo for the messages."""
        self.gpu_world_size = int(os.getenv("WORLD_SIZE", "1"))
        if self.gpu_world_size == 1 or torch.device(self.device).type == "cuda":
            super()._configure_multi_gpu()
            return
        self.is_distributed = True
        self.gpu_global_rank, self.gpu_local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
        self.cfg["multi_gpu"] = {
            "global_rank": self.gpu_global_rank,
            "local_rank": self.gpu_local_rank,
            "world_size": self.gpu_world_size,
        }
        torch.distributed.init_process_group("gloo", rank=self.gpu_global_rank, world_size=self.gpu_world_size)

    def _run(self, num_iterations: int, max_seconds: float, stop: StopRequest) -> bool:
        """Run iterations, reports and checkpoints; return whether the run was stopped."""
        obs = self.env.get_observations().to(self.device)
        self._check({f"observation {group}": obs[group] for group in self.alg.replay.obs_dims}, stop)
        start = (self.current_learning_iteration, self.seconds)
        last = start[0] + num_iterations
        while self.current_learning_iteration < last and self.seconds < max_seconds:
            obs, stopped = self._run_iteration(obs, stop)
            if stopped:
                return True
            done = self.current_learning_iteration >= last or self.seconds >= max_seconds
            # the first one too, so that a first reward is seen at once
            first = self.current_learning_iteration == start[0] + 1
            if done or first or self.current_learning_iteration % self.cfg.get("log_interval", 1) == 0:
                self._report(start, last, max_seconds)
            if not done and self.current_learning_iteration % self.cfg["save_interval"] == 0:
                self._save_to_log_dir()
        return self._check({}, stop)  # the weights after the last update

    def _run_iteration(self, obs: TensorDict, stop: StopRequest) -> tuple[TensorDict, bool]:
        """Run ``num_steps_per_env`` steps, each followed by the updates it has earned, or fewer where asked to stop.

        Returns:
            The newest observations, and whether the run is to stop.
        """
        begin = time.perf_counter()
        learn_seconds = 0.0
        stopped = False
        for _ in range(self.cfg["num_steps_per_env"]):
            # Not inference_mode: tensors made under it could not be used in the updates that follow.
            with torch.no_grad():
                actions = self.alg.act(obs)
                (obs, rewards, dones, extras), waited = self._step(actions.to(self.env.device))
                learn_seconds += waited
                obs, rewards, dones = obs.to(self.device), rewards.to(self.device), dones.to(self.device)
                streams = step_streams(self.alg.replay.obs_dims, actions, obs, rewards, dones, extras)
                stopped = self._check(streams, stop)
                self.alg.process_env_step(obs, rewards, dones, extras)
                self.logger.process_env_step(rewards, dones, extras)
            if self._learning_thread is None:
                learn_seconds += self._learn(self.alg.update)
            if stopped:
                break
        else:
            self.current_learning_iteration += 1
        seconds = time.perf_counter() - begin
        if self.is_distributed:  # all have to see the end of the budget in the same iteration
            seconds = maximum_(torch.tensor(seconds, device=self.device)).item()
        self.seconds += seconds
        self._learn_seconds += learn_seconds
        self._collect_seconds += seconds - learn_seconds
        return obs, stopped

    def _step(self, actions: torch.Tensor) -> tuple[tuple, float]:
        """Step the environment, and beside it run the updates that earlier steps have earned, where that is chosen.

        Returns:
            What the environment returned, and the time by which the updates took longer [s].
        """
        if self._learning_thread is None:
            return self.env.step(actions), 0.0
        stepped, rest = self._learning_thread.beside(lambda: self.env.step(actions), self.alg)
        return stepped, sum(map(self._learn, rest))

    def _learn(self, update: Callable[[], dict[str, torch.Tensor]]) -> float:
        """Run updates, or wait for them, log what they report and return the time it took [s]."""
        begin = time.perf_counter()
        self.logger.process_update(update())
        return time.perf_counter() - begin

    @contextmanager
    def _beside(self) -> Iterator[None]:
        """Learn beside the environment's steps while the body runs, where that is chosen and possible."""
        if not (self.cfg.get("learn_beside", False) and LearningThread.possible(self.device)):
            yield
            return
        with LearningThread() as self._learning_thread:
            try:
                yield
            finally:
                self._learning_thread = None

    def _check(self, streams: dict[str, torch.Tensor], stop: StopRequest) -> bool:
        """Stop training where a stream or a weight is not finite, on all processes at once.

        Returns:
            Whether any process was asked to stop.
        """
        if self.cfg.get("check_for_nan", True):
            broken = ~all_finite([*streams.values(), *self.alg.weights])
        else:
            broken = torch.zeros((), dtype=torch.bool, device=self.device)
        stopped = stop.signal is not None
        if self.is_distributed:
            flags = torch.stack([broken.float(), torch.tensor(float(stopped), device=self.device)])
            broken, stopped = (flag > 0.0 for flag in maximum_(flags).tolist())
        if broken:  # the one wait for the device in a step
            self._refuse(streams)
        return stopped

    def _refuse(self, streams: dict[str, torch.Tensor]) -> None:
        """Name what is not finite, write it to a file and raise."""
        fault, tensors = diagnose(self.alg.modules, streams, self.infos, self.reward_terms)
        message = f"Not finite: {fault}, in iteration {self.current_learning_iteration + 1}; training was stopped."
        if self.logger.log_dir is not None and tensors:
            folder = Path(self.logger.log_dir)
            self._save_to_log_dir()  # not if it is the weights; else nothing of this step has been learned from
            position = {"iter": self.current_learning_iteration, "transitions": self.alg.transitions}
            write_diagnostic(folder / DIAGNOSTIC_FILE, fault, position, tensors)
            message += f" The step is in {folder / DIAGNOSTIC_FILE}, the last good checkpoint is"
            message += f" {last_checkpoint(folder) or 'none: nothing was saved before'}."
        raise NonFiniteError(message)

    def _report(self, start: tuple[int, float], last: int, max_seconds: float) -> None:
        """Log the window that ends here, and keep the policy where its mean return is the highest so far.

        Where other rewards count than before, the best policy starts anew.

        Args:
            start: Iteration and training time at which this session began.
            last: Iteration at which it ends.
            max_seconds: Time budget [s].
        """
        done = self.current_learning_iteration - start[0]
        by_iterations = (self.seconds - start[1]) / done * (last - self.current_learning_iteration)
        left = max(0.0, min(by_iterations, max_seconds - self.seconds))
        progress = Progress(
            iteration=self.current_learning_iteration,
            transitions=self.alg.transitions,
            gradient_steps=self.alg.gradient_steps,
            seconds=self.seconds,
            fraction=self.seconds / (self.seconds + left),
            seconds_left=left,
        )
        self.logger.report(
            progress,
            self.alg.learning_rate,
            self.alg.get_policy().output_std,
            self._collect_seconds,
            self._learn_seconds,
        )
        self._collect_seconds = self._learn_seconds = 0.0
        if self._reward_weights != self._judged_by:  # a return by other weights is no measure of those to come
            self._judged_by, self.best_return = self._reward_weights, float("-inf")
            self.logger.forget_returns()
            if self.logger.writer is not None:  # else a short run's best would be one that learned from other rewards
                (Path(self.logger.log_dir) / BEST_FILE).unlink(missing_ok=True)
        mean_return = self.logger.mean_return
        if self.logger.writer is not None and mean_return is not None and mean_return > self.best_return:
            self.best_return = mean_return
            if all_finite(self.alg.weights):
                self.save(str(Path(self.logger.log_dir) / BEST_FILE))

    def _save_to_log_dir(self) -> None:
        """Write the checkpoint and the replay; broken weights never replace good ones."""
        if self.logger.log_dir is None or not all_finite(self.alg.weights):
            return
        folder = Path(self.logger.log_dir)
        if self.logger.writer is not None:  # the first process
            self.save(str(folder / f"model_{self.current_learning_iteration}.pt"))
        self._replay_file.save(folder, self.alg.replay, self.alg.transitions)

    @property
    def _reward_weights(self) -> dict[str, float] | None:
        """Weights of the rewards, where the environment tells them."""
        return getattr(self.env, "reward_weights", None)

    def _go_on_from_loaded(self) -> None:
        """Take over replay and best policy that lie beside the loaded checkpoint, once."""
        folder, self._loaded_folder = self._loaded_folder, None
        if folder is None:
            return
        if (best := folder / BEST_FILE).is_file():
            content = read_checkpoint(best, self.device)
            if content.get("reward_weights") == self._reward_weights:  # as above
                self.best_return, self._judged_by = content["best_return"], self._reward_weights
                if self.logger.writer is not None:
                    write_checkpoint(content, Path(self.logger.log_dir) / BEST_FILE)
        missing, then = self._replay_file.load(folder, self.alg.replay, self._reward_weights)
        # all processes have to earn their updates alike
        if maximum_(torch.tensor(float(bool(missing)), device=self.device)):
            self.alg.replay.clear()
            print(f"[INFO] {missing or 'Another process has no replay'}: updates wait until it has been refilled.")
        elif then not in (None, self.alg.transitions):
            print(
                f"[INFO] {folder / self._replay_file.name} was saved after {then} transitions, the checkpoint after"
                f" {self.alg.transitions}: the run goes on with what the replay holds all the same."
            )
