"""What is refused of a config before any record is read."""

import importlib

import pytest

from jser import config as configs
from jser import preparation, systems
from jser.errors import InputError

ON_FRAMES = ("acoustic_rnn", "acrnn", "conv_lstm", "dnn_elm", "pcrn", "rnn_elm")


def config(name, **changed):
    fields = {key.replace("__", "."): value for key, value in changed.items()}
    return configs.load(f"{name}:synthetic", list(fields.items()))


def every_corpus():
    """Each packaged config with each corpus that it names, and with two joined."""
    for name in configs.packaged():
        module = importlib.import_module(f"jser.configs.{name}")
        yield from ((name, corpus) for corpus in (*module.CORPORA, "emodb+ravdess"))


@pytest.mark.parametrize(("name", "corpus"), every_corpus())
def test_packaged_configs_are_possible(name, corpus):
    preparation.check(configs.load(f"{name}:{corpus}"))


@pytest.mark.parametrize("name", [*ON_FRAMES, "cnn_rnn", "svm"])
def test_read_outs_of_a_system_that_adds_none(name):
    with pytest.raises(InputError, match=r"readout.views: . adds no read-outs .* leave it empty"):
        preparation.check(config(name, readout__views="stem"))


@pytest.mark.parametrize("name", [*ON_FRAMES, "cnn_rnn"])
def test_losses_on_the_embedding(name):
    preparation.check(config(name, metric_loss="center", hyper__metric="0.1"))
    with pytest.raises(
        InputError, match=r"hyper.metric: 0.1 would change nothing with metric_loss="
    ):
        preparation.check(config(name, metric_loss="none", hyper__metric="0.1"))
    with pytest.raises(InputError, match=r"metric_loss: 'centre' is none .* did you mean center"):
        preparation.check(config(name, metric_loss="centre", hyper__metric="0.1"))
    with pytest.raises(InputError, match=r"metric_loss: center has the weight hyper.metric 0"):
        preparation.check(config(name, metric_loss="center", hyper__metric="0"))


@pytest.mark.parametrize("name", [*ON_FRAMES, "cnn_rnn"])
def test_copies_of_a_system_that_has_none(name):
    changed = {"balance__class_weights": "False", "balance__augment": "True"}
    with pytest.raises(InputError, match=r"balance.augment: .* has no augmented copies") as error:
        preparation.check(config(name, **changed))
    assert "augment.copies" not in str(error.value), "a field that the config does not have"


@pytest.mark.parametrize(
    ("name", "changed", "sentence"),
    [
        ("acoustic_rnn", {"optimiser": "adam"}, "optimiser: 'adam' is none of adamw, nadam, sgd"),
        ("acoustic_rnn", {"frames__level": "peek"}, "frames.level: .* did you mean peak"),
        ("acrnn", {"ensemble__size": "3"}, "3 members without a method"),
        ("acrnn", {"segments__shift": "301"}, "segments.shift: 301 .* give at most 300"),
        *(
            (name, {"model__channels": "2"}, "model.channels: 2 must be 1 .* or 3")
            for name in ("acrnn", "conv_lstm", "pcrn")
        ),
        ("pcrn", {"model__branches": "lstn"}, "model.branches: .* did you mean lstm"),
        ("rnn_elm", {"elm__kind": "kernels"}, "elm.kind: .* did you mean kernel"),
        ("rnn_elm", {"refit": "True"}, "add --config.refit=False"),
        ("svm", {"normalisation": "none"}, "normalisation: none is nothing for an SVM"),
    ],
)
def test_refused(name, changed, sentence):
    with pytest.raises(InputError, match=sentence):
        preparation.check(config(name, **changed))


def test_whole_utterances_have_no_segments_to_be_apart():
    preparation.check(config("acrnn", segments__frames="0"))


def test_a_config_is_checked_before_its_corpus_is_read(monkeypatch):
    """`jser train` of an impossible config fails at once, whatever the size of the corpus."""
    adapter = systems.get("svm")
    monkeypatch.setattr(adapter, "load", lambda config: pytest.fail("was read"))
    with pytest.raises(InputError, match="nothing for an SVM"):
        preparation.prepare(config("svm", normalisation="none"))
