"""The planted leak, end to end: what a fold learns is the same whatever its test's labels are."""

import dataclasses

import numpy as np
import pytest

from jser import answering, preparation, protocols, readouts, systems, trainings
from jser import config as configs
from tests.training.conftest import same_bits, take

SYSTEMS = {
    "rnn_elm": {
        "model.units": "4", "model.layers": "1", "elm.widths": "0.5,1", "elm.ridges": "0.1,10",
    },
    "acoustic_rnn": {"model.lstm": "4", "model.dense": "4", "refit": "True"},
    "acrnn": {
        "segments.frames": "32", "segments.shift": "32", "model.mels": "8",
        "model.first_maps": "2", "model.later_maps": "2", "model.depth": "2", "model.linear": "4",
        "model.units": "4", "model.hidden": "4", "ensemble.method": "redagging",
        "ensemble.size": "2",
    },
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def compiled_once(xla_cache):
    """What is compiled here, other workers find."""


def two_folds(protocol):
    """A fold, and one that trains on its test's speaker."""
    first = protocol.folds[0]
    other = next(f for f in protocol.folds if set(first.test_speakers) <= set(f.train_speakers))
    return dataclasses.replace(protocol, folds=(first, other))


def noting(prepared):
    """The experiment, and a list that will hold what each member's read-out is fitted on.

    Its answers alone would not tell: a choice between few settings may fall the same.
    """
    fit, given = prepared.inputs.fit_readout, []
    if fit is None:
        return prepared, given

    def noted(*arguments):
        given.append(arguments)
        return fit(*arguments)

    inputs = dataclasses.replace(prepared.inputs, fit_readout=noted)
    return dataclasses.replace(prepared, inputs=inputs), given


def learned(config, folder, planted):
    """What is learned by the first fold of `two_folds`, and by the second.

    Args:
        config: of a system.
        folder: of the run.
        planted: labels of the first fold's test are wrong.
    """
    adapter = systems.get(config.system)
    load, make = adapter.load, protocols.make

    def loaded(config):
        corpus = load(config)
        test = two_folds(make(config.protocol, corpus, config.dev_speakers)).folds[0].test
        label = corpus.label.copy()
        if planted:
            # Every label is another, and classes that were equally frequent are not.
            label[test] = (label[test] + 1 + np.arange(len(test)) % 4) % len(corpus.classes)
            assert (label != corpus.label).sum() == len(test)
        return dataclasses.replace(corpus, label=label)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "load", loaded)
        patch.setattr(protocols, "make", lambda *given: two_folds(make(*given)))
        prepared = preparation.prepare(config)
    folder.mkdir()
    baseline = readouts.fit(prepared, folder).alone[prepared.inputs.baseline]
    ((trained,), _) = trainings.train(prepared, config, folder, None)
    state, tables = trained.state, trained.prepared.tables
    prepared, given = noting(trained.prepared)
    answered = answering.by_network(prepared, state, trainings.plan_of(prepared))

    def of_fold(k):
        mine, theirs = tables.fold == k, answered.predictions.fold == k
        return {
            "members' tables": take(tables.replace(train_index=()), mine),
            "heard": [rows[rows >= 0] for rows in tables.train_index[mine]],
            "parameters": take((state.best_params, state.best_stats), mine),
            "chosen epochs": take((state.best_epoch, state.best_score, state.best_loss), mine),
            "given to read-outs": [given[p] for p in np.flatnonzero(mine) if given],
            "answers": answered.predictions.posterior[theirs],
            "baseline": [vars(fold) for fold in baseline[k].values()],
        }

    return [of_fold(k) for k in (0, 1)]


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_a_fold_learns_knows_no_label_of_its_test(name, data_without_ledger, tmp_path):
    fields = {"data_dir": str(data_without_ledger), "seeds": "0", "dev_speakers": "1"}
    fields |= {"epochs": "2", "batch_size": "4", "frames.by_length": "False"}
    config = configs.load(f"{name}:synthetic", list((fields | SYSTEMS[name]).items()))
    true, planted = (learned(config, tmp_path / str(p), p) for p in (False, True))
    for what, found in true[0].items():
        assert same_bits(found, planted[0][what]), what
    # The test can fail: the other fold trains on those labels, and what it learns is another.
    for what in ("parameters", "answers", "baseline"):
        assert not same_bits(true[1][what], planted[1][what]), what
