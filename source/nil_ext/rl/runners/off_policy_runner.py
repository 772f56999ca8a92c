# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""rsl_rl's runner for algorithms that learn from a replay."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from rsl_rl.env import VecEnv
from rsl_rl.runners import OnPolicyRunner
from rsl_rl.utils import check_nan
from tensordict import TensorDict

from nil_ext.errors import InputError
from nil_ext.rl.algorithms import BRO

from .checkpoint import read_checkpoint, write_checkpoint
from .training_logger import Progress, TrainingLogger

REPLAY_FILE = "replay.pt"
"""Name of the replay's file, beside the checkpoints."""


class OffPolicyRunner(OnPolicyRunner):
    """Steps the environment and runs the updates each step has earned.

    Construction, policy access and export are upstream's. An iteration is ``num_steps_per_env`` steps; a report comes
    every ``log_interval`` iterations, a checkpoint every ``save_interval``. A run ends after its iterations or after
    ``max_minutes`` of training, earlier sessions of a resumed run included.

    Beyond upstream's settings it reads ``log_interval``, ``max_minutes`` and ``replay_save_limit`` (see
    :class:`nil_ext.rl.cfg.BroRunnerCfg`).
    """

    alg: BRO
    """The algorithm."""

    logger: TrainingLogger
    """The logger."""

    def __init__(self, env: VecEnv, train_cfg: dict, log_dir: str | None = None, device: str = "cpu") -> None:
        """Build algorithm and logger."""
        if env.num_envs < 1:
            raise InputError(f"num_envs is {env.num_envs}; train with at least one environment.")
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
        self.seconds = 0.0
        """Training time so far, earlier sessions included [s]."""
        self._replay_file: Path | None = None
        self._collect_seconds = 0.0
        self._learn_seconds = 0.0

    def learn(self, num_learning_iterations: int, init_at_random_ep_len: bool = False) -> None:
        """Train for a number of iterations or until the time budget is used up.

        A checkpoint is written at the end, and also on Ctrl-C, which is raised again.
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
        self._load_replay()
        self.alg.train_mode()
        try:
            self.logger.init_logging_writer()
        except OSError as error:
            raise InputError(f"Cannot write to {self.logger.log_dir} ({error}); choose another log folder.") from error
        obs = self.env.get_observations().to(self.device)
        start = (self.current_learning_iteration, self.seconds)
        last = self.current_learning_iteration + num_learning_iterations
        try:
            while self.current_learning_iteration < last and self.seconds < max_seconds:
                obs = self._run_iteration(obs)
                done = self.current_learning_iteration >= last or self.seconds >= max_seconds
                # the first one too, so that a first reward is seen at once
                first = self.current_learning_iteration == start[0] + 1
                if done or first or self.current_learning_iteration % self.cfg.get("log_interval", 1) == 0:
                    self._report(start, last, max_seconds)
                if not done and self.current_learning_iteration % self.cfg["save_interval"] == 0:
                    self._save_to_log_dir()
        finally:  # also when interrupted, or when the environment fails: hours of training are not lost
            self._save_to_log_dir()
            self.logger.stop_logging_writer()

    def save(self, path: str, infos: dict | None = None) -> None:
        """Write a checkpoint; the file appears whole or not at all."""
        content = self.alg.save()
        content["iter"] = self.current_learning_iteration
        content["seconds"] = self.seconds
        content["rng"] = {"cpu": torch.get_rng_state()}
        if torch.device(self.device).type == "cuda":
            content["rng"]["cuda"] = torch.cuda.get_rng_state(self.device)
        content["infos"] = self.infos if infos is None else infos
        write_checkpoint(content, Path(path))
        self.logger.save_model(path, self.current_learning_iteration)

    def load(
        self, path: str, load_cfg: dict | None = None, strict: bool = True, map_location: str | None = None
    ) -> dict | None:
        """Load a checkpoint, and on the next :meth:`learn` the replay beside it; arguments are upstream's.

        Returns:
            What the run that wrote it said about itself.
        """
        content = read_checkpoint(Path(path), map_location or self.device)
        if self.alg.load(content, load_cfg, strict):
            self.current_learning_iteration = content["iter"]
            self.seconds = content.get("seconds", 0.0)  # rsl_rl's own runner stores neither time nor random state
            rng = content.get("rng", {})
            if "cpu" in rng:
                torch.set_rng_state(rng["cpu"].cpu())
            if "cuda" in rng and torch.device(self.device).type == "cuda":
                torch.cuda.set_rng_state(rng["cuda"].cpu(), self.device)
            self._replay_file = Path(path).with_name(REPLAY_FILE)
        return content["infos"]

    def _run_iteration(self, obs: TensorDict) -> TensorDict:
        """Run ``num_steps_per_env`` steps, each followed by the updates it has earned."""
        begin = time.perf_counter()
        learn_seconds = 0.0
        for _ in range(self.cfg["num_steps_per_env"]):
            # Not inference_mode: tensors made under it could not be used in the updates that follow.
            with torch.no_grad():
                actions = self.alg.act(obs)
                obs, rewards, dones, extras = self.env.step(actions.to(self.env.device))
                if self.cfg.get("check_for_nan", True):
                    check_nan(obs, rewards, dones)
                obs, rewards, dones = obs.to(self.device), rewards.to(self.device), dones.to(self.device)
                self.alg.process_env_step(obs, rewards, dones, extras)
                self.logger.process_env_step(rewards, dones, extras)
            learn_begin = time.perf_counter()
            self.logger.process_update(self.alg.update())
            learn_seconds += time.perf_counter() - learn_begin
        seconds = time.perf_counter() - begin
        self.current_learning_iteration += 1
        self.seconds += seconds
        self._learn_seconds += learn_seconds
        self._collect_seconds += seconds - learn_seconds
        return obs

    def _report(self, start: tuple[int, float], last: int, max_seconds: float) -> None:
        """Log the window that ends here.

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

    def _save_to_log_dir(self) -> None:
        """Write the checkpoint and, where it is small enough, the replay."""
        if self.logger.writer is None:
            return
        folder = Path(self.logger.log_dir)
        self.save(str(folder / f"model_{self.current_learning_iteration}.pt"))
        replay = self.alg.replay
        if len(replay) and replay.nbytes <= self.cfg.get("replay_save_limit", 0.0) * 1e6:
            write_checkpoint(replay.state_dict(), folder / REPLAY_FILE)

    def _load_replay(self) -> None:
        """Read the replay that lies beside the loaded checkpoint, once."""
        file, self._replay_file = self._replay_file, None
        if file is None:
            return
        if not file.is_file():
            print(f"[INFO] No replay beside {file.parent}'s checkpoint: updates wait until it has been refilled.")
        elif not self.alg.replay.load_state_dict(read_checkpoint(file, self.device)):
            print(f"[INFO] {file} fits another num_envs or replay_size: updates wait until the replay is refilled.")
