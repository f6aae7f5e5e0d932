"""Folds, dev speakers, certificates: exact numbers on corpora small enough to count by hand."""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from jser import protocols
from jser.errors import InputError


@dataclass(frozen=True)
class FakeCorpus:
    name: str
    classes: tuple[str, ...]
    sex: dict[str, str]
    speaker: np.ndarray
    session: np.ndarray
    text_id: np.ndarray
    label: np.ndarray
    pcm_sha256: np.ndarray
    utterance_id: np.ndarray
    partial: bool = False
    fingerprint: str = "f" * 64
    extra: dict[str, Any] = field(default_factory=dict)


def fake(
    n_f: int = 5, n_m: int = 5, texts: int = 3, classes: int = 2, name: str = "fake", **change: Any
) -> FakeCorpus:
    """Each speaker says each text in each class once; sessions are the speakers."""
    speakers = [f"{i + 1:02d}" for i in range(n_f + n_m)]
    # Odd numbers are male as far as there are males, as in RAVDESS.
    sex, left = {}, {"m": n_m, "f": n_f}
    for i, s in enumerate(speakers):
        kind = "mf"[i % 2]
        kind = kind if left[kind] else "fm"["fm".index(kind) - 1]
        sex[s] = kind
        left[kind] -= 1
    rows = [(s, f"t{t}", k) for s in speakers for t in range(texts) for k in range(classes)]
    ids = [f"{s}-{t}-{k}" for s, t, k in rows]
    arrays = {
        "speaker": np.asarray([r[0] for r in rows]),
        "session": np.asarray([r[0] for r in rows]),
        "text_id": np.asarray([r[1] for r in rows]),
        "label": np.asarray([r[2] for r in rows], np.int32),
        "pcm_sha256": np.asarray([f"hash of {i}" for i in ids]),
        "utterance_id": np.asarray(ids),
    }
    names = tuple(f"class{k}" for k in range(classes))
    return FakeCorpus(name=name, classes=names, sex=sex, **{**arrays, **change})


def check_folds(corpus: FakeCorpus, protocol: protocols.Protocol) -> None:
    tested = np.concatenate([fold.test for fold in protocol.folds])
    assert sorted(tested) == list(range(len(corpus.label))), "each utterance is tested once"
    for fold in protocol.folds:
        together = np.concatenate([fold.train, fold.dev, fold.test])
        assert sorted(together) == list(range(len(corpus.label))), "disjoint, and nothing left out"
        assert all(len(part) for part in (fold.train, fold.dev, fold.test))
        assert {part.dtype for part in (fold.train, fold.dev, fold.test)} == {np.dtype(np.int32)}
        for index, names in (
            (fold.train, fold.train_speakers),
            (fold.dev, fold.dev_speakers),
            (fold.test, fold.test_speakers),
        ):
            assert names == tuple(np.unique(corpus.speaker[index]))


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


def ravdess(**change: Any) -> FakeCorpus:
    return fake(12, 12, texts=2, classes=8, name="ravdess", **change)


def test_ravdess_emobox_is_the_published_list() -> None:
    corpus = ravdess()
    protocol = protocols.make("ravdess_emobox", corpus)
    check_folds(corpus, protocol)
    assert [fold.test_speakers for fold in protocol.folds] == [
        ("01", "11", "20", "21"),
        ("04", "10", "12", "14"),
        ("08", "09", "19", "23"),
        ("03", "05", "07", "24"),
        ("02", "15", "16", "18"),
        ("06", "13", "17", "22"),
    ]
    assert all(len(fold.train_speakers) == 18 for fold in protocol.folds)
    assert protocols.certificate(corpus, protocol).leak is None


def test_ravdess_emobox_finds_actors_by_number() -> None:
    corpus = ravdess()
    named = np.asarray([f"Actor_{s}" for s in corpus.speaker])
    sex = {f"Actor_{s}": k for s, k in corpus.sex.items()}
    protocol = protocols.make("ravdess_emobox", replace(corpus, speaker=named, sex=sex))
    assert protocol.folds[0].test_speakers == ("Actor_01", "Actor_11", "Actor_20", "Actor_21")


def without(corpus: FakeCorpus, *speakers: str) -> FakeCorpus:
    keep = ~np.isin(corpus.speaker, speakers)
    arrays = ("speaker", "session", "text_id", "label", "pcm_sha256", "utterance_id")
    return replace(corpus, **{a: getattr(corpus, a)[keep] for a in arrays})


def test_published_list_asks_for_its_speakers() -> None:
    lacking = without(ravdess(), "03", "07", "05", "24")
    with pytest.raises(InputError, match="needs actors 03, 05, 07, 24, which corpus ravdess lacks"):
        protocols.make("ravdess_emobox", lacking)
    protocol = protocols.make("ravdess_emobox", replace(lacking, partial=True))
    assert [fold.name for fold in protocol.folds] == ["1", "2", "3", "5", "6"]
    assert "only 20 of its 24 speakers are here" in protocol.description
    check_folds(lacking, protocol)
    with pytest.raises(InputError, match="other speakers"):
        protocols.make("ravdess_emobox", fake())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("leave_one_speker_out", "did you mean leave_one_speaker_out?"),
        ("loso", "is none of leave_one_speaker_out, speaker_k_fold:K"),
        ("speaker_kfold:5", "did you mean speaker_k_fold:K?"),
        ("speaker_k_fold", "write the number of folds, 2 or more"),
        ("random:1", "2 or more"),
        ("random:x", "2 or more"),
        ("ravdess_emobox:6", "takes no number"),
        ("speaker_k_fold:11", "11 folds need 11 speakers and the corpus has 10"),
        ("random:30", "too many for 60 utterances"),
    ],
)
def test_wrong_names_say_the_way_out(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        protocols.make(name, fake())


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


# -------------------------------------------------------------------------------- the certificate


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
