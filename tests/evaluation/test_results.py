# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The files of an evaluation, and several evaluations beside each other."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from nil_ext.errors import InputError
from nil_ext.evaluation import METRICS, Evaluation
from nil_ext.evaluation.compare import comparison


def test_what_was_written_is_read_again(make_evaluation):
    written = make_evaluation("bro", 10.0, 20.0)
    for path in (written.folder, written.folder / "evaluation.json"):
        read = Evaluation.read(path)
        assert (read.name, read.about, read.folder) == (written.name, written.about, written.folder)
        for who, seeds in written.episodes.items():
            for mine, theirs in zip(seeds, read.episodes[who], strict=True):
                for name in METRICS:
                    np.testing.assert_array_equal(mine[name], theirs[name])


def test_the_json_is_plain_and_holds_the_summaries(make_evaluation):
    text = (make_evaluation("bro", 10.0, 20.0).folder / "evaluation.json").read_text()
    assert "NaN" not in text
    content = json.loads(text)
    reward = content["summary"]["policy"]["env_reward"]
    assert reward["mean"] == pytest.approx((11.5 + 21.5) / 2)
    assert reward["seeds_ci"] == pytest.approx([11.5, 21.5])
    assert content["summary"]["policy"]["gait_period"]["mean"] is None
    assert content["episodes"]["standing"][0]["env_reward"] == [0.0, 1.0, 2.0, 3.0]


def test_the_csv_has_a_row_an_episode(make_evaluation):
    with open(make_evaluation("bro", 10.0, 20.0).folder / "episodes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 4 + 4 + 4
    assert (rows[5]["policy"], rows[5]["run"], rows[5]["episode"]) == ("policy", "1", "1")
    assert (rows[5]["seed"], Path(rows[5]["path"]).name, rows[5]["sha256"]) == ("7", "model_1.pt", "0f" * 32)
    assert (rows[8]["policy"], rows[8]["run"], rows[8]["seed"], rows[8]["path"]) == ("standing", "0", "", "")
    assert rows[5]["env_reward"] == "21"
    assert rows[4]["symmetry"] == rows[5]["gait_period"] == ""


def test_the_table_has_a_row_a_metric_and_leaves_out_what_nobody_has(make_evaluation):
    lines = (make_evaluation("bro", 10.0).folder / "evaluation.md").read_text().splitlines()
    assert lines[0] == "| metric | policy | standing | random |"
    assert len(lines) == 2 + len(METRICS) - 2  # the two of the gait period
    # 10 to 13: mean 11.5; the extremes of its bootstrap interval are means of four draws
    assert lines[2].startswith("| Env. Reward | 11.5 [1")
    assert "| 1.5 [" in lines[2] and "| -3.5 [" in lines[2]


def test_comparison_says_who_is_better_in_each_metric(make_evaluation):
    ours, theirs = make_evaluation("bro", 10.0, 20.0, 30.0), make_evaluation("amp", 1.0, 2.0)
    lines = comparison([ours, theirs]).splitlines()
    assert lines[0] == "| metric | bro | bro, IQM | amp | amp, IQM | P(bro better than amp) |"
    # three seeds of 10 to 13, 20 to 23, 30 to 33: the middle half of all twelve are 13, 20 to 23 and 30
    assert lines[2].startswith("| Env. Reward | 21.5 [11.5, 31.5] | 21.5 [11.5, 31.5] | 3 [2.5, 3.5] | 3 [2.5, 3.5] |")
    cells = {line.split(" | ")[0].lstrip("| "): line.rstrip(" |").split(" | ")[-1] for line in lines[2:] if line}
    assert cells["Env. Reward"] == "1.00 [1.00, 1.00]"
    assert cells["foot slip [m/s]"] == "0.00 [0.00, 0.00]"  # smaller is better
    assert cells["forward speed [m/s]"] == "–"  # neither is
    assert "gait period [s]" not in cells
    assert not [line for line in lines if line.startswith("Not the same")]


def test_with_one_seed_each_episodes_are_compared(make_evaluation):
    lines = comparison([make_evaluation("bro", 0.0), make_evaluation("amp", 2.0)]).splitlines()
    # 0 1 2 3 against 2 3 4 5: of 16 pairs one is won (3 > 2) and two are ties
    assert "| 0.12 [" in lines[2]


def test_comparison_says_what_was_not_the_same(make_evaluation):
    ours, theirs = make_evaluation("bro", 10.0), make_evaluation("amp", 1.0)
    theirs.about["reference"]["digest"] = "bb" * 16
    assert "\nNot the same reference: bro: aa8a6937a21f; amp: bbbbbbbbbbbb." in comparison([ours, theirs])


def test_evaluations_of_one_name_are_held_against_each_other_too(make_evaluation):
    ours, theirs = make_evaluation("bro", 10.0), make_evaluation("bro", 11.0)
    ours.about["episodes"] = 100
    assert "\nNot the same episodes: bro: 100; bro: 4." in comparison([ours, theirs])


def test_an_evaluation_that_is_older_than_a_metric_is_read(make_evaluation):
    file = make_evaluation("bro", 10.0).folder / "evaluation.json"
    content = json.loads(file.read_text())
    for seeds in content["episodes"].values():
        for values in seeds:
            del values["reference_joint_error"]
    file.write_text(json.dumps(content))
    read = Evaluation.read(file)
    assert np.isnan(read.episodes["policy"][0]["reference_joint_error"]).tolist() == [True] * 4
    assert "reference_joint_error" not in read.metrics() and "mask_iou" in read.metrics()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No evaluation at"),
        ("not json", "cannot be read as an evaluation"),
        ('{"schema": 0}', "has schema 0, not 1"),
        ('{"schema": 1}', "cannot be read as an evaluation"),
        ("[]", "cannot be read as an evaluation"),
    ],
)
def test_what_is_no_evaluation_is_refused(tmp_path, content: str | None, message: str):
    if content is not None:
        (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(InputError, match=message):
        Evaluation.read(tmp_path)
