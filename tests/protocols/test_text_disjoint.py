"""Neither speaker nor sentence of the test in training, and the twin of equal size."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from jser import protocols
from jser.errors import InputError
from jser.protocols import text_disjoint
from tests.protocols.made import FakeCorpus, fake, iemocap


def uneven(seed: int, texts: int = 6, classes: int = 3) -> FakeCorpus:
    """As EMO-DB: not every speaker says every sentence in every class, and some say it twice."""
    rng = np.random.default_rng(seed)
    corpus = fake(4, 4, texts=texts, classes=classes)
    times = rng.choice([0, 1, 1, 2], len(corpus.label))
    index = np.repeat(np.arange(len(corpus.label)), times)
    arrays = ("speaker", "session", "text_id", "split", "label")
    ids = np.asarray([f"u{i:03d}" for i in rng.permutation(len(index))])
    order = np.argsort(ids)
    return replace(
        corpus,
        **{a: getattr(corpus, a)[index][order] for a in arrays},
        utterance_id=ids[order],
        pcm_sha256=ids[order],
    )


def strata(corpus: FakeCorpus, index: np.ndarray) -> Counter:
    return Counter(zip(corpus.speaker[index], corpus.label[index], strict=True))


@pytest.mark.parametrize("base", ["leave_one_speaker_out", "speaker_k_fold:3", "random:4"])
@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_what_the_variants_promise(base: str, groups: int, seed: int) -> None:
    corpus = uneven(seed)
    plain = protocols.make(base, corpus, seed=seed)
    apart = protocols.make(f"{base}+text_disjoint:{groups}", corpus, seed=seed)
    twin = protocols.make(f"{base}+same_size:{groups}", corpus, seed=seed)
    assert len(apart.folds) == len(twin.folds) == groups * len(plain.folds)
    for protocol in (apart, twin):
        tested = np.concatenate([fold.test for fold in protocol.folds])
        assert sorted(tested) == list(range(len(corpus.label))), "each utterance is tested once"
    whole = [fold for fold in plain.folds for _ in range(groups)]
    for fold, same, of in zip(apart.folds, twin.folds, whole, strict=True):
        assert np.array_equal(fold.test, same.test)
        assert set(fold.test) <= set(of.test)
        sentences = set(corpus.text_id[fold.test])
        assert not sentences & set(corpus.text_id[np.concatenate([fold.train, fold.dev])])
        for part in ("train", "dev"):
            mine, theirs, all_of = getattr(fold, part), getattr(same, part), getattr(of, part)
            assert set(mine) <= set(all_of)
            assert set(theirs) <= set(all_of)
            assert len(set(theirs)) == len(theirs)
            assert strata(corpus, mine) == strata(corpus, theirs)
        assert sentences & set(corpus.text_id[same.train]), "the twin hears the test's sentences"
    report = protocols.certificate(corpus, apart)
    assert report.text_seen is False
    assert report.sentences_heard == 0
    assert all(fold.sentences_tuned == 0 for fold in report.folds)
    assert protocols.certificate(corpus, twin).text_seen is True
    assert (report.leak is None) == (not base.startswith("random"))


def test_two_sentences_as_in_ravdess() -> None:
    """Each fold of speakers is tested on one sentence, trained on the other, and then exchanged."""
    corpus = fake(12, 12, texts=2, classes=8, name="ravdess")
    apart = protocols.make("ravdess_emobox+text_disjoint", corpus)
    assert [fold.name for fold in apart.folds[:3]] == ["1-1", "1-2", "2-1"]
    for fold in apart.folds:
        (tested,) = set(corpus.text_id[fold.test])
        (heard,) = set(corpus.text_id[fold.train])
        assert {tested, heard} == {"t0", "t1"}
        assert (len(fold.train), len(fold.dev), len(fold.test)) == (18 * 8, 2 * 8, 4 * 8)
    twin = protocols.make("ravdess_emobox+same_size", corpus)
    # Of each speaker and class one of the two sentences, drawn: about half of each.
    for fold in twin.folds:
        counts = Counter(corpus.text_id[fold.train])
        assert sum(counts.values()) == 18 * 8
        assert min(counts.values()) > 40
    assert twin.folds[0].train.tolist() != twin.folds[1].train.tolist()


def test_the_twin_takes_sentences_in_turn() -> None:
    """Four repetitions of two sentences, of which half is kept: two of each."""
    corpus = fake(3, 3, texts=2, classes=1)
    n = len(corpus.label)
    index = np.repeat(np.arange(n), 4)
    arrays = ("speaker", "session", "text_id", "split", "label")
    ids = np.asarray([f"{i:03d}" for i in range(4 * n)])
    corpus = replace(
        corpus,
        **{a: getattr(corpus, a)[index] for a in arrays},
        utterance_id=ids,
        pcm_sha256=ids,
    )
    for fold in protocols.make("leave_one_speaker_out+same_size", corpus).folds:
        for speaker in fold.train_speakers:
            mine = fold.train[corpus.speaker[fold.train] == speaker]
            assert Counter(corpus.text_id[mine]) == {"t0": 2, "t1": 2}


def test_seed_decides_the_groups_and_the_draw() -> None:
    corpus = fake(4, 4, texts=6)
    for variant in ("text_disjoint", "same_size"):
        name = f"leave_one_speaker_out+{variant}"
        one, again, other = (protocols.make(name, corpus, seed=s).folds_hash() for s in (0, 0, 1))
        assert one == again != other


def test_sentences_of_one_class_are_dealt_to_all_groups() -> None:
    """As in SAVEE: most sentences belong to one emotion, and no group may get all of a class."""
    corpus = fake(4, 4, texts=8, classes=4)
    own = np.asarray([f"{k}-{t}" for k, t in zip(corpus.label, corpus.text_id, strict=True)])
    corpus = replace(corpus, text_id=own)
    group = text_disjoint.deal_sentences(corpus, np.arange(len(own)), 2, seed=0)
    by_class = Counter((text[0], g) for text, g in group.items())
    assert set(by_class.values()) == {4}
    apart = protocols.make("leave_one_speaker_out+text_disjoint", corpus)
    report = protocols.certificate(corpus, apart)
    assert all(not fold.classes_missing["train"] for fold in report.folds)


def test_every_group_gets_a_sentence() -> None:
    corpus = uneven(0, texts=5)
    for groups in (2, 3, 4, 5):
        for seed in range(5):
            dealt = text_disjoint.deal_sentences(corpus, np.arange(len(corpus.label)), groups, seed)
            assert set(dealt.values()) == set(range(groups))


def test_who_does_not_say_a_groups_sentences_has_no_fold_for_it() -> None:
    corpus = fake(3, 3, texts=2)
    keep = ~((corpus.speaker == "01") & (corpus.text_id == "t1"))
    arrays = ("speaker", "session", "text_id", "split", "label", "pcm_sha256", "utterance_id")
    corpus = replace(corpus, **{a: getattr(corpus, a)[keep] for a in arrays})
    apart = protocols.make("leave_one_speaker_out+text_disjoint", corpus)
    assert len(apart.folds) == 11
    tested = np.concatenate([fold.test for fold in apart.folds])
    assert sorted(tested) == list(range(len(corpus.label)))


def test_text_disjoint_by_session() -> None:
    corpus = iemocap(texts=4)
    protocol = protocols.make("iemocap_sessions+text_disjoint", corpus)
    assert len(protocol.folds) == 10
    assert protocols.certificate(corpus, protocol).text_seen is False


def test_impossible_texts_are_refused() -> None:
    def refusal(corpus: FakeCorpus, name: str = "leave_one_speaker_out+text_disjoint") -> str:
        with pytest.raises(InputError) as caught:
            protocols.make(name, corpus)
        return str(caught.value)

    unknown = fake()
    unknown.text_id[3] = ""
    assert "does not say which sentence 1 of its utterances have" in refusal(unknown)
    assert "has 1 sentences for 2 groups; use leave_one_speaker_out" in refusal(fake(texts=1))
    three = refusal(fake(texts=3), "speaker_k_fold:5+same_size:4")
    assert three.endswith("3 sentences for 4 groups; write speaker_k_fold:5+same_size:3.")
    own = fake()
    own = replace(own, text_id=np.asarray([f"of {s}" for s in own.speaker]))
    assert "no sentence of the test is in train or dev" in refusal(own)
    # Everyone but one says only the first sentence: nothing is left to train on without it.
    bare = fake(2, 2, texts=2)
    bare.text_id[bare.speaker != "01"] = "t0"
    assert "nothing left for train or dev without the sentences of group" in refusal(bare)


def test_a_broken_promise_is_a_leak() -> None:
    corpus = fake()
    plain = protocols.make("leave_one_speaker_out", corpus)
    with pytest.raises(protocols.LeakError, match="fold 01: train and test share 3 sentences"):
        protocols.certificate(corpus, replace(plain, text_disjoint=True))
    report = protocols.certificate(corpus, replace(plain, text_disjoint=True), "planted")
    assert "dev and test share 3 sentences in 10 of 10 folds" in report.summary
