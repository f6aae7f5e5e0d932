"""The certificate: exact numbers on corpora small enough to count by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from jser import protocols
from tests.protocols.made import fake


def test_certificate_of_a_clean_protocol() -> None:
    corpus = fake(5, 5, texts=3, classes=2)  # six utterances a speaker
    report = protocols.certificate(corpus, protocols.make("leave_one_speaker_out", corpus))
    assert report.leak is None
    assert report.found == ()
    assert report.text_seen is True
    assert (report.sentences_tested, report.sentences_heard) == (30, 30)
    assert not report.dev_test_same_session
    fold = report.folds[0]
    assert fold.utterances == {"train": 42, "dev": 12, "test": 6}
    assert fold.shared["train_test"] == {
        "speakers": 0,
        "sessions": 0,
        "recordings": 0,
        "utterance_ids": 0,
    }
    assert fold.sex == {"train": {"f": 24, "m": 18}, "dev": {"f": 6, "m": 6}, "test": {"m": 6}}
    assert (fold.dev_rarest_class, fold.dev_rarest_count) == ("class0", 6)
    assert fold.classes_missing == {"train": (), "dev": (), "test": ()}
    assert json.loads(json.dumps(report.to_json()))["folds"][0]["speakers"]["test"] == ["01"]


def test_certificate_knows_unseen_and_unknown_sentences() -> None:
    corpus = fake(5, 5)
    own = np.asarray([f"{s}{t}" for s, t in zip(corpus.speaker, corpus.text_id, strict=True)])
    protocol = protocols.make("leave_one_speaker_out", corpus)
    assert protocols.certificate(replace(corpus, text_id=own), protocol).text_seen is False
    nothing = np.full(len(corpus.label), "")
    assert protocols.certificate(replace(corpus, text_id=nothing), protocol).text_seen is None


def test_certificate_names_missing_and_rare_classes() -> None:
    corpus = fake(5, 5, texts=3, classes=2)
    label = corpus.label.copy()
    label[corpus.speaker == "01"] = 0
    corpus = replace(corpus, label=label)
    report = protocols.certificate(corpus, protocols.make("leave_one_speaker_out", corpus))
    assert report.folds[0].classes_missing == {"train": (), "dev": (), "test": ("class1",)}
    with_01 = next(f for f in report.folds if "01" in f.speakers["dev"])
    assert (with_01.dev_rarest_class, with_01.dev_rarest_count) == ("class1", 3)


def test_planted_recording_is_refused() -> None:
    corpus = fake()
    pcm = corpus.pcm_sha256.copy()
    pcm[corpus.speaker == "02"] = pcm[corpus.speaker == "01"]  # the same six files under two names
    corpus = replace(corpus, pcm_sha256=pcm)
    protocol = protocols.make("leave_one_speaker_out", corpus)
    with pytest.raises(protocols.LeakError, match=r"share 6 recordings.*allow_leak=REASON"):
        protocols.certificate(corpus, protocol)
    with pytest.raises(protocols.LeakError):
        protocols.certificate(corpus, protocol, allow_leak="  ")
    report = protocols.certificate(corpus, protocol, allow_leak="known duplicates")
    assert report.leak == "known duplicates"
    assert all("share 6 recordings" in f for f in report.found)
    # Two speakers hold the same files: in every fold they are apart, or together in train.
    apart = [f for f in report.folds if not {"01", "02"} <= set(f.speakers["train"])]
    together = [f for f in apart if {"01", "02"} <= set(f.speakers["dev"])]
    assert len({line.partition(":")[0] for line in report.found}) == len(apart) - len(together)


@pytest.mark.parametrize(("part", "pair"), [("dev", "train and dev"), ("test", "train and test")])
def test_planted_speaker_is_refused(part: str, pair: str) -> None:
    corpus = fake()
    protocol = protocols.make("leave_one_speaker_out", corpus)
    fold = protocol.folds[0]
    stolen = getattr(fold, part)[:1]
    leaky = replace(fold, train=np.concatenate([fold.train, stolen]))
    leaky_protocol = replace(protocol, folds=(leaky, *protocol.folds[1:]))
    with pytest.raises(protocols.LeakError, match=f"fold 01: {pair} share 1 speakers"):
        protocols.certificate(corpus, leaky_protocol)
    report = protocols.certificate(corpus, leaky_protocol, allow_leak="a test")
    assert report.folds[0].shared[pair.replace(" and ", "_")] == {
        "speakers": 1,
        "sessions": 1,
        "recordings": 1,
        "utterance_ids": 1,
    }


def test_planted_session_is_refused() -> None:
    corpus = fake()
    corpus = replace(corpus, session=np.full(len(corpus.label), "one room"))
    with pytest.raises(protocols.LeakError, match="share 1 sessions"):
        protocols.certificate(corpus, protocols.make("leave_one_speaker_out", corpus))
    unknown = replace(corpus, session=np.full(len(corpus.label), ""))
    protocol = protocols.make("leave_one_speaker_out", unknown)
    assert protocols.certificate(unknown, protocol).leak is None


def test_dev_speaker_in_test_is_refused() -> None:
    corpus = fake()
    protocol = protocols.make("leave_one_speaker_out", corpus)
    fold = protocol.folds[0]
    both = replace(fold, dev=np.concatenate([fold.dev, fold.test]))
    with pytest.raises(protocols.LeakError, match="dev and test share 1 speakers"):
        protocols.certificate(corpus, replace(protocol, folds=(both,)))


def test_a_reason_without_a_leak_marks_nothing() -> None:
    corpus = fake()
    protocol = protocols.make("leave_one_speaker_out", corpus)
    assert protocols.certificate(corpus, protocol, allow_leak="just in case").leak is None


def test_a_recording_under_two_names_is_a_warning_with_its_number() -> None:
    """As in RAVDESS: one actor's two files are one recording. By speaker they stay together."""
    corpus = fake(4, 4)
    corpus.pcm_sha256[1] = corpus.pcm_sha256[0]
    by_speaker = protocols.make("leave_one_speaker_out", corpus)
    assert protocols.certificate(corpus, by_speaker).warnings == ()
    report = protocols.certificate(corpus, protocols.make("random:4", corpus))
    apart = sum("train and test share 1 recordings" in found for found in report.found)
    assert apart > 0
    (warning,) = report.warnings
    assert f"train and test share 1 recording in {apart} of 4 folds" in warning
    assert "train and test share up to 8 speakers in 4 of 4 folds" in warning


def test_summary_says_the_most_and_in_how_many_folds() -> None:
    corpus = fake()
    protocol = protocols.make("leave_one_speaker_out", corpus)
    first, second = protocol.folds[:2]
    folds = (
        replace(first, train=np.concatenate([first.train, first.test])),
        replace(second, train=np.concatenate([second.train, second.test[:1]])),
        *protocol.folds[2:],
    )
    report = protocols.certificate(corpus, replace(protocol, folds=folds), "planted")
    assert "train and test share up to 6 recordings in 2 of 10 folds" in report.summary
    assert "train and test share 1 speaker in 2 of 10 folds" in report.summary
