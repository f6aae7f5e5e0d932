"""Two stages: who tunes which stem, whose features come from where, and going on after a kill."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from jser import config as configs
from jser import experiment, preparation, two_stage
from jser.errors import InputError
from jser.models import stems
from jser.training import cross_fit, loop, members, one_member, stem_features, tuning
from jser.training.metrics_log import MetricsLog
from jser.trainings import STAGES
from tests.conftest import TINY
from tests.models.stems.small_nets import SMALL
from tests.training.conftest import same_bits

TWO_STAGE = {
    "stem.net": "small",
    "stem.taps": "conv2",
    "stem.train_from": "conv2",
    "stem.tuning": "two_stage",
    "stem.cross_fit": "2",
    "tune.epochs": "1",
    "epochs": "1",
    "components": "0",
    "model.linear_path": "true",
}


@pytest.fixture(autouse=True, scope="module")
def small_net():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(stems.NETS, "small", SMALL["alexnet"][0])
        yield


@pytest.fixture(autouse=True)
def compiled_programs(xla_cache):
    """Compiled once for all tests here."""
    jax.config.update("jax_compilation_cache_dir", str(xla_cache))


def load(data, **changed):
    fields = TINY | TWO_STAGE | {k.replace("__", "."): v for k, v in changed.items()}
    return configs.load("dcnn_blstm:synthetic", [*fields.items(), ("data_dir", str(data))])


@pytest.fixture(scope="module")
def prepared(data, small_net):
    return preparation.prepare(load(data))


# --- groups of speakers ---------------------------------------------------------------------------


def test_groups_part_the_training_speakers(prepared):
    speaker = prepared.corpus.speaker
    for fold in prepared.protocol.folds:
        groups = cross_fit.group_of(fold, speaker, 2)
        assert set(groups) == set(speaker[fold.train])
        assert set(groups.values()) == {1, 2}
        stem = cross_fit.stem_of(fold, speaker, 2)
        others = np.concatenate([fold.dev, fold.test])
        assert (stem[others] == 0).all()
        assert (stem[fold.train] > 0).all()
    for j in (1, 2):
        part = cross_fit.without(prepared.protocol, speaker, 2, j)
        for whole, fold in zip(prepared.protocol.folds, part.folds, strict=True):
            stem = cross_fit.stem_of(whole, speaker, 2)
            left_out = np.setdiff1d(whole.train, fold.train)
            np.testing.assert_array_equal(np.sort(left_out), np.flatnonzero(stem == j))
            assert not set(speaker[left_out]) & set(speaker[fold.train])
            assert set(fold.train_speakers) == set(speaker[fold.train])
            np.testing.assert_array_equal(fold.dev, whole.dev)
    cross_fit.certify(prepared.protocol, speaker, 2)
    assert (cross_fit.stem_of(prepared.protocol.folds[0], speaker, 0) == 0).all()


def test_a_stem_that_heard_the_speaker_is_refused(prepared, monkeypatch):
    """The certificate can fail: stems that leave nobody out."""
    monkeypatch.setattr(cross_fit, "without", lambda protocol, *_: protocol)
    with pytest.raises(RuntimeError, match="was tuned on its speaker"):
        cross_fit.certify(prepared.protocol, prepared.corpus.speaker, 2)


def test_more_groups_than_speakers(prepared):
    with pytest.raises(InputError, match=r"stem.cross_fit: 3 groups .* has 2; set it to 2"):
        cross_fit.certify(prepared.protocol, prepared.corpus.speaker, 3)


def test_groups_are_counted_before_features_are_computed(data, monkeypatch):
    monkeypatch.setattr(stem_features, "cached", lambda *_: pytest.fail("took long"))
    with pytest.raises(InputError, match=r"stem.cross_fit: 3 groups .* has 2; set it to 2"):
        preparation.prepare(load(data, stem__cross_fit="3"))


# --- copies ---------------------------------------------------------------------------------------


class Stopped(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize(
    ("fields", "drawn"),
    [
        ({}, 2),
        ({"augment__draw": "false"}, 0),
        # Copies that fill the smaller classes are named by the tables.
        ({"balance__class_weights": "false", "balance__augment": "true"}, 0),
    ],
    ids=["drawn", "all", "balance"],
)
def test_stems_hear_the_copies_that_the_sequence_part_hears(
    data, tmp_path, monkeypatch, fields, drawn
):
    """Drawn anew each epoch, or all of them, as `augment.draw` says; stage 1 as stage 2."""
    ready = preparation.prepare(load(data, augment__copies="noise,speed", **fields))
    asked = []

    def fit(program, features, tables, *_):
        asked.append((program, tables))
        raise Stopped

    monkeypatch.setattr(loop, "fit", fit)
    with pytest.raises(Stopped):
        two_stage.tune(ready, tmp_path, "select")
    ((program, tables),) = asked
    assert program.n_copies == ready.program.n_copies == drawn
    np.testing.assert_array_equal(tables.train_index, ready.tables.train_index)
    n = len(ready.corpus.label)
    member = jax.tree.map(lambda a: a[0], tables)
    heard = np.asarray(one_member.shuffle(program, ready.features, member, 0))
    heard = heard[heard >= 0]
    train = ready.protocol.folds[tables.fold[0]].train
    assert set(heard % n) == set(train)
    if "balance__augment" not in fields:
        assert len(heard) == len(train) * (1 if drawn else 3)


# --- features -------------------------------------------------------------------------------------


def tuned(ready, run_dir, **corpus):
    changed = dataclasses.replace(ready, corpus=dataclasses.replace(ready.corpus, **corpus))
    return two_stage.tune(changed, run_dir, "select")


def steps_of(ready, p, utterances):
    """Features of stage 2 of some utterances, for member p."""
    rows = ready.inputs.steps.places(utterances)
    return ready.features.frames[p][rows]


@pytest.fixture(scope="module")
def first(prepared, tmp_path_factory):
    return tuned(prepared, tmp_path_factory.mktemp("first"))


def test_labels_of_a_speaker_do_not_reach_his_own_features(prepared, first, tmp_path):
    """The planted leak: a training speaker's labels permuted, his features stay to the bit."""
    p = 1
    fold = prepared.protocol.folds[p]
    speaker = prepared.corpus.speaker
    him = speaker[fold.train[0]]
    his = np.flatnonzero(speaker == him)
    label = prepared.corpus.label.copy()
    label[his] = np.roll(label[his], 1)
    assert (label != prepared.corpus.label).any()
    true, states = first
    planted, planted_states = tuned(prepared, tmp_path, label=label)
    np.testing.assert_array_equal(steps_of(planted, p, his), steps_of(true, p, his))
    mine = cross_fit.stem_of(fold, speaker, 2)[his[0]]
    for j in range(3):
        params = [jax.tree.map(lambda a: a[p], s[j].best_params) for s in (states, planted_states)]
        assert same_bits(*params) == (j == mine), j
    # The test can fail: other speakers' stems were tuned on him.
    others = np.setdiff1d(fold.train, his)
    assert (steps_of(planted, p, others) != steps_of(true, p, others)).any()


def test_labels_of_the_test_speaker_reach_nothing(prepared, first, tmp_path):
    p = 2
    test = prepared.protocol.folds[p].test
    label = prepared.corpus.label.copy()
    label[test] = np.roll(label[test], 1)
    planted, _ = tuned(prepared, tmp_path, label=label)
    np.testing.assert_array_equal(planted.features.frames[p], first[0].features.frames[p])


def test_features_of_stage_2(prepared, first):
    """A set a member; scaled by its own training utterances; other sizes as on a frozen stem."""
    ready, states = first
    n = len(ready.tables)
    assert ready.features.frames.shape[0] == n
    assert ready.tables.group.tolist() == list(range(n))
    np.testing.assert_array_equal(ready.features.length, prepared.inputs.steps.length)
    for p, k in enumerate(ready.tables.fold):
        train = prepared.protocol.folds[k].train
        x = steps_of(ready, p, train).astype(np.float32)
        np.testing.assert_allclose(ready.tables.mean[p], x.mean(0), atol=1e-4)
        np.testing.assert_array_equal(ready.features.pooled[p], prepared.features.pooled[k])
    # Tuned: no longer what the frozen stem gives.
    assert (ready.features.frames[0] != prepared.features.frames[0]).any()
    # Read-outs, fitted before any stem is tuned, would see no other values after it.
    assert ready.inputs.views is prepared.inputs.views
    assert len(states) == 3


def test_two_seeds_keep_their_folds_apart(data, tmp_path):
    """Members are folds x seeds; pooled features go by the fold, tuned ones by the member."""
    ready = preparation.prepare(load(data, seeds="0,1", stem__cross_fit="0", components="5"))
    second, states = two_stage.tune(ready, tmp_path, "select")
    assert len(states) == 1
    again, _ = two_stage.tune(second, tmp_path, "refit", states)
    for made in (second, again):
        assert made.features.frames.shape[::2] == (8, 5)
        for p, k in enumerate(made.tables.fold):
            np.testing.assert_array_equal(made.features.pooled[p], ready.features.pooled[k])
    assert (second.features.frames[0] != second.features.frames[1]).any()


def test_a_refit_tunes_on_train_and_dev(prepared, first, tmp_path, monkeypatch):
    """For as long as dev chose, with groups of all its speakers."""
    asked = []

    def fit(program, features, tables, plan, run_dir, stage, every):
        asked.append((stage, tables))
        return first[1][len(asked) - 1]

    monkeypatch.setattr(loop, "fit", fit)
    chosen = [
        s.replace(best_epoch=np.full_like(s.best_epoch, 3 + j)) for j, s in enumerate(first[1])
    ]
    two_stage.tune(prepared, tmp_path, "refit", chosen)
    assert [name for name, _ in asked] == list(two_stage.stage_names("refit", 2))
    merged = members.merged(prepared.protocol)
    for j, (_, tables) in enumerate(asked):
        assert (tables.epochs == 3 + j).all()
        assert (tables.dev_index == -1).all()
        for p, k in enumerate(tables.fold):
            part = cross_fit.without(merged, prepared.corpus.speaker, 2, j).folds[k]
            rows = tables.train_index[p][tables.train_index[p] >= 0]
            assert set(rows) == set(part.train)
            assert not set(rows) & set(prepared.protocol.folds[k].test)


# --- a whole run, and a kill in the midst of it ---------------------------------------------------


WHOLE = {"components": "8", "augment__masking": "true"}


@pytest.fixture(scope="module")
def whole(data, small_net, tmp_path_factory):
    """The folder of a finished run, and its report."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return folder, experiment.run(load(data, **WHOLE), folder)


def test_killed_in_any_training_and_resumed(data, whole, tmp_path, monkeypatch):
    config = load(data, **WHOLE)
    folder, report = whole
    assert report["system"].endswith("random stem tuned from conv2 in two stages")
    write = MetricsLog.write
    trainings = [name for s in STAGES for name in (*two_stage.stage_names(s, 2), s)]
    for name in trainings:

        def dying(self, *args, name=name):
            write(self, *args)
            if self._stage == name:
                raise Stopped

        monkeypatch.setattr(MetricsLog, "write", dying)
        with pytest.raises(Stopped):
            experiment.run(config, tmp_path / "cut")
        monkeypatch.setattr(MetricsLog, "write", write)
    resumed = experiment.run(config, tmp_path / "cut")
    for name in ("uar", "wa", "per_speaker", "confusion", "parameters"):
        assert resumed[name] == report[name]
    for name in ("predictions.csv", "metrics.jsonl"):
        assert (tmp_path / "cut" / name).read_bytes() == (folder / name).read_bytes(), name


def test_evaluated_again_it_is_the_same_report(whole, monkeypatch):
    """From the checkpoints of both stages of both trainings; nothing is trained or scored anew."""
    folder, _ = whole
    kept = ("predictions.csv", "metrics.jsonl", "ledger.jsonl", "readouts.npz", "seconds.json")
    before = {name: (folder / name).read_bytes() for name in kept}
    report = json.loads((folder / "report.json").read_text())
    monkeypatch.setattr(loop, "_epoch", lambda *_: pytest.fail("trained again"))
    again = json.loads(json.dumps(experiment.evaluate(folder)))
    assert {name: (folder / name).read_bytes() for name in kept} == before
    # What this process took; and others may have been scored beside it.
    for made in (again, report):
        for name in ("peak_memory_mb", "configs_total", "warnings"):
            del made[name]
        del made["seconds"]["evaluate"]
    assert again == report


@pytest.mark.parametrize("stage", ["stem_select", "stem_select_without_2", "stem_refit", "refit"])
def test_without_one_training_a_run_is_not_finished(whole, tmp_path, stage):
    folder, _ = whole
    shutil.copytree(folder, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / stage)
    with pytest.raises(InputError, match="the run is not finished"):
        experiment.evaluate(tmp_path / "run")


# --- ready configurations -------------------------------------------------------------------------


def test_the_papers_preset(data):
    config = configs.load("dcnn_blstm_paper:emodb")
    spec, tuned = tuning.parts(config.stem.to_dict())
    assert (spec.taps, tuned.train_from, tuned.tuning) == (("fc7",), "fc6", "two_stage")
    plain = dict(configs.fields(configs.load("dcnn_blstm:emodb")))
    assert set(dict(configs.fields(config))) == set(plain)  # no field of its own


def test_the_papers_preset_runs(data, tmp_path):
    """Small net, one epoch a training; fc7 of segments, copies, balancing by copies."""
    tiny = {
        "stem.net": "small", "stem.weights": "random", "stem.input_size": "67", "seeds": "0",
        "dev_speakers": "1", "stem.cross_fit": "2", "tune.epochs": "1", "epochs": "1",
        "model.units": "4", "model.dense": "4", "data_dir": str(data),
    }  # fmt: skip
    config = configs.load("dcnn_blstm_paper:synthetic", tiny.items())
    made = experiment.run(config, tmp_path / "run")
    assert made["system"].startswith("A-fc (DCNN-BLSTMwA on AlexNet's fc7)")
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir()) == sorted(
        (*two_stage.stage_names("select", 2), "select")
    )
