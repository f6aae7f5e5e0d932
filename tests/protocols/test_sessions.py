"""Folds by session: who is dev, and what is refused."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from jser import protocols
from jser.errors import InputError
from tests.protocols.made import check_folds, fake, iemocap, without


def test_iemocap_sessions_tunes_on_the_session_after_the_test() -> None:
    corpus = iemocap()
    protocol = protocols.make("iemocap_sessions", corpus)
    check_folds(corpus, protocol)
    assert protocol.by == "session"
    assert [fold.name for fold in protocol.folds] == ["1", "2", "3", "4", "5"]
    for i, fold in enumerate(protocol.folds):
        after = (i + 1) % 5 + 1
        assert fold.test_speakers == (f"Ses0{i + 1}F", f"Ses0{i + 1}M")
        assert fold.dev_speakers == (f"Ses0{after}F", f"Ses0{after}M")
        assert len(fold.train_speakers) == 6
    report = protocols.certificate(corpus, protocol)
    assert report.leak is None
    assert not report.dev_test_same_session


def test_iemocap_speakers_tunes_on_the_test_speakers_partner() -> None:
    corpus = iemocap()
    protocol = protocols.make("iemocap_speakers", corpus, dev_speakers=4)
    check_folds(corpus, protocol)
    assert len(protocol.folds) == 10
    for fold in protocol.folds:
        (test,), (dev,) = fold.test_speakers, fold.dev_speakers
        assert {test[-1], dev[-1]} == {"F", "M"}
        assert test[:-1] == dev[:-1]
    report = protocols.certificate(corpus, protocol)
    assert report.leak is None
    assert report.dev_test_same_session, "printed, not refused"


@pytest.mark.parametrize("name", ["iemocap_sessions", "iemocap_speakers"])
def test_iemocap_protocols_want_its_sessions(name: str) -> None:
    with pytest.raises(InputError, match=r"five sessions of IEMOCAP.* fake has 10 sessions and 10"):
        protocols.make(name, fake())
    with pytest.raises(InputError, match="five sessions of IEMOCAP"):
        protocols.make(name, iemocap(name="msp_improv"))
    lacking = without(iemocap(), "Ses02F", "Ses02M")
    with pytest.raises(InputError, match="iemocap has 4 sessions and 8 speakers"):
        protocols.make(name, lacking)
    protocol = protocols.make(name, replace(lacking, partial=True))
    assert "only 4 of its 5 sessions are here" in protocol.description
    check_folds(lacking, protocol)
    swapped = iemocap()
    swapped.session[0] = "2"
    with pytest.raises(InputError, match="five sessions of IEMOCAP"):
        protocols.make(name, swapped)


def test_leave_one_session_out_adds_sessions_until_dev_has_its_speakers() -> None:
    corpus = iemocap(name="other")
    one = protocols.make("leave_one_session_out", corpus)
    assert [fold.dev_speakers for fold in one.folds][4] == ("Ses01F", "Ses01M")
    two = protocols.make("leave_one_session_out", corpus, dev_speakers=3)
    check_folds(corpus, two)
    assert {len(fold.dev_speakers) for fold in two.folds} == {4}
    # Half of the four sessions that are not test at most.
    most = protocols.make("leave_one_session_out", corpus, dev_speakers=9)
    assert most.folds_hash() == two.folds_hash()


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_session_k_fold_holds_sessions_together(k: int, seed: int) -> None:
    corpus = iemocap(name="other")
    protocol = protocols.make(f"session_k_fold:{k}", corpus, seed=seed)
    check_folds(corpus, protocol)
    assert len(protocol.folds) == k
    assert protocols.certificate(corpus, protocol).leak is None
    sizes = Counter(len(np.unique(corpus.session[fold.test])) for fold in protocol.folds)
    assert set(sizes) <= {5 // k, 5 // k + 1}


def test_impossible_sessions_are_refused() -> None:
    with pytest.raises(InputError, match="each speaker is a session of his own"):
        protocols.make("leave_one_session_out", fake())
    with pytest.raises(InputError, match="6 folds need 6 sessions and corpus other has 5"):
        protocols.make("session_k_fold:6", iemocap(name="other"))
    few = without(iemocap(name="other"), *(f"Ses0{i}{k}" for i in (3, 4, 5) for k in "FM"))
    with pytest.raises(InputError, match="need a session each and corpus other has 2"):
        protocols.make("leave_one_session_out", few)
    three = without(iemocap(name="other"), *(f"Ses0{i}{k}" for i in (4, 5) for k in "FM"))
    with pytest.raises(InputError, match="fold 1 leaves 1 of the 3 sessions"):
        protocols.make("session_k_fold:2", three)
    unknown = iemocap(name="other")
    unknown.session[:7] = ""
    with pytest.raises(InputError, match="7 of 120 utterances have no session"):
        protocols.make("leave_one_session_out", unknown)


def test_a_speaker_of_two_sessions_is_a_leak() -> None:
    corpus = iemocap(name="other")
    corpus.speaker[corpus.speaker == "Ses04F"] = "Ses01F"
    protocol = protocols.make("leave_one_session_out", corpus)
    with pytest.raises(protocols.LeakError, match="fold 1: train and test share 1 speakers"):
        protocols.certificate(corpus, protocol)
