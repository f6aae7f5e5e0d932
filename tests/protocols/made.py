"""Corpora small enough to count by hand."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from jser import datasets, protocols


@dataclass(frozen=True)
class FakeCorpus:
    name: str
    classes: tuple[str, ...]
    sex: dict[str, str]
    speaker: np.ndarray
    session: np.ndarray
    text_id: np.ndarray
    split: np.ndarray
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
        "split": np.asarray(["" for _ in rows]),
        "label": np.asarray([r[2] for r in rows], np.int32),
        "pcm_sha256": np.asarray([f"hash of {i}" for i in ids]),
        "utterance_id": np.asarray(ids),
    }
    names = tuple(f"class{k}" for k in range(classes))
    return FakeCorpus(name=name, classes=names, sex=sex, **{**arrays, **change})


def without(corpus: FakeCorpus, *speakers: str) -> FakeCorpus:
    keep = ~np.isin(corpus.speaker, speakers)
    arrays = ("speaker", "session", "text_id", "split", "label", "pcm_sha256", "utterance_id")
    return replace(corpus, **{a: getattr(corpus, a)[keep] for a in arrays})


def iemocap(texts: int = 3, name: str = "iemocap", **change: Any) -> FakeCorpus:
    """Five sessions of a woman and a man; SesNNF and SesNNM."""
    base = fake(5, 5, texts=texts, classes=4, name=name)
    place = {s: i for i, s in enumerate(sorted(base.sex))}
    session = np.asarray([str(place[s] // 2 + 1) for s in base.speaker])
    named = {s: f"Ses0{i // 2 + 1}{'FM'[i % 2]}" for s, i in place.items()}
    speaker = np.asarray([named[s] for s in base.speaker])
    sex = {s: s[-1].lower() for s in named.values()}
    return replace(base, session=session, speaker=speaker, sex=sex, **change)


def shaped(name: str) -> FakeCorpus:
    """The speakers, sessions and classes of a corpus of recordings that can be built.

    Each speaker says two sentences in each class once.
    """
    info = datasets.builder_class(name).INFO
    rows = [
        (s, f"t{t}", k) for s in info.speakers for t in (1, 2) for k in range(len(info.classes))
    ]
    ids = [f"{s}-{t}-{k}" for s, t, k in rows]
    # Two speakers of IEMOCAP talk in a session: Ses01F and Ses01M.
    pairs = name.startswith("iemocap")
    return FakeCorpus(
        name=name,
        classes=tuple(info.classes),
        sex=dict(info.speakers),
        speaker=np.asarray([s for s, _, _ in rows]),
        session=np.asarray([s[:-1] if pairs else s for s, _, _ in rows]),
        text_id=np.asarray([t for _, t, _ in rows]),
        split=np.asarray(["" for _ in rows]),
        label=np.asarray([k for _, _, k in rows], np.int32),
        pcm_sha256=np.asarray([f"hash of {i}" for i in ids]),
        utterance_id=np.asarray(ids),
    )


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
