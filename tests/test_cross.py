"""The matrix of corpora, from the command line to its page, on tiny fakes of two corpora."""

import json

import numpy as np
import pytest

from jser import config as configs
from jser import cross, experiment, preparation
from jser.datasets.emodb import fake as emodb
from jser.datasets.ravdess import fake as ravdess
from jser.errors import InputError
from jser.evaluation import ledger
from jser.records import selection
from jser.records.builder import build
from tests.conftest import TINY, flags, refused

FIELDS = TINY | {"epochs": "2", "stem.trim_db": "20"}


@pytest.fixture(scope="module")
def corpora(once, xla_cache):
    """EMO-DB and RAVDESS, four speakers each, six classes in common."""

    def make(folder):
        (folder / "cache").mkdir()
        (folder / "cache" / "xla").symlink_to(xla_cache)
        emodb.make(folder / "e", per_class=1)
        ravdess.make(folder / "r", ("01", "02", "03", "04"), seconds=0.2, intensities=("01",))
        for name, source in (("emodb", "e"), ("ravdess", "r")):
            build(name, folder / source, folder, "waveform", allow_partial=True)

    return once("cross-data", make)


def load(data, corpus, **changed):
    fields = FIELDS | {k.replace("__", "."): v for k, v in changed.items()}
    return configs.load(f"dcnn_blstm:{corpus}", [*fields.items(), ("data_dir", str(data))])


def words(data, workdir, *names, **changed):
    changed = {"epochs": "2", "readout__views": "stem", "classes": "anger,sadness"} | changed
    return ["cross", *names, "--config=dcnn_blstm", f"--workdir={workdir}",
            f"--config.data_dir={data}", *flags(**changed)]  # fmt: skip


# --- one experiment over two corpora --------------------------------------------------------------


def test_features_are_those_of_each_corpus(corpora):
    """Of a union nothing is computed anew: each part's rows come from that part's own cache."""
    data = corpora
    alone = {
        n: preparation.prepare(load(data, n, components="0", stem__level="peak"))
        for n in ("emodb", "ravdess")
    }
    both = preparation.prepare(load(data, "ravdess+emodb", components="0"))
    assert both.corpus.name == "emodb+ravdess"
    start, at = 0, both.inputs.steps
    for origin in both.corpus.origins:
        own = alone[origin.name]
        for i, row in enumerate(origin.rows):
            mine = own.features.frames[0][own.inputs.steps.places([row])]
            np.testing.assert_array_equal(both.features.frames[0][at.places([start + i])], mine)
            np.testing.assert_array_equal(
                both.inputs.views["stem"][start + i], own.inputs.views["stem"][row]
            )
        start += len(origin.rows)
    assert start == len(both.corpus.label)


def test_normalisation_sees_the_training_corpora_alone(corpora):
    ready = preparation.prepare(load(corpora, "emodb+ravdess", components="0"))
    for p, k in enumerate(ready.tables.fold):
        fold = ready.protocol.folds[k]
        assert set(ready.corpus.corpus_of[fold.test]) == {fold.name}
        frames = ready.features.frames[0][ready.inputs.steps.places(fold.train)].astype(np.float32)
        np.testing.assert_allclose(ready.tables.mean[p], frames.mean(0), atol=1e-4)
        # Neither labels nor figures of the test corpus are in the member.
        assert (ready.tables.label[p][fold.test] == -1).all()


def test_the_configuration_of_one_corpus_is_the_one_it_was():
    """Fields that are younger than runs and ledgers change no hash where they change nothing."""
    config = configs.load("dcnn_blstm:emodb")
    tree = {k: v for k, v in config.to_dict().items() if k not in ("labels", "classes")}
    older = configs.from_json(tree)
    assert older.labels == "shared"
    assert configs.config_hash(older) == configs.config_hash(config)
    other = configs.load("dcnn_blstm:emodb", [("labels", "calm_as_neutral")])
    assert configs.config_hash(other) != configs.config_hash(config)
    first, second = (configs.load(f"dcnn_blstm:{c}") for c in ("emodb+ravdess", "ravdess+emodb"))
    assert configs.config_hash(first) == configs.config_hash(second)
    assert first.protocol == "leave_one_corpus_out"
    assert (first.stem.trim_db, first.stem.level, first.dev_speakers) == (35.0, "peak", 2)
    assert config.stem.level == "recorded"


@pytest.mark.parametrize(
    ("corpus", "change", "sentence"),
    [
        ("emodb+ravdess", {"labels": "calm_neutral"}, "did you mean 'calm_as_neutral'"),
        ("emodb+ravdess", {"classes": "anger"}, "only 'anger' to tell apart"),
        ("emodb+ravdess", {"classes": "anger,boredom"}, "classes: 'boredom' is not among"),
        ("emodb+ravdess", {"classes": "anger,anger"}, "names an entry twice"),
        ("emodb+emodb_first2s", {}, "both of emodb, the same recordings or people"),
        ("emodb+emodb", {}, "names emodb twice"),
        ("emodb+synthetic", {}, "no records of synthetic there; build them with"),
        ("emodb", {"protocol": "leave_one_corpus_out"}, "needs two corpora or more"),
        ("emodb+ravdess", {"protocol": "ravdess_emobox"}, "has other speakers"),
    ],
)
def test_refused(corpora, corpus, change, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        preparation.prepare(load(corpora, corpus, **change))
    assert "\n" not in str(caught.value)


# --- the matrix -----------------------------------------------------------------------------------


def test_plan_has_one_front_end_and_the_classes_of_all(corpora):
    overrides = [("data_dir", str(corpora)), ("epochs", "2")]
    cells = cross.plan("dcnn_blstm", ["ravdess", "emodb"], overrides)
    assert [cell.name for cell in cells] == ["emodb", "ravdess", "emodb+ravdess"]
    assert [cell.config.protocol for cell in cells] == [
        "leave_one_speaker_out", "ravdess_emobox", "leave_one_corpus_out"
    ]  # fmt: skip
    assert [cell.config.dev_speakers for cell in cells] == [2, 4, 2]
    assert {(c.config.stem.trim_db, c.config.stem.level) for c in cells} == {(35.0, "peak")}
    # In EMO-DB's order, which comes first.
    six = ("anger", "disgust", "fear", "happiness", "sadness", "neutral")
    assert {cell.config.classes for cell in cells} == {six}
    assert {cell.config.epochs for cell in cells} == {2}


@pytest.mark.timeout(400)  # three trainings
def test_matrix_goes_on_and_scores_once(run, corpora, tmp_path, monkeypatch):
    trained = []
    whole = experiment.run

    def stopped(config, folder, *args):
        if "+" in config.corpus:
            raise KeyboardInterrupt
        trained.append(config.corpus)
        return whole(config, folder, *args)

    monkeypatch.setattr(experiment, "run", stopped)
    command = words(corpora, tmp_path / "m", "emodb", "ravdess")
    status, _, err = run(*command)
    assert status == 130, err
    assert trained == ["emodb", "ravdess"]
    assert not (tmp_path / "m" / "cross.json").exists()

    def counted(config, folder, *args):
        trained.append(config.corpus)
        return whole(config, folder, *args)

    monkeypatch.setattr(experiment, "run", counted)
    status, out, err = run(*command)
    assert status == 0, err
    assert trained == ["emodb", "ravdess", "emodb+ravdess"]  # what was finished is kept
    made = json.loads((tmp_path / "m" / "cross.json").read_text())
    assert made["classes"] == ["anger", "sadness"]
    assert [(c["trained_on"], c["tested_on"]) for c in made["cells"]] == [
        ("emodb", "emodb"), ("emodb", "ravdess"), ("ravdess", "emodb"), ("ravdess", "ravdess")
    ]  # fmt: skip
    for cell in made["cells"]:
        report = json.loads((tmp_path / "m" / cell["run"] / "report.json").read_text())
        tested = {one["name"]: one for one in report["test_corpora"]} or {cell["run"]: report}
        assert cell["uar"] == tested[cell["tested_on"]]["uar"]
        assert cell["n_speakers"] == 4
        assert cell["chance_uar"] == 0.5
    assert (tmp_path / "m" / "cross.txt").read_text() in out.replace("\n\n", "\n") + out
    assert "<html" in (tmp_path / "m" / "cross.html").read_text()

    books = {p: p.read_text() for p in (corpora / "ledger").glob("*.jsonl")}
    assert run(*command)[0] == 0
    assert len(trained) == 3  # all is finished
    assert {p: p.read_text() for p in (corpora / "ledger").glob("*.jsonl")} == books
    union = selection.load("emodb+ravdess", corpora, classes=("anger", "sadness"))
    entries = ledger.read(
        ledger.shared_path(corpora / "ledger", union.fingerprint, "leave_one_corpus_out")
    )
    assert [e["role"] for e in entries].count("system") == 1

    other = run(*words(corpora, tmp_path / "m", "emodb", "ravdess", epochs="3"))
    refused(other, 1, "holds a run of another config (epochs is 2 there, 3 here)")


@pytest.mark.parametrize(
    ("names", "change", "status", "sentence"),
    [
        (["emodb"], {}, 2, "1 corpus is no matrix"),
        (["emodb", "emodb"], {}, 1, "names emodb twice"),
        (["emodb", "ravdes"], {}, 2, "did you mean 'ravdess'?"),
        (["emodb", "emodb_4class"], {}, 1, "both of emodb"),
        (["emodb", "synthetic"], {}, 1, "no records of synthetic there"),
        (["emodb", "ravdess"], {"protocol": "random:5"}, 2, "`jser cross` sets it"),
        (["emodb", "ravdess"], {"labels": "calm"}, 1, "is no map between label sets"),
        (["emodb", "ravdess"], {"classes": "anger,boredom"}, 1, "'boredom' is not among"),
    ],
)
def test_refused_matrices(run, corpora, tmp_path, names, change, status, sentence):
    refused(run(*words(corpora, tmp_path / "m", *names, **change)), status, sentence)
    assert not (tmp_path / "m").exists()


def test_a_config_with_a_corpus_and_a_folder_with_a_run(run, corpora, tmp_path):
    command = words(corpora, tmp_path / "m", "emodb", "ravdess")
    command[3] = "--config=dcnn_blstm:emodb"
    refused(run(*command), 2, "write --config=dcnn_blstm")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    refused(
        run(*words(corpora, tmp_path / "m", "emodb", "ravdess")), 1, "holds a run itself; choose"
    )
