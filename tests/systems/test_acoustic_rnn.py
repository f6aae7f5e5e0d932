"""System G, from records to a report."""

import json

import numpy as np
import pytest

from jser import config as configs
from jser import preparation
from jser.errors import InputError
from jser.training import descriptor_selection


@pytest.fixture(scope="module")
def small(run_system):
    return run_system("acoustic_rnn", model__lstm="8,8", model__dense="8")


def test_a_short_run(small, exported):
    report, folder = small
    assert report["system"] == "G (LSTM on chosen descriptors)"
    assert report["n_utterances"] == 20
    assert report["baseline"]["name"] == "mean and deviation of the frames, ridge"
    assert json.loads((folder / "report.json").read_text())["uar"] == report["uar"]
    # (48 + 8) inputs to 4 gates of 8 and their bias; 8 + 8 again; a dense layer; 5 emotions.
    assert report["parameters"] == (56 * 32 + 32) + (16 * 32 + 32) + 9 * 8 + 9 * 5
    assert exported(folder, fold=1)["members"] == ["fold 1, seed 0"]


def load(data, **changed):
    fields = {"data_dir": str(data), "seeds": "0", "dev_speakers": "1"} | changed
    return configs.load(
        "acoustic_rnn:synthetic", [(k.replace("__", "."), v) for k, v in fields.items()]
    )


def test_columns_are_chosen_by_the_fold_s_own_training_utterances(data):
    ready = preparation.prepare(load(data))
    features, tables = ready.inputs.features, ready.tables
    masks = []
    for p, k in enumerate(tables.fold):
        train = ready.protocol.folds[k].train
        rows = [
            features.frames[0][features.offset[r] : features.offset[r] + features.length[r]]
            for r in train
        ]
        mean, deviation = (np.stack([f(x, axis=0) for x in rows]) for f in (np.mean, np.std))
        wanted = descriptor_selection.select(
            mean, deviation, ready.corpus.label[train], descriptor_selection.SelectionSpec()
        )
        np.testing.assert_array_equal(tables.scale[p] > 0, wanted.keep)
        masks.append(wanted.keep.tobytes())
    assert len(set(masks)) > 1, "folds choose for themselves"
    everything = preparation.prepare(load(data, selection__choose="False")).tables
    assert (everything.scale > 0).all()


def test_a_label_of_the_test_is_not_there_to_choose_by(data, monkeypatch):
    """What chooses is given the member's labels: with an utterance of the test it refuses."""
    seen = []

    def select(mean, deviation, label, spec):
        seen.append(label)
        return descriptor_selection.Selection(np.ones(mean.shape[1], bool), None, None)

    with monkeypatch.context() as patch:
        patch.setattr(descriptor_selection, "select", select)
        ready = preparation.prepare(load(data))
    assert len(seen) == len(ready.protocol.folds)
    for label, fold in zip(seen, ready.protocol.folds, strict=True):
        np.testing.assert_array_equal(label, ready.corpus.label[fold.train])
    for p, fold in enumerate(ready.protocol.folds):
        label = ready.tables.label[p]
        ready.inputs.scaling(fold.train, label)
        with pytest.raises(ValueError, match="whose label its fold must not see"):
            ready.inputs.scaling(np.append(fold.train, fold.test[:1]), label)


def test_impossible_settings(data):
    with pytest.raises(InputError, match=r"selection.test: 'student' is none of anova, kruskal"):
        preparation.prepare(load(data, selection__test="student"))
    with pytest.raises(InputError, match=r"frames.level: 'loud' is none of recorded, peak"):
        preparation.prepare(load(data, frames__level="loud"))
