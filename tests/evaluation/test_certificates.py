"""The certificate's table says what it counted."""

import dataclasses

import numpy as np

from jser import protocols
from jser.evaluation import certificates


def test_clean_and_leaking(corpus):
    protocol = protocols.make("leave_one_speaker_out", corpus)
    clean = certificates.text(protocols.certificate(corpus, protocol))
    assert "clean: nothing is shared" in clean
    fold = protocol.folds[0]
    moved = dataclasses.replace(fold, train=np.append(fold.train, fold.test[0]))
    leaking = dataclasses.replace(protocol, folds=(moved, *protocol.folds[1:]))
    text = certificates.text(protocols.certificate(corpus, leaking, "planted"), width=200)
    assert "LEAK" in text
    assert "train/test 1 utterance ids" in text
