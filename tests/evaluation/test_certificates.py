"""The certificate's table says what it counted."""

import dataclasses

import numpy as np

from jser import protocols
from jser.evaluation import certificates
from jser.evaluation.tables import to_text
from tests.protocols.made import fake


def test_clean_and_leaking(corpus):
    protocol = protocols.make("leave_one_speaker_out", corpus)
    clean = certificates.text(protocols.certificate(corpus, protocol))
    assert "clean: train, dev and test share no speaker, no recording and no utterance" in clean
    assert "near-duplicates" not in clean
    fold = protocol.folds[0]
    moved = dataclasses.replace(fold, train=np.append(fold.train, fold.test[0]))
    leaking = dataclasses.replace(protocol, folds=(moved, *protocol.folds[1:]))
    text = certificates.text(protocols.certificate(corpus, leaking, "planted"), width=200)
    assert "LEAK" in text
    assert "train/test 1 utterance ids" in text
    assert "train and test share 1 utterance id in 1 of 10 folds" in " ".join(text.split())


def test_near_duplicates_are_part_of_the_verdict(corpus):
    """As a run counts them, over all folds, and as an audit does, fold by fold."""
    made = protocols.certificate(corpus, protocols.make("leave_one_speaker_out", corpus))
    counts = {"train_dev": 0, "train_test": 2, "dev_test": 0}
    run = dataclasses.replace(made, near_duplicates=counts).to_json()
    audit = made.to_json() | {"near_duplicates": [{"first": "a", "second": "b"}]}
    none = dataclasses.replace(made, near_duplicates=dict.fromkeys(counts, 0)).to_json()
    for tree, shared in ((run, True), (audit, True), (none, False), (made.to_json(), False)):
        said = " ".join(to_text(certificates.render_json(tree)).split())
        assert ("; but near-duplicates are shared" in said) == shared


def test_properties_over_all_folds(make_corpus):
    corpus = make_corpus(6)
    pair = np.asarray([str((int(s) + 1) // 2) for s in corpus.speaker])
    corpus = dataclasses.replace(corpus, session=pair)
    protocol = protocols.make("leave_one_speaker_out", corpus)
    text = certificates.text(protocols.certificate(corpus, protocol), width=200)
    assert "sentences: 24 of 24 tested are heard in training, counted fold by fold" in text
    assert "dev and test speakers share a session in 6 of 6 folds" in text
    # Test and dev are a man and a woman of one session; the other four speakers are two of each.
    assert "utterances by women: 50 % of train, 0 to 100 % of dev, 0 to 100 % of test" in text
    assert "classes missing" not in text
    apart = protocols.make("leave_one_speaker_out+text_disjoint", corpus)
    text = certificates.text(protocols.certificate(corpus, apart), width=200)
    assert "sentences: 0 of 24 tested" in text


def test_what_is_not_known_is_said():
    corpus = fake(3, 3, texts=4, classes=3)
    part = np.asarray(["test" if s == "06" else "dev" if s == "05" else "train"
                       for s in corpus.speaker])  # fmt: skip
    nothing = np.full(len(corpus.speaker), "")
    lost = np.where(corpus.speaker == "06", "", corpus.speaker)
    corpus = dataclasses.replace(corpus, split=part, speaker=lost, text_id=nothing, sex={})
    protocol = protocols.make("published_split", corpus)
    text = certificates.text(protocols.certificate(corpus, protocol), width=200)
    assert "sentences: which are spoken is not known" in text
    assert "utterances by women: an unknown share of train" in text
    assert "test utterances of unknown speakers: 12" in text
