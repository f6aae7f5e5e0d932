"""System B and its twins, from records to a report."""

import json

import numpy as np
import pytest

from jser import config as configs
from jser import preparation, systems
from jser.errors import InputError
from jser.frontend import descriptor_sets
from jser.frontend.voiced import voiced_segments
from jser.systems import rnn_elm
from jser.training.elm import fit_kernel, fit_sigmoid


def load(name, data="", **changed):
    fields = {"data_dir": str(data), "seeds": "0", "dev_speakers": "1"} | changed
    return configs.load(f"{name}:synthetic", [(k.replace("__", "."), v) for k, v in fields.items()])


def test_a_short_run(run_system, exported):
    report, folder = run_system(
        "rnn_elm", model__units="8", model__layers="1", elm__widths="1", population__width="4"
    )
    assert report["system"] == "B (RNN-ELM), not the paper's sizes"
    assert report["n_utterances"] == 20
    assert report["baseline"]["name"] == "mean and deviation of the frames, ridge"
    assert "network alone" in {part["name"] for part in report["parts"]}
    assert json.loads((folder / "report.json").read_text())["uar"] == report["uar"]
    # Two directions, four gates of 8; 16 values to 5 emotions and Null. The ELM: its 10 training
    # rows of four statistics of 5 emotions, and their coefficients.
    layer = 2 * 32 * (32 + 8 + 1)
    assert report["parameters"] == layer + 17 * 6 + 10 * (4 * 5 + 5)
    assert exported(folder, fold=1)["members"] == ["fold 1, seed 0"]


def test_a_short_run_of_the_baseline(run_system, exported):
    report, folder = run_system("dnn_elm", model__dense="8")
    assert report["system"] == "B-DNN (DNN-ELM, loudest 30 %), not the paper's sizes"
    # The network; 120 units on four statistics of 5 emotions.
    assert report["parameters"] == (25 * 32 + 1) * 8 + 9 * 5 + 120 * (20 + 1 + 5)
    assert exported(folder, fold=2)["members"] == ["fold 2, seed 0"]


def test_the_last_column_says_where_segments_start(data):
    ready = preparation.prepare(load("rnn_elm", data))
    features, corpus = ready.inputs.features, ready.corpus
    sound = [x.astype(np.float32) / 32768 for x in corpus.waveform]
    found = descriptor_sets.frames(sound, "lee_tashev")
    n_segments = []
    for i, frames in enumerate(found):
        rows = features.frames[0][features.offset[i] :][: features.length[i]]
        np.testing.assert_allclose(rows[:, :-1], frames, atol=1e-4)
        f0 = frames[:, descriptor_sets.names("lee_tashev").index("f0_hz")]
        np.testing.assert_array_equal(rows[:, -1], voiced_segments(f0 > 0, 10, 5))
        n_segments.append(1 + rows[:, -1].sum())
    assert max(n_segments) > 1
    # Nobody scales the flag.
    assert (ready.tables.mean[:, -1] == 0).all()
    assert (ready.tables.scale[:, -1] == 1).all()


@pytest.mark.parametrize(("kind", "weighted"), [("kernel", True), ("sigmoid", False)])
def test_the_elm_is_fitted_on_train_and_chosen_on_dev(kind, weighted):
    rng = np.random.default_rng(0)
    shown, label = rng.normal(size=(60, 8)), rng.integers(0, 3, 60)
    shown[:, 0] += label
    train, dev, test = np.split(rng.permutation(60), [30, 45])
    known = np.where(np.isin(np.arange(60), test), -1, label)
    chosen = load("rnn_elm", elm__kind=kind, elm__class_weights=str(weighted)).elm
    answer = rnn_elm._fit(chosen, 3)(shown, known, train, dev, 5)(shown[test])
    np.testing.assert_allclose(answer.sum(1), 1, rtol=1e-5)
    weights = None
    if weighted:
        count = np.bincount(label[train])
        weights = (30 / (3 * count))[label[train]]
    own = shown[train], label[train], 3, weights
    if kind == "kernel":
        judge = shown[dev], label[dev]
        by = fit_kernel(*own, widths=chosen.widths, ridges=chosen.ridges, dev=judge)
    else:
        by = fit_sigmoid(*own, hidden=120, seed=5)
    np.testing.assert_array_equal(answer.argmax(1), by.predict(shown[test]).argmax(1))


@pytest.mark.parametrize(
    ("name", "fields", "title"),
    [
        ("rnn_elm", {"model__labels": "frames"}, "B-CE (RNN(CE)-ELM)"),
        ("rnn_elm", {"elm__kind": "none"}, "B-only (RNN alone)"),
        ("rnn_elm", {"elm__kind": "sigmoid"}, "B-sigmoid (RNN-ELM of sigmoid units)"),
        ("dnn_elm", {"model__percent": "10"}, "B-DNN (DNN-ELM, loudest 10 %)"),
        ("dnn_elm", {"elm__kind": "kernel"}, "B-DNN (DNN-KELM, loudest 30 %)"),
    ],
)
def test_titles(name, fields, title):
    config = load(name, **fields)
    assert systems.get(config.system).title(config) == title


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("rnn_elm", {"elm__kind": "sigmoid", "elm__hidden": "99", "segments__shortest_gap": "9"}),
        ("dnn_elm", {"elm__kind": "kernel", "elm__widths": "1", "elm__ridges": "1"}),
    ],
)
def test_fields_that_do_something_may_be_changed(name, fields):
    preparation.check(load(name, **fields))


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("rnn_elm", {"model__labels": "chian"}, "model.labels: 'chian' .* did you mean chain"),
        ("rnn_elm", {"network": "cnn"}, "network: 'cnn' is none of rnn, dnn"),
        ("rnn_elm", {"elm__kind": "svm"}, "elm.kind: 'svm' is none of kernel, sigmoid, none"),
        ("rnn_elm", {"refit": "True"}, "refit: the ELM is chosen on dev speakers"),
        ("rnn_elm", {"readout__views": "stem"}, "readout.views: B adds no read-outs"),
        ("rnn_elm", {"network": "dnn"}, "network: dnn .* take the config dnn_elm"),
        ("dnn_elm", {"network": "rnn"}, "network: rnn .* take the config rnn_elm"),
        ("rnn_elm", {"elm__hidden": "99"}, "elm.hidden: 99 would change nothing with elm.kind=ker"),
        ("dnn_elm", {"elm__widths": "1"}, "elm.widths: .* nothing with elm.kind=sigmoid"),
        ("dnn_elm", {"elm__ridges": "1"}, "elm.ridges: .* leave it at .0.01, 0.1"),
        (
            "rnn_elm",
            {"elm__kind": "none", "elm__class_weights": "False"},
            "elm.class_weights: False would change nothing with elm.kind=none; leave it at True",
        ),
        ("rnn_elm", {"hyper__momentum": "0.5"}, "hyper.momentum: .* with optimiser=adamw"),
        ("dnn_elm", {"model__context": "24"}, "model.context: 24 frames have no middle"),
    ],
)
def test_impossible_settings(data, name, fields, said):
    with pytest.raises(InputError, match=said):
        preparation.prepare(load(name, data, **fields))
