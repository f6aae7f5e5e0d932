"""Published lists against their sources, and the split that a corpus brings along."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jser import protocols
from jser.errors import InputError
from jser.protocols import published
from tests.protocols.made import FakeCorpus, check_folds, fake, without


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


def test_published_list_asks_for_its_speakers() -> None:
    lacking = without(ravdess(), "03", "07", "05", "24")
    with pytest.raises(
        InputError, match="needs speakers 03, 05, 07, 24, which corpus ravdess lacks"
    ):
        protocols.make("ravdess_emobox", lacking)
    protocol = protocols.make("ravdess_emobox", replace(lacking, partial=True))
    assert [fold.name for fold in protocol.folds] == ["1", "2", "3", "5", "6"]
    assert "only 20 of its 24 speakers are here" in protocol.description
    check_folds(lacking, protocol)
    with pytest.raises(InputError, match="other speakers"):
        protocols.make("ravdess_emobox", fake())
    with pytest.raises(InputError, match="RAVDESS' speech, and corpus ravdess_song is another"):
        protocols.make("ravdess_emobox", replace(ravdess(), name="ravdess_song", partial=True))


def renamed(corpus: FakeCorpus, names: list[str]) -> FakeCorpus:
    new = dict(zip(sorted(corpus.sex), names, strict=True))
    speaker = np.asarray([new[s] for s in corpus.speaker])
    return replace(
        corpus, speaker=speaker, session=speaker, sex={new[s]: k for s, k in corpus.sex.items()}
    )


def test_savee_emobox_has_the_order_of_its_lists_and_one_dev_speaker() -> None:
    corpus = renamed(fake(0, 4, classes=7, name="savee"), ["DC", "JE", "JK", "KL"])
    protocol = protocols.make("savee_emobox", corpus)
    check_folds(corpus, protocol)
    tests = [fold.test_speakers for fold in protocol.folds]
    assert tests == [("JE",), ("KL",), ("DC",), ("JK",)]
    assert {len(fold.dev_speakers) for fold in protocol.folds} == {1}
    assert "1 dev speaker a fold (2 asked for: too few speakers)" in protocol.description
    with pytest.raises(InputError, match="needs speakers KL, which corpus savee lacks"):
        protocols.make("savee_emobox", without(corpus, "KL"))
    with pytest.raises(InputError, match="corpus fake is another or has other speakers"):
        protocols.make("savee_emobox", replace(corpus, name="fake"))


def cremad(**change: Any) -> FakeCorpus:
    names = [str(1001 + i) for i in range(91)]
    return renamed(fake(43, 48, texts=1, classes=6, name="cremad", **change), names)


def test_cremad_tfds_is_what_tfds_computes() -> None:
    crema_d = pytest.importorskip("tensorflow_datasets.audio.crema_d")
    corpus = cremad()
    ids = [(str(u), str(s)) for u, s in zip(corpus.utterance_id, corpus.speaker, strict=True)]
    shares = [("train", 0.7), ("validation", 0.1), ("test", 0.2)]
    theirs = crema_d._get_inter_splits_by_group(ids, shares, 0)
    (fold,) = protocols.make("cremad_tfds", corpus).folds
    for part, index in (("train", fold.train), ("validation", fold.dev), ("test", fold.test)):
        assert set(corpus.utterance_id[index]) == theirs[part]
    counts = [len(s) for s in (fold.train_speakers, fold.dev_speakers, fold.test_speakers)]
    assert counts == [63, 9, 19]
    assert protocols.certificate(corpus, protocols.make("cremad_tfds", corpus)).leak is None


def test_cremad_tfds_keeps_its_parts_where_actors_are_missing() -> None:
    lacking = without(cremad(), "1010", "1002")
    with pytest.raises(InputError, match="needs speakers 1002, 1010, which corpus cremad lacks"):
        protocols.make("cremad_tfds", lacking)
    protocol = protocols.make("cremad_tfds", replace(lacking, partial=True))
    assert "only 89 of its 91 speakers are here" in protocol.description
    assert set(protocol.folds[0].test_speakers) == set(map(str, published.CREMAD_TFDS_TEST)) - {
        "1010"
    }
    nobody = without(cremad(), *map(str, published.CREMAD_TFDS_DEV))
    with pytest.raises(InputError, match="leaves train, dev or test without a speaker"):
        protocols.make("cremad_tfds", replace(nobody, partial=True))
    with pytest.raises(InputError, match="lists the 91 actors of CREMA-D"):
        protocols.make("cremad_tfds", fake())


def split_by_speaker(corpus: FakeCorpus, **parts: str) -> FakeCorpus:
    """Speakers '01', '02', ... as the parts' strings name them; the others belong to none."""
    of = {f"{int(n):02d}": part for part, ns in parts.items() for n in ns.split()}
    return replace(corpus, split=np.asarray([of.get(s, "") for s in corpus.speaker]))


def test_published_split_is_the_corpus_own() -> None:
    corpus = split_by_speaker(fake(), train="1 2 3 4", dev="5 6", test="7 8 9")
    protocol = protocols.make("published_split", corpus)
    (fold,) = protocol.folds
    assert fold.train_speakers == ("01", "02", "03", "04")
    assert fold.dev_speakers == ("05", "06")
    assert fold.test_speakers == ("07", "08", "09")
    assert "6 utterances are in none of the three" in protocol.description
    assert protocols.certificate(corpus, protocol).leak is None


def test_published_split_takes_the_test_set_that_is_named() -> None:
    corpus = split_by_speaker(fake(), train="1 2 3", dev="4", test1="5 6", test2="7 8 9 10")
    (fold,) = protocols.make("published_split:test2", corpus).folds
    assert fold.name == "test2"
    assert fold.test_speakers == ("07", "08", "09", "10")
    with pytest.raises(InputError, match="several test sets, test1, test2; name one"):
        protocols.make("published_split", corpus)
    with pytest.raises(InputError, match="brings test1, test2; write one of them"):
        protocols.make("published_split:test3", corpus)


def test_published_split_without_dev_takes_it_from_train() -> None:
    corpus = split_by_speaker(fake(), train="1 2 3 4 5 6", test="7 8 9 10")
    protocol = protocols.make("published_split", corpus)
    (fold,) = protocol.folds
    assert Counter(corpus.sex[s] for s in fold.dev_speakers) == {"f": 1, "m": 1}
    assert set(fold.train_speakers) | set(fold.dev_speakers) == {f"0{i}" for i in range(1, 7)}
    assert "2 dev speakers" in protocol.description
    assert "taken from its train part" in protocol.description
    check_disjoint = np.concatenate([fold.train, fold.dev, fold.test])
    assert sorted(check_disjoint) == list(range(60))
    alone = split_by_speaker(fake(), train="1", test="2 3")
    with pytest.raises(InputError, match="fewer than two speakers to take dev from"):
        protocols.make("published_split", alone)


@pytest.mark.parametrize(
    ("parts", "has"), [({}, "none"), ({"train": "1 2"}, "train"), ({"test": "1"}, "test")]
)
def test_published_split_needs_train_and_test(parts: dict[str, str], has: str) -> None:
    with pytest.raises(InputError, match=f"needs the parts train and test, .* brings {has};"):
        protocols.make("published_split", split_by_speaker(fake(), **parts))


def test_friends_who_are_in_all_parts_are_refused_with_their_number() -> None:
    """MELD: each dialogue is in one part, and the six friends talk in all three."""
    corpus = fake(3, 3, texts=6)
    part = np.asarray([("train", "dev", "test")[int(t[1]) % 3] for t in corpus.text_id])
    corpus = replace(corpus, split=part, session=corpus.text_id)
    protocol = protocols.make("published_split", corpus)
    with pytest.raises(protocols.LeakError, match="train and test share 6 speakers"):
        protocols.certificate(corpus, protocol)
    report = protocols.certificate(corpus, protocol, "the friends talk in all parts")
    assert report.leak == "the friends talk in all parts"
    assert report.warnings == (
        "The test was heard in training: train and test share 6 speakers in 1 of 1 fold.",
    )


def test_unknown_speakers_of_a_test_are_counted_on_every_result() -> None:
    corpus = split_by_speaker(fake(), train="1 2 3 4", dev="5 6", test="7 8")
    corpus.speaker[corpus.speaker == "08"] = ""
    protocol = protocols.make("published_split", corpus)
    assert protocol.folds[0].test_speakers == ("07",)
    report = protocols.certificate(corpus, protocol)
    assert report.folds[0].speaker_unknown == {"train": 0, "dev": 0, "test": 6}
    assert report.warnings[0].startswith("Nobody knows who speaks 6 of the 12 test utterances")
