"""A figure for each corpus of a test, and what a result over several corpora must say."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jser import emotions, protocols
from jser.evaluation import intervals, matrix, metrics, page, report
from tests.evaluation.conftest import FakeCorpus
from tests.evaluation.html_tree import parse

CLASSES = ("anger", "neutral", "sadness")


@dataclass(frozen=True)
class Joined(FakeCorpus):
    split: Any = None
    corpus_of: Any = None
    origins: Any = ()
    labels: Any = field(default_factory=lambda: emotions.label_map("calm_as_neutral"))


def origin(name, speakers, n, **change):
    fields = {
        "name": name,
        "fingerprint": f"print of {name}",
        "rows": np.arange(n),
        "n_utterances": n + 5,
        "n_speakers": speakers,
        "taken": {"anger": {"anger": n}, "neutral": {"neutral": 0, "calm": 7}, "sadness": {}},
        "left_out": {"fear": 5},
        "partial": False,
        "synthetic": False,
        "note": None,
    }
    return SimpleNamespace(**{**fields, **change})


@pytest.fixture
def joined(make_corpus):
    def make(a=6, b=12, origins=None, **change):
        parts = {"alpha": make_corpus(n_speakers=a), "beta": make_corpus(n_speakers=b)}
        arrays = {
            name: np.concatenate([np.char.add(f"{n}/", getattr(p, name)) for n, p in parts.items()])
            for name in ("speaker", "session", "text_id", "pcm_sha256", "utterance_id")
        }
        n = {name: len(p.label) for name, p in parts.items()}
        fields = {
            "name": "alpha+beta",
            "classes": CLASSES,
            "sex": {f"{n}/{s}": k for n, p in parts.items() for s, k in p.sex.items()},
            "label": np.concatenate([p.label for p in parts.values()]),
            "corpus_of": np.concatenate([np.full(k, name) for name, k in n.items()]),
            "origins": origins
            or (origin("alpha", a, n["alpha"]), origin("beta", b, n["beta"], left_out={})),
        }
        return Joined(**{**arrays, **fields, **change})

    return make


@pytest.fixture
def crossed(joined, build):
    corpus = joined()
    protocol = protocols.make("leave_one_corpus_out", corpus)
    made, scores = build(corpus, protocol, baseline=True)
    return made, scores


def test_each_corpus_has_its_own_figures(crossed):
    sk = pytest.importorskip("sklearn.metrics")
    made, scores = crossed
    j = scores.judged
    assert [c["name"] for c in made["test_corpora"]] == ["alpha", "beta"]
    for one, other in zip(made["test_corpora"], ("beta", "alpha"), strict=True):
        mine = np.char.startswith(j.speaker, one["name"])
        each = [
            sk.recall_score(j.truth[mine & (j.seed == s)], j.predicted[mine & (j.seed == s)],
                            average="macro")
            for s in (0, 1)
        ]  # fmt: skip
        assert one["trained_on"] == [other]
        assert one["uar"]["mean"] == pytest.approx(np.mean(each), abs=1e-6)
        assert one["uar"]["std"] == pytest.approx(np.std(each, ddof=1), abs=1e-6)
        of_speakers = np.array([s.startswith(one["name"]) for s in scores.speakers])
        wanted, _ = intervals.speaker_interval(scores.by_speaker[of_speakers], metrics.uar)
        assert (one["uar"]["low"], one["uar"]["high"]) == pytest.approx(
            (wanted.low, wanted.high), abs=1e-6
        )
        assert one["n_speakers"] == of_speakers.sum()
        assert one["n_utterances"] == 12 * one["n_speakers"]
        assert one["chance_uar"] == pytest.approx(1 / 3, abs=1e-6)
        assert np.sum(one["confusion"]) == 2 * one["n_utterances"]
        assert f"t with {one['n_speakers'] - 1} degrees" in one["interval_method"]
        assert one["others"][0]["comparison"]["n_speakers"] == one["n_speakers"]


def test_no_figure_is_pooled_over_corpora(crossed):
    made, _ = crossed
    each = [one["uar"]["mean"] for one in made["test_corpora"]]
    assert made["uar"]["mean"] == pytest.approx(np.mean(each), abs=1e-6)
    assert made["uar"]["low"] is None
    assert made["pooling_rule"] == "mean of test corpora"
    assert made["baseline"] is None
    assert not any("too few" in w for w in made["warnings"])
    assert any("6 test speakers of alpha: the jackknife" in w for w in made["warnings"])


def test_a_result_says_what_was_joined(crossed):
    made, _ = crossed
    assert made["cross_corpus"] is True
    assert made["marks"][0].startswith("CROSS-CORPUS: trained on some corpora, tested on another")
    assert "LABELS calm_as_neutral: alpha: calm (7) for neutral" in made["marks"]
    text = report.text(made)
    for words in (
        "Tested on alpha, trained on beta  (72 utterances, 6 speakers)",
        "Tested on beta, trained on alpha  (144 utterances, 12 speakers)",
        "alpha 5 (fear 5)",
        "alpha 72 of 77 utterances, 6 speakers",
        "Classes of beta, in % of the truth",
        "Calm cannot be told from neutral",
        "silence not trimmed",
    ):
        assert words in " ".join(text.split()) or words in text, words
    assert "majority class" not in text


def test_parts_that_are_partial_synthetic_or_odd_are_named(joined, build):
    origins = (
        origin("alpha", 6, 72, partial=True, left_out={}),
        origin("beta", 12, 144, synthetic=True, note="cut", left_out={}),
    )
    corpus = joined(origins=origins, partial=True, synthetic=True, note="beta: cut")
    made, _ = build(corpus, protocols.make("leave_one_corpus_out", corpus))
    marks = "\n".join(made["marks"])
    assert "SYNTHETIC: beta is made by a generator" in marks
    assert "PARTIAL: recordings of alpha are missing" in marks
    assert "NOT COMPARABLE: beta: cut" in marks


def test_speaker_folds_over_joined_corpora_are_pooled_and_split(joined, build):
    corpus = joined(a=4)
    made, _ = build(corpus, protocols.make("speaker_k_fold:4", corpus), baseline=True)
    assert made["cross_corpus"] is False
    assert made["pooling_rule"] == "pooled"
    assert made["uar"]["low"] is not None
    assert made["marks"][0].startswith("JOINED: one test of 2 corpora")
    assert made["test_corpora"][0]["uar"]["low"] is None
    assert made["test_corpora"][0]["trained_on"] == ["alpha", "beta"]
    assert any(w.startswith("4 test speakers of alpha are too few") for w in made["warnings"])
    text = report.text(made)
    assert "majority class" in text
    assert "Tested on alpha, trained on alpha and beta" in text


def test_a_corpus_in_part_is_not_comparable(make_corpus, build):
    whole = make_corpus()
    part = Joined(**{**vars(whole), "corpus_of": np.full(len(whole.label), "fake"),
                     "origins": (origin("fake", 10, 120),)})  # fmt: skip
    made, _ = build(part, protocols.make("leave_one_speaker_out", part))
    assert (
        "NOT COMPARABLE: 3 classes of the 4 of fake; published figures are of all" in made["marks"]
    )
    assert made["test_corpora"] == []
    plain, _ = build(whole, protocols.make("leave_one_speaker_out", whole), run="other")
    assert plain["joined"] is None
    assert plain["marks"] == []


def test_page_shows_each_corpus(crossed):
    made, _ = crossed
    html = page.render(made)
    parse(html)
    assert "Tested on alpha, trained on beta" in html
    assert "UAR, pooled" not in html
    assert "% on alpha" in html


# --- the matrix -----------------------------------------------------------------------------------


@pytest.fixture
def result(joined, make_corpus, build, crossed):
    made, _ = crossed
    reports, configs = {}, {}
    for name in ("alpha", "beta"):
        whole = make_corpus(name=name, n_speakers=3 if name == "beta" else 10)
        reports[name], _ = build(
            whole, protocols.make("leave_one_speaker_out", whole), run=name, baseline=True
        )
        configs[name] = {"labels": "calm_as_neutral"}
    reports["alpha+beta"] = made
    configs["alpha+beta"] = configs["alpha"]
    return matrix.build(reports, configs), reports


def test_matrix_takes_rows_from_training_and_columns_from_tests(result):
    made, reports = result
    at = {(c["trained_on"], c["tested_on"]): c for c in made["cells"]}
    assert list(at) == [("alpha", "alpha"), ("alpha", "beta"), ("beta", "alpha"), ("beta", "beta")]
    assert at["alpha", "alpha"]["uar"] == reports["alpha"]["uar"]
    tested = {one["name"]: one for one in reports["alpha+beta"]["test_corpora"]}
    assert at["alpha", "beta"]["uar"] == tested["beta"]["uar"]
    assert at["beta", "alpha"]["uar"] == tested["alpha"]["uar"]
    assert at["beta", "alpha"]["n_speakers"] == 6
    assert at["alpha", "beta"]["within"] is False
    assert at["beta", "beta"]["uar"]["low"] is None
    assert all(c["chance_uar"] == pytest.approx(1 / 3, abs=1e-6) for c in made["cells"])
    assert all(c["baseline"]["uar"]["mean"] > 0 for c in made["cells"])


def test_matrix_against_chance():
    def cell(low, high):
        return {"uar": {"low": low, "high": high}, "chance_uar": 0.25}

    assert matrix.against_chance(cell(0.3, 0.5)) == "above"
    assert matrix.against_chance(cell(0.2, 0.3)) == "not told from it"
    assert matrix.against_chance(cell(0.1, 0.2)) == "below"
    assert matrix.against_chance(cell(None, None)) == "not known"


def test_matrix_as_text_and_page(result):
    made, _ = result
    text = matrix.text(made)
    for cell in made["cells"]:
        assert matrix.shown(cell) in text
    assert "trained on \\ tested on" in text
    assert "[no interval]" in text
    assert "CROSS-CORPUS" in text
    html = page.render_matrix(made)
    parse(html)
    assert html.count('class="frame"') == 2
    assert "http" not in html.replace("http-equiv", "")
    for cell in made["cells"]:
        assert matrix.shown(cell) in html
