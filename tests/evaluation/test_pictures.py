"""Pictures of unknown authors: each is a unit, and the report says so."""

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from jser import protocols
from jser.evaluation import certificates, compare, intervals, lineup, metrics, page, report
from jser.evaluation.tables import render_comparison, to_text
from tests.evaluation.conftest import FakeCorpus
from tests.evaluation.html_tree import parse


@dataclass(frozen=True)
class FakePictures(FakeCorpus):
    things: str = "pictures"


@pytest.fixture
def gallery(make_corpus: Any) -> FakePictures:
    """120 pictures of three classes, 60, 40 and 20 of them."""
    corpus = make_corpus()
    none = np.full(len(corpus.label), "")
    label = np.repeat(np.arange(3), (60, 40, 20)).astype(np.int32)
    fields = {**vars(corpus), "speaker": none, "session": none, "text_id": none, "sex": {}}
    return FakePictures(**{**fields, "label": label})


@pytest.fixture
def folds(gallery: FakePictures) -> protocols.Protocol:
    return protocols.make("picture_k_fold:5", gallery)


def one_hot(truth: np.ndarray, predicted: np.ndarray, k: int) -> np.ndarray:
    """[N, R, K, K] of predicted [N, R]."""
    conf = np.zeros((*predicted.shape, k, k))
    for i, r in np.ndindex(*predicted.shape):
        conf[i, r, truth[i], predicted[i, r]] = 1
    return conf


def test_intervals_are_by_picture(gallery: Any, folds: Any, build: Any) -> None:
    made, scores = build(gallery, folds, baseline=True)
    assert (made["unit"], made["things"], made["n_speakers"]) == ("picture", "pictures", 0)
    assert scores.by_unit.shape == (120, 2, 3, 3)
    assert (scores.by_unit.sum((2, 3)) == 1).all()
    assert made["interval_method"] == "percentile bootstrap of pictures, 2000 draws"
    assert made["interval_beside"]["method"].startswith("delete-one-picture jackknife")
    # By hand: pictures drawn with replacement, of all seeds at once.
    rng = np.random.default_rng(1)
    judged = scores.judged
    names = sorted(set(judged.utterance_id))
    right = np.array(
        [judged.predicted[judged.utterance_id == n] == judged.truth[judged.utterance_id == n]
         for n in names], float
    )  # fmt: skip
    truth = np.array([judged.truth[judged.utterance_id == n][0] for n in names])
    drawn = []
    for _ in range(1000):
        rows = rng.integers(0, 120, 120)
        drawn.append(np.mean([right[rows][truth[rows] == k].mean() for k in range(3)]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert made["uar"]["low"] == pytest.approx(low, abs=0.02)
    assert made["uar"]["high"] == pytest.approx(high, abs=0.02)
    assert made["per_speaker"] == []
    assert made["baseline"]["comparison"]["unit"] == "picture"
    assert made["baseline"]["comparison"]["n_speakers"] == 120


def test_what_the_report_says(gallery: Any, folds: Any, build: Any) -> None:
    made, _ = build(gallery, folds, baseline=True)
    shown = report.text(made)
    flat = " ".join(shown.split())
    assert "120 pictures, unknown authors, 2 seeds" in flat
    assert "95 % by picture" in shown
    assert "Whose the pictures are is not known: intervals and tests take each" in flat
    assert "Nobody knows who took or painted 120 of the 120 test pictures" in flat
    assert "over 120 pictures" in flat
    assert "speaker" not in shown.partition("Folds")[0].replace("unknown speakers", "")
    assert "sentences" not in shown
    assert not [mark for mark in made["marks"] if mark.startswith(("LEAK", "RANDOM"))]
    certificate = protocols.certificate(gallery, folds)
    tree = parse(page.render(made, certificate=certificate.to_json()))
    text = " ".join(tree.text().split())
    assert "95 % interval by picture" in text
    assert "share no picture, and no author or session that is known" in text
    assert "Speakers" not in [one.text() for one in tree.all("h2")]
    shown = certificates.text(certificate, width=160)
    assert "nearly equal pictures in two parts of a fold: none" in shown
    assert "test pictures of unknown authors: 120" in shown
    assert "women" not in shown


def test_fi_has_accuracy_first(gallery: Any, build: Any) -> None:
    corpus = replace(gallery, name="fi")
    made, _ = build(corpus, protocols.make("picture_split", corpus))
    assert made["n_utterances"] == 18
    assert made["protocol"] == "picture_split"
    line = next(x for x in report.text(made).splitlines() if "macro F1" in x)
    assert line.index("WA") < line.index("95 % by picture") < line.index("UAR")
    tree = parse(page.render(made))
    assert "accuracy (WA), pooled" in tree.one("div", "headline").text()
    assert f"{100 * made['wa']['mean']:.1f}" in tree.one("p", "number").text()


def test_known_authors_are_the_units(gallery: Any, build: Any) -> None:
    author = np.array([f"a{i % 8}" for i in range(120)])
    corpus = replace(gallery, speaker=author)
    made, scores = build(corpus, protocols.make("speaker_k_fold:4", corpus))
    assert made["unit"] == "speaker"
    assert len(made["per_speaker"]) == len(scores.by_unit) == 8
    assert "8 authors" in report.text(made)


def test_runs_are_paired_by_picture(gallery: Any, folds: Any, build: Any, tmp_path: Any) -> None:
    reports = {}
    for run, right in (("a", 0.5), ("b", 0.8)):
        reports[run], scores = build(gallery, folds, run=run, how={"right": right})
        report.write(tmp_path / run, reports[run], scores)
    result = compare.compare(tmp_path / "a", tmp_path / "b")
    assert (result["unit"], result["n_speakers"], result["per_speaker"]) == ("picture", 120, [])
    # The mean of what pictures add is the difference of UAR itself.
    assert result["speaker_difference"] == pytest.approx(result["difference"])
    assert result["difference"] == pytest.approx(result["b"]["uar"] - result["a"]["uar"], abs=2e-6)
    assert result["p"] < 0.01
    json.dumps(result)
    shown = to_text(render_comparison(result))
    assert "over 120 pictures" in " ".join(shown.split())
    assert "Test speakers" not in shown
    text = " ".join(parse(page.render_comparison(result)).text().split())
    assert "Two runs, paired by picture" in text
    table = lineup.build({name: tmp_path / name for name in reports}, reports)
    shown = " ".join(lineup.text(table).split())
    assert "(120 pictures, unknown authors)" in shown
    assert "95 % by picture" in shown
    text = " ".join(parse(page.render_lineup(table)).text().split())
    assert "120 pictures, unknown authors" in text


def test_shares_of_pictures_make_the_uar() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 2], (30, 6))  # class 1 is absent
    conf = one_hot(truth, rng.integers(0, 3, (36, 2)), 3)
    shares = compare.picture_shares(conf)
    assert shares.mean() == pytest.approx(intervals.pooled(conf, metrics.uar))
    right = conf[:, :, [0, 2], [0, 2]].sum(-1).mean(1)
    by_hand = right * 36 / 2 / np.where(truth == 0, 30, 6)
    np.testing.assert_allclose(shares, by_hand)


def test_thousands_of_pictures_are_drawn_by_kind() -> None:
    """The same interval as that of the plain bootstrap, up to its own noise."""
    rng = np.random.default_rng(3)
    n = intervals.MANY_ALIKE + 500
    truth = rng.integers(0, 3, n)
    answer = np.where(rng.random(n) < 0.6, truth, rng.integers(0, 3, n))
    conf = one_hot(truth, answer[:, None], 3)
    by_kind = intervals.cluster_bootstrap(conf, metrics.uar, unit="picture")
    rows = rng.integers(0, n, (1500, n))
    plain = [np.mean([np.mean(answer[r][truth[r] == k] == k) for k in range(3)]) for r in rows]
    assert by_kind.estimate == pytest.approx(intervals.pooled(conf, metrics.uar))
    low, high = np.quantile(plain, [0.025, 0.975])
    assert by_kind.low == pytest.approx(low, abs=0.003)
    assert by_kind.high == pytest.approx(high, abs=0.003)


def test_sign_flips_of_thousands() -> None:
    """A difference of zero has no sign: with it or without, p is the exact test's."""
    d = np.zeros(intervals.MANY_ALIKE + 1)
    d[:12] = [1] * 10 + [-1] * 2
    exact = intervals.sign_flip_test(d[:12])
    found = intervals.sign_flip_test(d)
    assert found.p == pytest.approx(exact.p, abs=0.003)
    assert found.n == len(d)
    assert intervals.sign_flip_test(np.zeros(len(d))).p == 1
