"""Published figures: filed under corpora that there are, as printed, and fairly held against."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from jser import datasets, protocols
from jser.evaluation.tables import render, to_text
from jser.evaluation.yardsticks import YARDSTICKS, beside
from jser.protocols.naming import PROTOCOL_NAMES

Make = Callable[..., Any]
ALL = [(corpus, y) for corpus, rows in YARDSTICKS.items() for y in rows]

# Lee and Tashev 2015, figure 6: UA and WA in per cent, and whether the text prints them too.
FIGURE_6 = {
    "DNN-ELM, loudest 10 %": (47.8, 54.4, False),
    "DNN-ELM, loudest 30 %": (52.13, 57.91, True),
    "DNN-ELM, loudest 50 %": (50.7, 55.8, False),
    "DNN-ELM, all frames": (51.9, 55.5, False),
    "RNN(CE)-ELM": (60.7, 60.9, False),
    "RNN-ELM": (63.89, 62.85, True),
    "RNN alone": (55.5, 57.9, False),
}
# Chen et al. 2018: UAR and its deviation in per cent, of IEMOCAP and of EMO-DB.
CHEN = {
    "DNN-ELM, run by the same": ((51.24, 7.24), (71.56, 8.43)),
    "2-D ACRNN": ((62.40, 6.70), (79.38, 7.78)),
    "3-D ACRNN": ((64.74, 5.44), (82.82, 4.99)),
}


@pytest.fixture
def iemocap(make_corpus: Make) -> Any:
    corpus = make_corpus(n_speakers=10, n_classes=4, name="iemocap_2280")
    # Speakers 1 and 2 talk in the first session, and so on.
    session = (corpus.speaker.astype(int) - 1) // 2
    return dataclasses.replace(corpus, session=session.astype(str))


def test_each_is_filed_under_a_corpus_that_can_be_built() -> None:
    assert set(YARDSTICKS) <= set(datasets.names())


@pytest.mark.parametrize(("corpus", "y"), ALL, ids=[f"{c}: {y.name}, {y.metric}" for c, y in ALL])
def test_each_is_a_share_with_a_source(corpus: str, y: Any) -> None:
    assert 0 < y.value < 1
    assert y.spread is None or 0 < y.spread < 0.2
    assert y.source
    assert y.protocol
    assert y.same_as is None or y.same_as in PROTOCOL_NAMES
    assert not (y.unsure and y.same_as is None), "then the folds are not stated at all"


def test_none_is_there_twice() -> None:
    assert set(Counter((c, y.name, y.metric, y.source) for c, y in ALL).values()) == {1}


def test_figure_6_of_lee_and_tashev() -> None:
    rows = [y for y in YARDSTICKS["iemocap_2280"] if "Lee" in y.source]
    found = {(y.name, y.metric): (round(100 * y.value, 4), y.remark) for y in rows}
    assert found == {
        (name, metric): (value, "" if in_text else "read off figure 6")
        for name, (ua, wa, in_text) in FIGURE_6.items()
        for metric, value in (("uar", ua), ("wa", wa))
    }


def test_the_table_of_chen_et_al() -> None:
    for place, corpus in enumerate(("iemocap_2280", "emodb")):
        rows = [y for y in YARDSTICKS[corpus] if "Chen" in y.source]
        found = {y.name: (round(100 * y.value, 4), round(100 * (y.spread or 0), 4)) for y in rows}
        assert found == {name: both[place] for name, both in CHEN.items()}


def test_what_a_paper_leaves_open_is_neither_comparable_nor_not(iemocap: Any, build: Make) -> None:
    made, _ = build(iemocap, protocols.make("iemocap_speakers", iemocap, dev_speakers=1))
    rows = {(row["name"], row["metric"]): row for row in made["yardsticks"]}
    assert rows["3-D ACRNN", "uar"]["comparable"] is True
    assert rows["RNN-ELM", "uar"]["comparable"] is None
    why = rows["RNN(CE)-ELM", "wa"]["why"]
    assert why == (
        "whether both speakers of a session were tested in turn is not stated; read off figure 6"
    )
    assert rows["RNN(CE)-ELM", "wa"]["this_run"] == made["wa"]["mean"]
    assert rows["DCNN-BLSTM with attention", "uar"]["why"] == "its folds are not stated"


def test_what_is_open_does_not_hide_that_the_protocol_is_another(iemocap: Any, build: Make) -> None:
    made, _ = build(iemocap, protocols.make("iemocap_sessions", iemocap))
    rows = {(row["name"], row["metric"]): row for row in made["yardsticks"]}
    assert rows["RNN-ELM", "wa"]["comparable"] is False
    assert rows["RNN-ELM", "wa"]["why"].startswith("another protocol; ")
    assert rows["DCNN-BLSTM with attention", "uar"]["comparable"] is None


def chen(made: Any) -> Any:
    """The row of the 3-D ACRNN: 8 speakers train, 1 is dev, 1 is the test."""
    (row,) = [row for row in made["yardsticks"] if row["name"] == "3-D ACRNN"]
    return row


@pytest.mark.parametrize(
    ("dev_speakers", "refit", "why"),
    [
        (1, False, ""),
        (1, True, "this run trains again, with dev, on 9 speakers a fold, the paper on 8"),
        (2, False, "this run has 2 dev speakers a fold, the paper 1; "
                   "this run trains on 7 speakers a fold, the paper on 8"),
        (2, True, "this run has 2 dev speakers a fold, the paper 1; "
                  "this run trains again, with dev, on 9 speakers a fold, the paper on 8"),
    ],
)  # fmt: skip
def test_other_speakers_train_and_tune(
    dev_speakers: int, refit: bool, why: str, make_corpus: Make, build: Make
) -> None:
    corpus = make_corpus(n_speakers=10, name="emodb")
    protocol = protocols.make("leave_one_speaker_out", corpus, dev_speakers=dev_speakers)
    made, _ = build(corpus, protocol, refit=refit)
    row = chen(made)
    assert (row["comparable"], row["why"]) == (not why, why)
    # Nobody knows Zhang et al.'s folds, so nothing is said of their speakers.
    (zhang,) = [row for row in made["yardsticks"] if "Zhang" in row["source"]]
    assert (zhang["comparable"], zhang["why"]) == (None, "its folds are not stated")


def test_iemocap_s_dev_speaker_is_the_partner_and_a_refit_hears_him(
    iemocap: Any, build: Make
) -> None:
    """Also where two were asked for; a refit settles what the paper leaves open."""
    protocol = protocols.make("iemocap_speakers", iemocap, dev_speakers=2)
    made, _ = build(iemocap, protocol)
    assert chen(made)["comparable"] is True
    again, _ = build(iemocap, protocol, run="again", refit=True)
    assert chen(again)["comparable"] is False
    rows = {(row["name"], row["metric"]): row for row in again["yardsticks"]}
    assert rows["RNN-ELM", "uar"]["comparable"] is False
    assert rows["RNN-ELM", "uar"]["why"] == (
        "this run trains again, with dev, on 9 speakers a fold, the paper on 8; "
        "whether both speakers of a session were tested in turn is not stated"
    )


@pytest.mark.parametrize(
    ("dev_speakers", "refit", "heard"), [(4, True, 20), (2, True, 20), (4, False, 16)]
)
def test_emobox_hears_all_actors_who_are_not_the_test(
    dev_speakers: int, refit: bool, heard: int, make_corpus: Make, build: Make
) -> None:
    corpus = make_corpus(n_speakers=24, each=2, name="ravdess")
    protocol = protocols.make("ravdess_emobox", corpus, dev_speakers=dev_speakers)
    made, _ = build(corpus, protocol, refit=refit)
    why = "" if refit else f"this run trains on {heard} speakers a fold, the paper on 20"
    assert {(r["comparable"], r["why"]) for r in made["yardsticks"]} == {(not why, why)}


def test_of_another_protocol_no_speakers_are_counted(make_corpus: Make, build: Make) -> None:
    corpus = make_corpus(n_speakers=10, name="emodb")
    made, _ = build(corpus, protocols.make("speaker_k_fold:5", corpus), refit=True)
    assert chen(made)["why"] == "another protocol"


def test_folds_of_unlike_sizes(make_corpus: Make, build: Make) -> None:
    made, _ = build(
        corpus := make_corpus(n_speakers=10, name="emodb"),
        protocols.make("leave_one_speaker_out", corpus, dev_speakers=1),
    )
    first, *others = made["folds"]
    longer = {**first, "n_train_speakers": 7, "dev_speakers": ["02", "03"]}
    row = chen({"yardsticks": beside({**made, "folds": [longer, *others]})})
    assert row["why"] == (
        "this run has 1 to 2 dev speakers a fold, the paper 1; "
        "this run trains on 7 to 8 speakers a fold, the paper on 8"
    )


def test_an_accuracy_beside_a_split_by_speaker(make_corpus: Make, build: Make) -> None:
    corpus = make_corpus(n_speakers=4, name="savee")
    made, _ = build(corpus, protocols.make("leave_one_speaker_out", corpus))
    (row,) = [row for row in made["yardsticks"] if "Qazi" in row["source"]]
    assert (row["value"], row["metric"], row["comparable"]) == (0.9426, "wa", None)
    assert row["why"] == "its folds are not stated; a random split would explain it"


def test_some_of_the_classes_are_another_task(iemocap: Any, build: Make) -> None:
    made, _ = build(iemocap, protocols.make("iemocap_speakers", iemocap, dev_speakers=1))
    rows = beside({**made, "joined": {"corpora": [{"name": "iemocap_2280"}]}})
    assert {row["comparable"] for row in rows} == {False}
    assert all(row["why"].startswith("this run has other classes") for row in rows)


def test_the_longest_table_fits_a_terminal(iemocap: Any, build: Make) -> None:
    made, _ = build(iemocap, protocols.make("iemocap_speakers", iemocap, dev_speakers=1))
    shown = to_text(render(made))
    assert max(map(len, shown.splitlines())) <= 100
    assert shown.count("read off figure 6") == 10
