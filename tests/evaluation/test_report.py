"""What stands in a report, by hand and by scikit-learn; what stands at its top."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jser import protocols
from jser.errors import InputError
from jser.evaluation import compare, metrics, page, report
from jser.evaluation.predictions import Predictions, read_csv
from jser.evaluation.tables import render_comparison, to_text

Make = Callable[..., Any]

FIELDS = (
    "system", "corpus", "protocol", "leak", "partial_corpus", "text_seen", "selection",
    "configs_scored", "normalisation", "level", "interval_method", "pooling_rule", "seeds", "uar",
    "wa", "macro_f1", "uar_fold_mean", "per_speaker", "folds", "per_class_recall", "confusion",
    "yardsticks", "calibration", "parameters", "seconds", "peak_memory_mb", "versions", "device",
    "synthetic", "refit", "note", "absent_classes", "baseline", "chance_uar", "majority", "marks",
    "warnings",
)  # fmt: skip


def test_all_fields_are_there_and_are_json(
    corpus: Any, protocol: protocols.Protocol, build: Make
) -> None:
    made, _ = build(corpus, protocol, baseline=True)
    assert set(FIELDS) <= set(made)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["seconds"] == {
        "build": 1.0, "load": None, "features": None, "compile": None, "readouts": None,
        "train": 62.4, "evaluate": None,
    }  # fmt: skip
    assert made["failed_members"] == 0
    assert set(made["uar"]) == {"mean", "std", "low", "high"}
    assert set(made["folds"][0]) >= {"test_speakers", "dev_speakers", "uar", "wa"}
    assert made["folds"][0]["test_speakers"] == ["01"]
    assert len(made["folds"][0]["dev_speakers"]) == 2
    assert made["folds"][0]["n_train_speakers"] == 7
    assert made["refit"] is False
    assert "numpy" in made["versions"]
    assert made["marks"] == []
    assert made["leak"] is None
    assert made["text_seen"] is True
    assert (made["configs_scored"], made["configs_total"]) == (1, 1)


def test_figures_agree_with_scikit_learn(
    corpus: Any, protocol: protocols.Protocol, build: Make
) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    made, scores = build(corpus, protocol)
    j = scores.judged
    for name, function in (
        ("uar", lambda t, p: sk.recall_score(t, p, average="macro")),
        ("wa", sk.accuracy_score),
        ("macro_f1", lambda t, p: sk.f1_score(t, p, average="macro")),
    ):
        each = [function(j.truth[j.seed == s], j.predicted[j.seed == s]) for s in (0, 1)]
        assert made[name]["mean"] == pytest.approx(np.mean(each), abs=1e-6)
        assert made[name]["std"] == pytest.approx(np.std(each, ddof=1), abs=1e-6)
        assert made[name]["low"] < made[name]["mean"] < made[name]["high"]
    assert made["confusion"] == sk.confusion_matrix(j.truth, j.predicted).tolist()
    by_speaker = {row["speaker"]: row for row in made["per_speaker"]}
    rows = j.speaker == "07"
    assert by_speaker["07"]["wa"] == pytest.approx(
        np.mean(j.truth[rows] == j.predicted[rows]), abs=1e-6
    )
    assert by_speaker["07"]["n"] == 12
    assert by_speaker["07"]["sex"] == corpus.sex["07"]
    folds = [fold["uar"] for fold in made["folds"]]
    assert made["uar_fold_mean"] == pytest.approx(np.mean(folds), abs=1e-6)
    recalls = made["per_class_recall"].values()
    assert np.mean(list(recalls)) == pytest.approx(made["uar"]["mean"], abs=1e-6)


def test_chance_and_majority_by_hand(make_corpus: Make, build: Make) -> None:
    """Two classes in three clips: 'anger' is 8 of 12 of each speaker, so each fold answers it."""
    corpus = make_corpus(n_classes=3)
    corpus = replace(
        corpus, label=np.where(corpus.label == 2, 0, corpus.label).astype(np.int32),
        classes=("anger", "neutral", "fear"),
    )  # fmt: skip
    made, _ = build(corpus, protocols.make("leave_one_speaker_out", corpus))
    assert made["majority"] == {"uar": 0.5, "wa": pytest.approx(8 / 12, abs=1e-6)}
    assert made["chance_uar"] == 0.5
    assert made["absent_classes"] == ["fear"]
    assert made["per_class_recall"]["fear"] is None
    assert any("the test lacks fear" in w for w in made["warnings"])


def test_one_seed_has_no_deviation(corpus: Any, protocol: protocols.Protocol, build: Make) -> None:
    made, _ = build(corpus, protocol, how={"seeds": (3,)})
    assert made["uar"]["std"] is None
    assert made["seeds"] == [3]
    assert any(w.startswith("One seed") for w in made["warnings"])


def test_four_speakers_have_no_interval(make_corpus: Make, build: Make) -> None:
    corpus = make_corpus(n_speakers=4)
    made, _ = build(corpus, protocols.make("leave_one_speaker_out", corpus), baseline=True)
    assert made["uar"]["low"] is None
    assert made["uar"]["high"] is None
    assert made["interval_beside"] is None
    assert len(made["per_speaker"]) == 4
    assert any("4 test speakers are too few" in w for w in made["warnings"])
    assert made["baseline"]["comparison"]["low"] is None
    assert made["baseline"]["comparison"]["smallest_detectable"] is None
    assert "too few speakers to see any difference" in report.text(made)


@pytest.mark.parametrize("known", [0, 6])
def test_unknown_speakers_are_not_one_speaker(make_corpus: Make, build: Make, known: int) -> None:
    corpus = make_corpus()
    speaker = np.where(np.isin(corpus.speaker, sorted(set(corpus.speaker))[:known]),
                       corpus.speaker, "")  # fmt: skip
    corpus = replace(corpus, speaker=speaker, session=speaker)
    made, scores = build(corpus, protocols.make("random:5", corpus), baseline=True)
    assert made["n_speakers"] == 0
    assert made["uar"]["low"] is made["uar"]["high"] is made["interval_beside"] is None
    assert made["interval_method"] == "none: who speaks is not known"
    assert [row["speaker"] for row in made["per_speaker"]] == ["unknown"]
    assert made["per_speaker"][0]["n"] == len(corpus.label)
    assert made["baseline"]["comparison"]["low"] is None
    assert made["baseline"]["comparison"]["smallest_detectable"] is None
    assert any("Who speaks is not known" in w for w in made["warnings"])
    assert "unknown speakers" in report.text(made)
    # The figure itself is that of all utterances.
    judged = scores.judged
    first = judged.seed == judged.seed[0]
    recalls = [
        np.mean(judged.predicted[first & (judged.truth == k)] == k)
        for k in range(len(corpus.classes))
    ]
    assert np.mean(recalls) == pytest.approx(metrics.uar(scores.by_speaker[0, 0]))


def test_interval_methods_are_named(corpus: Any, protocol: protocols.Protocol, build: Make) -> None:
    made, _ = build(corpus, protocol)
    assert made["interval_method"].startswith("delete-one-speaker jackknife, t with 9 degrees")
    assert made["interval_beside"]["method"].startswith("percentile bootstrap")
    assert made["interval_beside"]["uar"]["low"] < made["uar"]["mean"]


def test_marks_say_what_must_be_known_first(
    corpus: Any, protocol: protocols.Protocol, build: Make, predict: Make
) -> None:
    def marks(other: Any = corpus, of: protocols.Protocol = protocol, **how: Any) -> list[str]:
        made, _ = build(other, of, **how)
        shown = report.text(made)
        assert all(shown.index(m.partition(":")[0]) < shown.index("UAR") for m in made["marks"])
        return [m.partition(":")[0] for m in made["marks"]]

    assert marks(replace(corpus, synthetic=True)) == ["SYNTHETIC"]
    assert marks(replace(corpus, partial=True)) == ["PARTIAL"]
    assert marks(replace(corpus, note="cut to 2 s")) == ["NOT COMPARABLE"]
    assert marks(of=protocols.make("random:5", corpus)) == ["RANDOM SPLIT"]
    room = replace(corpus, session=np.full(len(corpus.label), "room"))
    assert marks(room, allow_leak="one room only") == ["LEAK"]
    assert marks(selection="shared") == ["SELECTION SHARED"]
    assert marks(normalisation="speaker_transductive") == ["NORMALISATION speaker_transductive"]
    good = predict(corpus, protocol)
    part = Predictions(*(getattr(good, f)[good.fold < 8] for f in good.__dataclass_fields__))
    assert marks(predictions=part) == ["INCOMPLETE"]
    made, _ = build(room, protocol, allow_leak="one room only")
    assert made["leak"] == "one room only"
    assert made["marks"] == ["LEAK: one room only"]


def test_baseline_is_compared_by_speaker(
    corpus: Any, protocol: protocols.Protocol, build: Make, score: Make, predict: Make
) -> None:
    good = predict(corpus, protocol)
    made, _ = build(corpus, protocol, baseline=True)
    base = made["baseline"]
    assert base["uar"]["mean"] < made["uar"]["mean"]
    versus = base["comparison"]
    assert versus["difference"] == pytest.approx(
        made["uar"]["mean"] - base["uar"]["mean"], abs=2e-6
    )
    assert versus["low"] < versus["difference"] < versus["high"]
    assert versus["p"] < 0.05
    assert versus["n_speakers"] == 10
    assert made["configs_scored"] == 1, "the baseline is no choice"
    few = Predictions(*(getattr(good, f)[good.fold < 8] for f in good.__dataclass_fields__))
    part = score(corpus, protocol, predictions=few, checkpoint="few", role="baseline")
    with pytest.raises(ValueError, match="other utterances"):
        build(corpus, protocol, run="other", baseline_scores=part)


def test_yardsticks_stand_with_their_protocol(make_corpus: Make, build: Make) -> None:
    corpus = make_corpus(n_speakers=10, name="emodb")
    made, _ = build(corpus, protocols.make("leave_one_speaker_out", corpus, dev_speakers=1))
    rows = {row["name"]: row for row in made["yardsticks"]}
    attention = rows["DCNN-BLSTM with attention"]
    assert (attention["value"], attention["comparable"]) == (0.8786, None)
    assert attention["this_run"] == made["uar"]["mean"]
    acrnn = rows["3-D ACRNN"]
    assert (acrnn["value"], acrnn["spread"], acrnn["comparable"]) == (0.8282, 0.0499, True)
    assert acrnn["this_run"] == made["uar_fold_mean"], "by the paper's own rule"
    five, _ = build(corpus, protocols.make("speaker_k_fold:5", corpus), run="five")
    assert {r["name"]: r["comparable"] for r in five["yardsticks"]}["3-D ACRNN"] is False
    transductive, _ = build(
        corpus, protocols.make("leave_one_speaker_out", corpus), run="t",
        normalisation="speaker_transductive",
    )  # fmt: skip
    assert {r["comparable"] for r in transductive["yardsticks"]} == {False}


@pytest.mark.parametrize("name", ["emodb_4class", "emodb_first2s", "synthetic", "fake"])
def test_no_published_figure_stands_beside_another_corpus(
    name: str, make_corpus: Make, build: Make
) -> None:
    corpus = make_corpus(name=name)
    made, _ = build(corpus, protocols.make("leave_one_speaker_out", corpus))
    assert made["yardsticks"] == []


@pytest.mark.parametrize("n_speakers", [4, 10, 40])
def test_the_table_fits_100_columns(n_speakers: int, make_corpus: Make, build: Make) -> None:
    corpus = make_corpus(n_speakers=n_speakers, n_classes=4, name="emodb")
    protocol = protocols.make("speaker_k_fold:4", corpus)
    made, _ = build(corpus, protocol, baseline=True)
    shown = report.text(made)
    assert max(map(len, shown.splitlines())) <= 100
    for word in ("a system", "3-D ACRNN", "happiness", "Test speakers", "1st config"):
        assert word in shown
    assert ("Folds" in shown) == (n_speakers > 4), "with one speaker a fold the table is the same"
    if n_speakers == 40:
        assert "and 10 more in report.json" in shown


def test_files_are_whole(
    corpus: Any, protocol: protocols.Protocol, build: Make, tmp_path: Path
) -> None:
    made, scores = build(corpus, protocol)
    report.write(tmp_path / "run", made, scores)
    assert json.loads((tmp_path / "run" / "report.json").read_text()) == made
    assert (tmp_path / "run" / "report.txt").read_text() == report.text(made)
    table = read_csv(tmp_path / "run" / "predictions.csv")
    assert len(table.truth) == 2 * len(corpus.label)
    assert not list((tmp_path / "run").glob("*.tmp"))


# ------------------------------------------------------------------------------ comparing two runs


def test_compare_pairs_by_speaker(
    corpus: Any, protocol: protocols.Protocol, build: Make, tmp_path: Path
) -> None:
    for run, right, seeds in (("a", 0.4, (0, 1)), ("b", 0.9, (0,))):
        report.write(
            tmp_path / run, *build(corpus, protocol, run=run, how={"right": right, "seeds": seeds})
        )
    result = compare.compare(tmp_path / "a", tmp_path / "b")
    assert result["difference"] == pytest.approx(result["b"]["uar"] - result["a"]["uar"], abs=2e-6)
    each = [row["difference"] for row in result["per_speaker"]]
    assert result["speaker_difference"] == pytest.approx(np.mean(each))
    assert result["p"] == pytest.approx(2 / 2**10), "b is better for every speaker"
    assert result["speakers_better"] == 10
    assert result["remarks"] == ["seeds differs: [0, 1] and [0]"]
    back = compare.compare(tmp_path / "b", tmp_path / "a")
    assert back["difference"] == pytest.approx(-result["difference"])
    shown = to_text(render_comparison(result))
    assert "sign patterns" in shown
    assert "points UAR" in shown
    assert max(map(len, shown.splitlines())) <= 100
    both = compare.compare_many(tmp_path / "a", [tmp_path / "b", tmp_path / "a"])
    assert both[0]["p_holm"] == pytest.approx(2 * 2 / 2**10)
    assert both[1]["p_holm"] == 1.0


def test_compare_pairs_the_parts_that_both_runs_have(
    corpus: Any, protocol: protocols.Protocol, build: Make, score: Any, tmp_path: Path
) -> None:
    parts = {}
    for run, right in (("a", 0.3), ("b", 0.8)):
        made, scores = build(corpus, protocol, run=run, how={"right": 0.6, "source": 3})
        alone = score(corpus, protocol, run=run, checkpoint=f"{run} x", role="part", right=right)
        parts[run] = {"network": alone, f"only {run}": scores}
        report.write(tmp_path / run, made, scores, parts=parts[run])
    result = compare.compare(tmp_path / "a", tmp_path / "b")
    assert result["difference"] == 0
    (part,) = result["parts"]
    assert part["name"] == "network"
    wanted = compare.paired(*(parts[run]["network"].by_speaker for run in ("b", "a")))
    assert part["difference"] == pytest.approx(wanted["difference"])
    assert part["difference"] == pytest.approx(part["b"] - part["a"])
    assert part["p"] == wanted["p"]
    shown = to_text(render_comparison(result))
    assert f"network: UAR {100 * part['a']:.1f} and {100 * part['b']:.1f}" in " ".join(
        shown.split()
    )
    page_text = page.render_comparison(result)
    assert "Parts alone" in page_text
    (tmp_path / "b" / "parts.csv").write_text("part,utterance_id\nnetwork,x\n")
    with pytest.raises(InputError, match=r"parts.csv: columns"):
        compare.compare(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "parts.csv").unlink()
    assert compare.compare(tmp_path / "a", tmp_path / "b")["parts"] == []


def test_compare_names_the_settings_that_differ(
    corpus: Any, protocol: protocols.Protocol, build: Make, tmp_path: Path
) -> None:
    stem = {"net": "alexnet", "channels": 1, "taps": ["conv1", "conv2"]}
    for run, channels in (("a", 1), ("b", 3)):
        report.write(tmp_path / run, *build(corpus, protocol, run=run))
        config = {"data_dir": run, "seeds": [0], "stem": stem | {"channels": channels}}
        (tmp_path / run / "config.json").write_text(json.dumps(config))
    result = compare.compare(tmp_path / "a", tmp_path / "b")
    assert result["settings"] == [{"field": "stem.channels", "a": 1, "b": 3}]
    assert "stem.channels: 1 (a), 3 (b)" in to_text(render_comparison(result))
    assert "stem.channels: 1 (a), 3 (b)" in page.render_comparison(result)
    (tmp_path / "b" / "config.json").write_text("{")
    assert compare.compare(tmp_path / "a", tmp_path / "b")["settings"] == []


def test_compare_refuses_what_cannot_be_paired(
    corpus: Any, protocol: protocols.Protocol, build: Make, predict: Make, tmp_path: Path
) -> None:
    report.write(tmp_path / "a", *build(corpus, protocol, run="a"))
    five = protocols.make("speaker_k_fold:5", corpus)
    report.write(tmp_path / "b", *build(corpus, five, run="b"))
    with pytest.raises(InputError, match="differ in protocol"):
        compare.compare(tmp_path / "a", tmp_path / "b")
    report.write(tmp_path / "c", *build(replace(corpus, fingerprint="c" * 64), protocol, run="c"))
    with pytest.raises(InputError, match="differ in fingerprint"):
        compare.compare(tmp_path / "a", tmp_path / "c")
    with pytest.raises(InputError, match="no readable report"):
        compare.compare(tmp_path / "a", tmp_path / "nothing")
    good = predict(corpus, protocol)
    part = Predictions(*(getattr(good, f)[good.fold < 8] for f in good.__dataclass_fields__))
    report.write(tmp_path / "d", *build(corpus, protocol, run="d", predictions=part))
    with pytest.raises(InputError, match=r"different utterances \(120 and 96\)"):
        compare.compare(tmp_path / "a", tmp_path / "d")


def test_speaker_uar_averages_seeds() -> None:
    conf = np.asarray([[[[2, 0], [1, 1]], [[1, 1], [0, 2]]]])  # one speaker: .75 and .75
    assert compare.speaker_uar(conf).tolist() == [0.75]
    assert float(metrics.uar(conf.sum((0, 1)))) == 0.75
