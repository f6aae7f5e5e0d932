"""The support vector machine, from records to a report."""

import numpy as np
import pytest
from sklearn.svm import SVC

from jser import config as configs
from jser import preparation, systems
from jser.errors import InputError
from jser.training import fusion, svm
from jser.training.readout import Rows


def load(data, **changed):
    fields = {"data_dir": str(data), "dev_speakers": "1"} | changed
    return configs.load("svm:synthetic", [(k.replace("__", "."), v) for k, v in fields.items()])


@pytest.fixture(scope="module")
def small(data_without_ledger, xla_cache, tmp_path_factory):
    from jser import experiment

    folder = tmp_path_factory.mktemp("svm")
    return experiment.run(load(data_without_ledger), folder), folder


def test_exported(small, exported):
    assert exported(small[1], fold=1)["temperature"] == 1.0


def test_a_short_run(small):
    report, folder = small
    assert report["system"] == "S (SVM on functionals of descriptors, linear or rbf kernel)"
    assert report["n_utterances"] == 20
    assert report["baseline"]["name"] == "descriptors, ridge"
    assert report["uar"]["mean"] > 0.4
    assert report["parameters"] > 1000
    rows = (folder / "predictions.csv").read_text().splitlines()
    assert len(rows) == 21


def test_the_same_answers_from_the_finished_run(small):
    from jser import experiment

    report, folder = small
    again = experiment.evaluate(folder)
    assert again["uar"] == report["uar"]
    assert again["confusion"] == report["confusion"]


def test_the_report_counts_the_first_fold_s_machine(small, data):
    report, _ = small
    ready = preparation.prepare(load(data))
    fold = ready.protocol.folds[0]
    label = np.full(len(ready.corpus.label), -1)
    own = np.concatenate([fold.train, fold.dev])
    label[own] = ready.corpus.label[own]
    x = ready.inputs.views["descriptors"]
    machine = ready.inputs.fit_readout(x, label, fold.train, fold.dev, 0)
    assert report["parameters"] == machine.parameters


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_parameters_by_hand(kernel):
    """Scikit-learn's own machine of the same rows: planes, or support vectors with what they weigh.

    Three classes of six columns.
    """
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1, 2], 10)
    x = rng.normal(size=(30, 6)).astype(np.float32) + label[:, None]
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    rows = Rows(np.arange(30), label, np.ones(30), label, 3, False)
    gamma = 0.0 if kernel == "linear" else 3.0  # over the six columns
    if kernel == "linear":
        theirs = SVC(kernel="linear", C=1 / 6).fit(x, label)
        wanted = theirs.coef_.size + 3
    else:
        theirs = SVC(kernel="rbf", gamma=0.5).fit(x, label)
        wanted = theirs.support_vectors_.size + theirs.dual_coef_.size + 3
    machine = svm.fit(x, rows, svm.Choice(gamma, 1.0, 1.0, 0.0))
    assert machine.parameters == wanted


@pytest.mark.parametrize("judges", ["dev", "speakers"])
@pytest.mark.parametrize("refit", ["True", "False"])
def test_a_fold_fits_on_its_own_speakers_alone(data, judges, refit):
    folds = {"svm__inner_folds": "2"} if judges == "speakers" else {}
    config = load(data, svm__judges=judges, refit=refit, svm__costs="1,10", **folds)
    ready = preparation.prepare(config)
    x = ready.inputs.views["descriptors"]
    fold = ready.protocol.folds[0]
    own = np.concatenate([fold.train, fold.dev])
    label = np.full(len(x), -1)
    label[own] = ready.corpus.label[own]
    spoilt = np.full_like(x, np.nan)
    spoilt[own] = x[own]
    answer = ready.inputs.fit_readout(spoilt, label, fold.train, fold.dev, 0)
    seen = own if refit == "True" else fold.train
    assert answer.support.shape[0] <= len(seen)
    np.testing.assert_allclose(answer.mean, x[seen].mean(0), rtol=1e-3, atol=1e-3)
    shares = answer(x[fold.test])
    assert shares.shape == (len(fold.test), len(ready.corpus.classes))
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)


def test_without_class_weights_every_row_counts_one(data, monkeypatch):
    seen = []
    monkeypatch.setattr(
        svm, "choose_by_dev", lambda x, rows, dev, label, spec: seen.append(rows) or "choice"
    )
    monkeypatch.setattr(svm, "fit", lambda x, rows, choice: seen.append(rows))
    label = np.array([0] * 6 + [1] * 2)
    for weighted in ("True", "False"):
        config = load(data, balance__class_weights=weighted)
        adapter = systems.get("svm")
        corpus = adapter.load(config)
        adapter._fit(config, corpus)(None, label, np.arange(6), np.arange(6, 8), 0)
    expected = fusion.rows_of(np.arange(8), label, corpus.speaker, 5, 0).weight
    np.testing.assert_allclose(seen[1].weight, expected)
    assert [rows.weight.tolist() for rows in seen[2:]] == [[1] * 6, [1] * 8]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("svm__judges", "test", "svm.judges: 'test' is none of dev, speakers"),
        ("svm__kernels", "poly", "svm.kernels: 'poly' is none of linear, rbf"),
        ("normalisation", "none", "normalisation: none is nothing for an SVM"),
        ("balance__oversample", "True", "balance"),
        (
            "descriptors__level",
            "loud",
            "'loud' is none of recorded, peak, variance",
        ),
    ],
)
def test_impossible_settings(data, field, value, sentence):
    changed = {field: value}
    if field == "balance__oversample":
        changed["balance__class_weights"] = "False"
        sentence = "balance.oversample: an SVM sees each utterance once"
    with pytest.raises(InputError, match=sentence):
        preparation.prepare(load(data, **changed))
