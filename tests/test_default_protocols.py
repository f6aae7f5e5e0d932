"""Every config's own protocol on corpora of the shapes that it names: made, and certified."""

import importlib
from collections import Counter

import numpy as np
import pytest

from jser import config as configs
from jser import protocols, two_stage
from jser.training import cross_fit, normalisation
from tests.protocols.made import check_folds, shaped

# Corpus -> classes, women, men, folds, speakers of a fold's test.
SHAPES = {
    "casia": (6, 2, 2, 4, 1),
    "emodb": (7, 5, 5, 10, 1),
    "emodb_4class": (4, 5, 5, 10, 1),
    "emodb_first2s": (7, 5, 5, 10, 1),
    "iemocap_2280": (4, 5, 5, 10, 1),
    "iemocap_5531": (4, 5, 5, 10, 1),
    "ravdess": (8, 12, 12, 6, 4),
    "savee": (7, 0, 4, 4, 1),
}


def named():
    """Packaged configs with their corpora of human speech."""
    for name in configs.packaged():
        module = importlib.import_module(f"jser.configs.{name}")
        yield from ((name, corpus) for corpus in module.CORPORA if corpus in SHAPES)


def test_every_system_names_every_shape():
    corpora = {name: {c for n, c in named() if n == name} for name in configs.packaged()}
    assert {name: set(SHAPES) - found for name, found in corpora.items()} == {
        name: set() for name in configs.packaged()
    }


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_shapes(name):
    corpus = shaped(name)
    n_classes, women, men, _, _ = SHAPES[name]
    assert len(corpus.classes) == n_classes
    assert Counter(corpus.sex.values()) == Counter(f=women, m=men)
    sessions = 5 if name.startswith("iemocap") else women + men
    assert len(np.unique(corpus.session)) == sessions


@pytest.mark.parametrize(("name", "corpus_name"), named())
def test_the_protocol_of_a_config_is_made_and_certified(name, corpus_name):
    config = configs.load(f"{name}:{corpus_name}")
    corpus = shaped(corpus_name)
    _, women, men, n_folds, n_test = SHAPES[corpus_name]
    protocol = protocols.make(config.protocol, corpus, config.dev_speakers)
    check_folds(corpus, protocol)
    assert len(protocol.folds) == n_folds
    for fold in protocol.folds:
        assert len(fold.test_speakers) == n_test
        assert len(fold.dev_speakers) == config.dev_speakers, "as many as are asked for"
        assert len(fold.train_speakers) == women + men - n_test - config.dev_speakers
        if config.dev_speakers > 1:
            assert {corpus.sex[s] for s in fold.dev_speakers} == {"f", "m"}
    certificate = protocols.certificate(corpus, protocol)
    assert certificate.leak is None
    assert certificate.found == ()
    assert certificate.warnings == ()
    # Nobody who was in the test's session may train, so IEMOCAP's partner is dev.
    assert certificate.dev_test_same_session == corpus_name.startswith("iemocap")
    for fold in certificate.folds:
        assert fold.classes_missing == {"train": (), "dev": (), "test": ()}
    normalisation.check_speakers(config.normalisation, corpus.speaker)
    if two_stage.is_on(config):
        cross_fit.certify(protocol, corpus.speaker, config.stem.cross_fit)
