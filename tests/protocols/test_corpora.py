"""Leave one corpus out: who trains, who tunes, who is tested."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from jser import protocols
from jser.errors import InputError
from tests.protocols.made import FakeCorpus, fake


@dataclass(frozen=True)
class Joined(FakeCorpus):
    corpus_of: np.ndarray = None


def join(**sizes):
    """Corpora of so many women and men each, names prefixed as a selection does."""
    parts = {name: fake(n_f, n_m) for name, (n_f, n_m) in sizes.items()}
    arrays = {
        a: np.concatenate([np.char.add(f"{n}/", getattr(p, a)) for n, p in parts.items()])
        for a in ("speaker", "session", "text_id", "pcm_sha256", "utterance_id")
    }
    return Joined(
        name="+".join(parts),
        classes=next(iter(parts.values())).classes,
        sex={f"{n}/{s}": k for n, p in parts.items() for s, k in p.sex.items()},
        label=np.concatenate([p.label for p in parts.values()]),
        split=np.concatenate([p.split for p in parts.values()]),
        corpus_of=np.concatenate([np.full(len(p.label), n) for n, p in parts.items()]),
        **arrays,
    )


def corpora(speakers):
    return {s.partition("/")[0] for s in speakers}


def test_each_corpus_is_tested_by_the_others():
    c = join(a=(5, 5), b=(3, 3), c=(2, 4))
    protocol = protocols.make("leave_one_corpus_out", c, 2)
    assert protocol.by == "corpus"
    assert [fold.name for fold in protocol.folds] == ["a", "b", "c"]
    for fold in protocol.folds:
        others = {"a", "b", "c"} - {fold.name}
        assert corpora(fold.test_speakers) == {fold.name}
        assert corpora(fold.train_speakers) == corpora(fold.dev_speakers) == others
        # Two of each training corpus, one of each sex.
        assert len(fold.dev_speakers) == 4
        for name in others:
            mine = [s for s in fold.dev_speakers if s.startswith(f"{name}/")]
            assert {c.sex[s] for s in mine} == {"f", "m"}
        everyone = [*fold.train, *fold.dev, *fold.test]
        assert sorted(everyone) == list(range(len(c.label)))
        assert set(c.corpus_of[fold.test]) == {fold.name}
    certificate = protocols.certificate(c, protocol)
    assert certificate.found == ()
    assert certificate.text_seen is False
    # A corpus of three trains twice, with other dev speakers.
    of_b = [{s for s in f.dev_speakers if s.startswith("b/")} for f in protocol.folds[::2]]
    assert not of_b[0] & of_b[1]


def test_one_sex_or_few_speakers_are_as_elsewhere():
    protocol = protocols.make("leave_one_corpus_out", join(a=(4, 0), b=(1, 1)), 4)
    by = {fold.name: fold for fold in protocol.folds}
    assert len(by["a"].dev_speakers) == 1  # half of two
    assert len(by["b"].dev_speakers) == 2  # half of four
    assert "both sexes in 0 of 2 folds" in protocol.description


def test_a_corpus_of_one_speaker_trains_and_does_not_tune():
    c = join(a=(1, 0), b=(3, 3), c=(2, 2))
    by = {fold.name: fold for fold in protocols.make("leave_one_corpus_out", c, 2).folds}
    assert corpora(by["c"].dev_speakers) == {"b"}
    assert "a/01" in by["c"].train_speakers
    with pytest.raises(InputError, match="a have too few speakers to train and tune without b"):
        protocols.make("leave_one_corpus_out", join(a=(1, 0), b=(3, 3)), 2)


def test_speakers_of_a_session_go_together():
    c = join(a=(2, 2), b=(3, 3))
    # In b, 1 and 2 talk to each other, 3 and 4, 5 and 6.
    pairs = [s if s.startswith("a/") else f"b/{(int(s[2:]) + 1) // 2}" for s in c.speaker]
    c = replace(c, session=np.array(pairs))
    protocol = protocols.make("leave_one_corpus_out", c, 2)
    fold = protocol.folds[0]
    assert len(fold.dev_speakers) == 2
    assert len({(int(s[2:]) + 1) // 2 for s in fold.dev_speakers}) == 1
    assert protocols.certificate(c, protocol).found == ()


def test_one_corpus_is_refused():
    with pytest.raises(InputError, match="needs two corpora or more, and fake is one"):
        protocols.make("leave_one_corpus_out", fake())
    only = replace(join(a=(3, 3), b=(1, 1)), corpus_of=np.full(48, "a"))
    with pytest.raises(InputError, match="needs two corpora or more"):
        protocols.make("leave_one_corpus_out", only)


def test_other_protocols_go_over_all_speakers():
    c = join(a=(2, 2), b=(2, 2))
    protocol = protocols.make("speaker_k_fold:3", c, 2)
    assert sum(len(fold.test_speakers) for fold in protocol.folds) == 8
    assert any(len(corpora(fold.test_speakers)) == 2 for fold in protocol.folds)
    assert len(protocols.make("leave_one_speaker_out", c).folds) == 8
