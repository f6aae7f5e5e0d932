"""Folds and dev speakers: exact numbers on corpora small enough to count by hand."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from jser import protocols
from jser.errors import InputError
from tests.protocols.made import check_folds, fake


@pytest.mark.parametrize(
    ("name", "n_f", "n_m"),
    [
        ("leave_one_speaker_out", 5, 5),
        ("leave_one_speaker_out", 0, 4),
        ("leave_one_speaker_out", 2, 1),
        ("leave_one_speaker_out", 3, 2),
        ("speaker_k_fold:3", 5, 5),
        ("speaker_k_fold:10", 5, 5),
        ("speaker_k_fold:2", 12, 12),
        ("random:5", 5, 5),
        ("random:10", 5, 5),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_folds_hold_everything_once(name: str, n_f: int, n_m: int, seed: int) -> None:
    corpus = fake(n_f, n_m)
    check_folds(corpus, protocols.make(name, corpus, seed=seed))


def test_leave_one_speaker_out_takes_one_dev_speaker_of_each_sex_and_all_take_turns() -> None:
    corpus = fake(5, 5)
    for seed in range(5):
        protocol = protocols.make("leave_one_speaker_out", corpus, seed=seed)
        assert [fold.name for fold in protocol.folds] == sorted(corpus.sex)
        assert [fold.test_speakers for fold in protocol.folds] == [(s,) for s in sorted(corpus.sex)]
        for fold in protocol.folds:
            assert sorted(corpus.sex[s] for s in fold.dev_speakers) == ["f", "m"]
        turns = Counter(s for fold in protocol.folds for s in fold.dev_speakers)
        assert set(turns.values()) == {2}, "20 places, 10 speakers"
        assert "2 dev speakers a fold, both sexes in 10 of 10 folds" in protocol.description


@pytest.mark.parametrize(
    ("n_f", "n_m", "wanted", "folds"),
    [(12, 12, 2, 6), (12, 12, 3, 6), (4, 3, 2, 7), (0, 9, 2, 9), (5, 6, 4, 11), (9, 4, 2, 5)],
)
def test_dev_turns_are_as_even_as_can_be(n_f: int, n_m: int, wanted: int, folds: int) -> None:
    corpus = fake(n_f, n_m)
    protocol = protocols.make(f"speaker_k_fold:{folds}", corpus, dev_speakers=wanted)
    turns = Counter(s for fold in protocol.folds for s in fold.dev_speakers)
    for kind in {*corpus.sex.values()}:
        counts = [turns[s] for s, k in corpus.sex.items() if k == kind]
        assert max(counts) - min(counts) <= 1
    assert all(len(fold.dev_speakers) == wanted for fold in protocol.folds)


def test_seed_changes_the_dev_speakers_and_nothing_else_is_random() -> None:
    corpus = fake()
    one, again, other = (protocols.make("leave_one_speaker_out", corpus, seed=s) for s in (0, 0, 1))
    assert one.folds_hash() == again.folds_hash() != other.folds_hash()
    assert [f.test_speakers for f in one.folds] == [f.test_speakers for f in other.folds]


def test_few_speakers_get_fewer_dev_speakers_and_the_description_says_so() -> None:
    protocol = protocols.make("leave_one_speaker_out", fake(0, 4))
    assert {len(fold.dev_speakers) for fold in protocol.folds} == {1}
    assert "1 dev speaker a fold (2 asked for: too few speakers)" in protocol.description
    for name in ("leave_one_speaker_out", "speaker_k_fold:2"):
        with pytest.raises(InputError, match="fewer than two for train and dev"):
            protocols.make(name, fake(1, 1))


def test_the_last_speaker_of_a_sex_stays_in_training() -> None:
    corpus = fake(8, 2)
    for fold in protocols.make("leave_one_speaker_out", corpus).folds:
        assert {corpus.sex[s] for s in fold.train_speakers} == {"f", "m"}


def test_session_partner_is_the_dev_speaker() -> None:
    """Pairs record together, as in IEMOCAP: nobody who was in the test's session may train."""
    corpus = fake(5, 5)
    pair = np.asarray([str((int(s) + 1) // 2) for s in corpus.speaker])
    corpus = replace(corpus, session=pair)
    protocol = protocols.make("leave_one_speaker_out", corpus)
    for fold in protocol.folds:
        (test,) = fold.test_speakers
        partner = int(test) + 1 if int(test) % 2 else int(test) - 1
        assert fold.dev_speakers == (f"{partner:02d}",)
    report = protocols.certificate(corpus, protocol)
    assert report.leak is None
    assert report.dev_test_same_session


def test_speaker_k_fold_balances_sexes() -> None:
    corpus = fake(12, 12)
    for fold in protocols.make("speaker_k_fold:6", corpus).folds:
        assert Counter(corpus.sex[s] for s in fold.test_speakers) == {"f": 2, "m": 2}


def test_random_is_stratified_and_carries_its_leak() -> None:
    corpus = fake(5, 5, texts=3, classes=2)  # 30 utterances a class
    protocol = protocols.make("random:5", corpus)
    assert protocol.by == "utterance"
    assert "test speakers are also in training" in str(protocol.leak)
    for fold in protocol.folds:
        assert np.bincount(corpus.label[fold.test]).tolist() == [6, 6]
        assert 4 <= len(fold.dev) <= 5  # a tenth of the other 48
    report = protocols.certificate(corpus, protocol)
    assert report.leak == protocol.leak
    assert any("train and test share" in f for f in report.found)


def test_no_dev_and_no_speaker_are_refused() -> None:
    with pytest.raises(InputError, match="at least one dev speaker"):
        protocols.make("leave_one_speaker_out", fake(), dev_speakers=0)
    corpus = fake()
    corpus.speaker[0] = ""
    with pytest.raises(InputError, match="have no speaker"):
        protocols.make("leave_one_speaker_out", corpus)


def test_member_labels_hide_the_test() -> None:
    corpus = fake()
    fold = protocols.make("leave_one_speaker_out", corpus).folds[3]
    seen = protocols.member_labels(corpus.label, fold)
    assert seen.dtype == np.int32
    assert (seen[fold.test] == -1).all()
    both = np.concatenate([fold.train, fold.dev])
    assert (seen[both] == corpus.label[both]).all()


def test_where_the_test_selects_dev_is_the_test_and_the_certificate_says_so() -> None:
    corpus = fake()
    base = protocols.make("leave_one_speaker_out", corpus)
    made = protocols.make("leave_one_speaker_out+test_selects", corpus)
    assert made.test_selects
    for fold, of in zip(made.folds, base.folds, strict=True):
        assert fold.dev.tolist() == fold.test.tolist() == of.test.tolist()
        assert fold.train.tolist() == sorted([*of.train, *of.dev])
    certificate = protocols.certificate(corpus, made)
    assert "chose the epoch" in str(certificate.leak)
    assert any("dev and test share 1 speaker" in s for s in certificate.summary)
    random = protocols.make("random:5+test_selects", corpus)
    assert "chose the epoch" in str(random.leak)
    assert "random split" in str(random.leak)
    with pytest.raises(InputError, match="takes no number"):
        protocols.make("random:5+test_selects:2", corpus)
