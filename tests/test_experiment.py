"""From a config to a report: what a whole tiny run leaves behind, and what is refused."""

import csv
import json
import re

import jax
import numpy as np
import pytest

from jser import config as configs
from jser import experiment, preparation
from jser.errors import InputError
from jser.evaluation.predictions import read_parts
from jser.records import corpus as records
from jser.training import one_member
from tests.conftest import TINY


def load(data, **changed):
    fields = TINY | {k.replace("__", "."): v for k, v in changed.items()}
    return configs.load("dcnn_blstm:synthetic", [*fields.items(), ("data_dir", str(data))])


@pytest.fixture
def report(tiny_run):
    return json.loads((tiny_run / "run" / "report.json").read_text())


def test_report_says_what_the_run_was(report):
    assert report["corpus"] == "synthetic"
    assert report["protocol"] == "leave_one_speaker_out"
    assert report["leak"] is None
    assert report["partial_corpus"] is True
    assert report["normalisation"] == "train"
    assert report["selection"].startswith("nested")
    assert report["seeds"] == [0]
    assert len(report["folds"]) == 4
    assert report["system"].endswith("random stem")
    assert all(report["seconds"][part] > 0 for part in ("compile", "readouts", "train", "evaluate"))
    assert report["configs_scored"] == 1


def test_figures_are_those_of_the_predictions(tiny_run, report, data):
    """UAR once more, from predictions.csv and the records, without jser.evaluation."""
    with (tiny_run / "run" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    corpus = records.load("synthetic", data)
    truth = {
        str(u): corpus.classes[k] for u, k in zip(corpus.utterance_id, corpus.label, strict=True)
    }
    assert sorted(row["utterance_id"] for row in rows) == sorted(truth)
    recalls = []
    for name in corpus.classes:
        mine = [row for row in rows if truth[row["utterance_id"]] == name]
        assert all(row["truth"] == name for row in mine)
        recalls.append(np.mean([row["predicted"] == name for row in mine]))
    assert report["uar"]["mean"] == pytest.approx(np.mean(recalls), abs=1e-6)
    for row in rows:
        posterior = [float(row[f"p_{name}"]) for name in corpus.classes]
        assert sum(posterior) == pytest.approx(1, abs=1e-4)
        assert row["predicted"] == corpus.classes[int(np.argmax(posterior))]


def test_parts_alone_are_written_beside_the_predictions(tiny_run, report):
    parts = read_parts(tiny_run / "run" / "parts.csv")
    scored = {part["name"]: part["uar"]["mean"] for part in (*report["parts"], report["baseline"])}
    assert parts.keys() == scored.keys()
    for name, judged in parts.items():
        right = judged.predicted == judged.truth
        recalls = [right[judged.truth == k].mean() for k in range(len(judged.classes))]
        assert scored[name] == pytest.approx(np.mean(recalls), abs=1e-6)


def test_run_directory_is_whole(tiny_run):
    run = tiny_run / "run"
    for name in (
        "config.json", "certificate.json", "ledger.jsonl", "metrics.jsonl", "report.txt",
        "report.html",
    ):  # fmt: skip
        assert (run / name).stat().st_size
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert {row["stage"] for row in rows} == {"select", "refit"}
    selected = [row for row in rows if row["stage"] == "select"]
    assert sorted((r["epoch"], r["fold"]) for r in selected) == [
        (epoch, fold) for epoch in range(1, int(TINY["epochs"]) + 1) for fold in range(4)
    ]
    roles = [json.loads(line)["role"] for line in (run / "ledger.jsonl").read_text().splitlines()]
    assert sorted(roles) == ["baseline", "part", "system"]


def test_refit_trains_as_long_as_dev_chose(tiny_run):
    rows = [
        json.loads(line) for line in (tiny_run / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    for fold in range(4):
        select = [r for r in rows if r["stage"] == "select" and r["fold"] == fold]
        best = max(select, key=lambda r: (r["dev_uar"], -r["dev_loss"], -r["epoch"]))
        refit = [r["epoch"] for r in rows if r["stage"] == "refit" and r["fold"] == fold]
        assert refit == list(range(1, best["epoch"] + 1))
    # Without dev speakers there is no dev figure, not even a zero.
    assert {r["dev_uar"] for r in rows if r["stage"] == "refit"} == {None}


def test_evaluate_gives_the_same_figures(tiny_run, data, tmp_path, report):
    before = (tiny_run / "run" / "predictions.csv").read_bytes()
    entries = (tiny_run / "run" / "ledger.jsonl").read_text()
    again = experiment.evaluate(tiny_run / "run")
    for name in ("uar", "wa", "macro_f1", "folds", "per_speaker", "confusion", "seconds"):
        if name == "seconds":
            assert again[name]["train"] == report[name]["train"]
        else:
            assert json.loads(json.dumps(again[name])) == report[name]
    assert (tiny_run / "run" / "predictions.csv").read_bytes() == before
    assert (tiny_run / "run" / "ledger.jsonl").read_text() == entries  # scored once


def test_copies_train_only_their_own_utterances(data):
    ready = preparation.prepare(
        load(data, augment__copies="noise,speed", augment__draw="false", components="0")
    )
    n = len(ready.corpus.label)
    assert len(ready.features.length) == 3 * n
    np.testing.assert_array_equal(ready.features.source, np.tile(np.arange(n), 3))
    for p, k in enumerate(ready.tables.fold):
        rows = ready.tables.train_index[p][ready.tables.train_index[p] >= 0]
        assert set(rows % n) == set(ready.protocol.folds[k].train)
        assert len(set(rows)) == 3 * len(ready.protocol.folds[k].train)
        dev = ready.tables.dev_index[p]
        assert (dev < n).all()  # dev and test are never augmented
    # A copy's features lie behind the originals', which are the same as without copies.
    plain = preparation.prepare(load(data, components="0"))
    np.testing.assert_array_equal(
        ready.features.frames[0][: len(plain.features.frames[0])], plain.features.frames[0]
    )


def test_drawn_copies_are_versions_of_the_members_own_utterances(data):
    """An epoch hears each training utterance once, in a version drawn anew."""
    ready = preparation.prepare(load(data, augment__copies="noise,speed", components="0"))
    n = len(ready.corpus.label)
    assert ready.design.n_copies == 0
    for p, k in enumerate(ready.tables.fold):
        member = jax.tree.map(lambda a, p=p: a[p], ready.tables)
        epochs = [
            np.asarray(one_member.shuffle(ready.program, ready.features, member, e))
            for e in range(8)
        ]
        heard = [rows[rows >= 0] for rows in epochs]
        for rows in heard:
            assert sorted(rows % n) == sorted(ready.protocol.folds[k].train)
        assert set(np.concatenate(heard) // n) == {0, 1, 2}
        assert len({tuple(np.sort(rows)) for rows in heard}) == 8


def test_mean_and_scale_are_of_training_rows(data):
    """components=0: one set of features, each member's own figures, nothing of dev or test."""
    ready = preparation.prepare(load(data, components="0"))
    steps, frames = ready.inputs.steps, ready.features.frames[0]
    for p, k in enumerate(ready.tables.fold):
        rows = ready.protocol.folds[k].train
        x = np.concatenate(
            [frames[steps.offset[r] : steps.offset[r] + steps.length[r]] for r in rows]
        ).astype(np.float32)
        np.testing.assert_allclose(ready.tables.mean[p], x.mean(0), atol=1e-4)
        deviation = x.std(0)
        wanted = 1 / (deviation + 0.01 * deviation.mean())
        np.testing.assert_allclose(ready.tables.scale[p], wanted, rtol=1e-3)
    none = preparation.prepare(load(data, components="0", normalisation="none"))
    assert (none.tables.mean == 0).all()
    assert (none.tables.scale == 1).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seeds": ""}, r"seeds: \(\) has 0 entries, 1 to 1000 are needed"),
        ({"normalisation": "speaker"}, "normalisation: 'speaker' is none of"),
        ({"protocol": "leave_one_speaker"}, "did you mean leave_one_speaker_out"),
        ({"system": "dcnn_blst"}, "did you mean dcnn_blstm"),
        ({"model__attention": "soft"}, "model.attention: 'soft' is none of"),
        ({"balance__oversample": "true"}, "class_weights and oversample are both on"),
        ({"stem__taps": "conv6"}, "stem.taps: .conv6. is no block of alexnet"),
        ({"dev_speakers": "0"}, "dev_speakers"),
        ({"augment__copies": "reverb"}, "augment.copies: 'reverb' is none of"),
        ({"epochs": "0"}, "epochs"),
        ({"batch_size": "0"}, "batch_size"),
        ({"components": "-1"}, "components"),
    ],
)
def test_refused_settings(data, change, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        preparation.prepare(load(data, **change))
    assert "\n" not in str(caught.value)


def test_missing_weights(data, monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None)
    with pytest.raises(InputError, match=re.compile("lpips.jax", re.IGNORECASE)):
        preparation.prepare(load(data, stem__weights="imagenet", stem__scale="2"))
