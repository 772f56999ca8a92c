# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The replay's file, beside the checkpoints of a run."""

from __future__ import annotations

from pathlib import Path

from nil_ext.errors import InputError
from nil_ext.rl.storage import ReplayRing

from .checkpoint import read_checkpoint, write_checkpoint


class ReplayFile:
    """Saves and loads the replay of one process."""

    def __init__(self, rank: int, limit: float) -> None:
        """Choose name and size.

        Args:
            rank: the process's number; those after the first put it into the file's name.
            limit: size up to which a replay is saved [MB].
        """
        self.name = "replay.pt" if rank == 0 else f"replay_rank{rank}.pt"
        """Name of the file."""
        self._limit = limit
        self._tells = rank == 0 and limit > 0.0

    def save(self, folder: Path, replay: ReplayRing, transitions: int) -> None:
        """Write the replay where there is one and it is small enough; else leave none of an earlier moment behind.

        Args:
            folder: the run's.
            replay: the replay.
            transitions: how many the run has seen.
        """
        fits = replay.nbytes <= self._limit * 1e6
        if len(replay) and fits:
            # it may end up beside a checkpoint of another moment
            write_checkpoint(replay.state_dict() | {"transitions": transitions}, folder / self.name)
            return
        (folder / self.name).unlink(missing_ok=True)
        if self._tells and not fits:
            self._tells = False
            print(
                f"\n[INFO] The replay takes {replay.nbytes / 1e6:.3g} MB, more than agent.replay_save_limit ="
                f" {self._limit:g}, and is not saved: a resumed run has to refill it first."
            )

    def load(self, folder: Path, replay: ReplayRing, reward_weights: dict[str, float] | None) -> tuple[str, int | None]:
        """Take over what was saved.

        Args:
            folder: the run's.
            replay: takes it over.
            reward_weights: weights of the rewards now, where the environment tells them.

        Returns:
            What is in the way, empty where nothing is; and the transitions of the run when it was saved, where known.
        """
        file = folder / self.name
        if not file.is_file():
            return f"No replay beside {folder}'s checkpoint", None
        try:
            saved = read_checkpoint(file, "cpu")  # a GPU may not hold it twice
        except InputError:  # the checkpoint beside it can be gone on from all the same
            return f"{file} is damaged", None
        if "stream_weights" not in saved:
            return f"{file} was saved by a version that did not keep what its rewards count", None
        # streams of weight 0 in the newest step are stored as 0
        then = dict(zip(saved["size"]["reward_streams"], saved["stream_weights"].tolist(), strict=True))
        if late := [name for name, weight in (reward_weights or {}).items() if weight and not then.get(name, weight)]:
            return f"{file} does not know {', '.join(late)}, which did not count then and does now", None
        if not replay.load_state_dict(saved):
            return f"{file} fits another num_envs, replay_size, replay_precision, set of rewards", None
        return "", saved.get("transitions")
