"""Tables counted by hand, and guesses against scikit-learn's."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from sklearn.metrics import recall_score
from sklearn.naive_bayes import CategoricalNB

from jser.audit import balance


@dataclass
class Made:
    label: np.ndarray
    speaker: np.ndarray
    text_id: np.ndarray
    classes: tuple[str, ...] = ("anger", "neutral", "sadness")
    sex: dict[str, str] = field(default_factory=lambda: {"a": "f", "b": "m"})


def test_tables_by_hand():
    corpus = Made(
        label=np.array([0, 0, 1, 0, 1, 1]),
        speaker=np.array(["a", "a", "a", "b", "b", "c"]),
        text_id=np.array(["t1", "t2", "t1", "t1", "", "t2"]),
    )
    made = balance.tables(corpus, np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]))
    assert made["classes"]["anger"] == {
        "utterances": 3, "seconds": 11.0, "median_seconds": 2.0, "speakers": 2, "texts": 2,
        "sex": {"?": 0, "f": 2, "m": 1},
    }  # fmt: skip
    assert made["classes"]["sadness"]["utterances"] == 0
    assert made["classes"]["sadness"]["median_seconds"] is None
    assert made["speakers"]["a"] == {
        "sex": "f", "utterances": 3, "seconds": 7.0,
        "classes": {"anger": 2, "neutral": 1, "sadness": 0},
    }  # fmt: skip
    assert made["speakers"]["c"]["sex"] == "?"
    assert made["texts"] == {
        "t1": {"utterances": 3, "speakers": 2,
               "classes": {"anger": 2, "neutral": 1, "sadness": 0}},
        "t2": {"utterances": 2, "speakers": 2,
               "classes": {"anger": 1, "neutral": 1, "sadness": 0}},
    }  # fmt: skip
    assert made["texts_unknown"] == 1


def drawn(n_speakers=8, each=60, seed=0):
    rng = np.random.default_rng(seed)
    n = n_speakers * each
    label = rng.integers(3, size=n)
    speaker = np.repeat([f"s{i}" for i in range(n_speakers)], each)
    return rng, Made(label=label, speaker=speaker, text_id=np.full(n, ""))


def test_guess_is_naive_bayes_of_the_other_speakers():
    rng, corpus = drawn()
    value = (corpus.label + rng.integers(4, size=len(corpus.label))) % 6
    (row,) = balance.give_aways(corpus, {"fact": np.array([f"v{v}" for v in value])})
    guess = np.empty_like(corpus.label)
    for s in np.unique(corpus.speaker):
        own = corpus.speaker == s
        model = CategoricalNB(alpha=0.5, fit_prior=False, min_categories=6)
        guess[own] = model.fit(value[~own, None], corpus.label[~own]).predict(value[own, None])
    assert row["uar"] == pytest.approx(recall_score(corpus.label, guess, average="macro"))
    assert row["tells"]
    assert row["chance"] == pytest.approx(1 / 3, abs=0.02)


def test_what_tells_all_and_what_tells_nothing():
    rng, corpus = drawn()
    facts = {
        "all": np.array(list("xyz"))[corpus.label],
        "number": corpus.label + 0.01 * rng.random(len(corpus.label)),
        "nothing": rng.random(len(corpus.label)),
        "one value": np.full(len(corpus.label), 3.0),
        "the speaker": corpus.speaker,
    }
    rows = {row["fact"]: row for row in balance.give_aways(corpus, facts)}
    assert set(rows) == {"all", "number", "nothing", "the speaker"}
    assert rows["all"]["uar"] == 1
    assert rows["all"]["p"] == 1 / 200
    # The bin on the border between two classes is guessed as one of them.
    assert rows["number"]["uar"] > 0.85
    assert not rows["nothing"]["tells"]
    assert rows["nothing"]["uar"] == pytest.approx(1 / 3, abs=0.08)
    # No other speaker has this value, so it says nothing: exactly chance, in every deal.
    assert rows["the speaker"]["uar"] == pytest.approx(1 / 3)
    assert rows["the speaker"]["p"] == 1


def test_p_of_what_says_nothing_is_even(monkeypatch):
    monkeypatch.setattr(balance, "_DEALS", 19)
    rng, corpus = drawn(n_speakers=5, each=20)
    rows = balance.give_aways(corpus, {str(i): rng.random(100) for i in range(60)})
    p = np.array([row["p"] for row in rows])
    assert np.mean(p < 0.5) == pytest.approx(0.5, abs=0.15)
    assert np.mean(p <= 0.1) == pytest.approx(0.1, abs=0.1)


def test_one_speaker_or_one_class_has_no_guess():
    rng, corpus = drawn(n_speakers=1)
    assert balance.give_aways(corpus, {"x": rng.random(60)}) == []
    _, corpus = drawn()
    corpus.label[:] = 1
    assert balance.give_aways(corpus, {"x": rng.random(480)}) == []
