"""Several runs in one table: what may be compared with a published figure, and by whom."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jser import protocols
from jser.evaluation import lineup, report

Make = Callable[..., Any]


@pytest.fixture
def compare(make_corpus: Make, build: Make, tmp_path: Path) -> Make:
    """Runs on EMO-DB with one dev speaker, each with its own settings: compare.json."""
    corpus = make_corpus(n_speakers=10, name="emodb")
    protocol = protocols.make("leave_one_speaker_out", corpus, dev_speakers=1)

    def make(**runs: dict[str, Any]) -> Any:
        reports = {}
        for run, change in runs.items():
            reports[run], scores = build(corpus, protocol, run=run, **change)
            report.write(tmp_path / run, reports[run], scores)
        return lineup.build({run: tmp_path / run for run in runs}, reports)

    return make


def row(made: Any, name: str) -> Any:
    (found,) = [row for row in made["yardsticks"] if row["name"] == name]
    return found


def test_where_runs_differ_it_says_who_may_be_compared(compare: Make) -> None:
    made = compare(once={}, again={"refit": True})
    found = row(made, "3-D ACRNN")
    assert found["comparable"] is False
    assert found["why"] == (
        "once: comparable; "
        "again: this run trains again, with dev, on 9 speakers a fold, the paper on 8"
    )
    same = row(made, "DCNN-BLSTM with attention")
    assert (same["comparable"], same["why"]) == (None, "its folds are not stated")
    json.dumps(made)


def test_where_they_agree_it_is_said_once(compare: Make) -> None:
    found = row(compare(one={}, two={}), "3-D ACRNN")
    assert (found["comparable"], found["why"]) == (True, "")
