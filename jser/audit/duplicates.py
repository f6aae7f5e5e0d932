"""Which utterances of a corpus are one recording, and which of them a protocol tells apart."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import typing
from collections.abc import Sequence
from typing import Any

import numpy as np

from jser import progress
from jser.audit import fingerprints, kept
from jser.audit.fingerprints import Pair
from jser.protocols import Certificate, Protocol
from jser.records.corpus import Corpus
from jser.records.selection import Selection

PARTS = ("train", "dev", "test")
PART_PAIRS = (("train", "dev"), ("train", "test"), ("dev", "test"))


def identical(corpus: Corpus) -> list[list[str]]:
    """Groups of utterances whose samples are equal."""
    same: dict[str, list[str]] = {}
    for name, pcm in zip(corpus.utterance_id, corpus.pcm_sha256, strict=True):
        same.setdefault(str(pcm), []).append(str(name))
    return sorted(names for names in same.values() if len(names) > 1)


# Up to so many utterances a training looks for near-duplicates by itself: the time grows with the
# square of their number, and is a quarter of an hour here (tests/benchmarks/README.md).
BY_ITSELF = 100_000


def find(corpus: Corpus, data_dir: str | os.PathLike[str]) -> list[Pair]:
    """Near-duplicates: pairs of one recording whose samples differ. Found once, then kept.

    Args:
        corpus: the records.
        data_dir: where caches lie.
    """
    name = key(corpus)
    if (before := _found_before(data_dir, name)) is not None:
        return before
    with progress.bar(len(corpus.length), "compare", unit="utterance") as tick:
        found = fingerprints.near_duplicates(corpus.frames, corpus.offset, corpus.length, tick=tick)
    pcm = corpus.pcm_sha256
    pairs = [pair for pair in found if pcm[pair.first] != pcm[pair.second]]
    kept.write(data_dir, name, {"pairs": [dataclasses.asdict(pair) for pair in pairs]})
    return pairs


def key(corpus: Corpus) -> str:
    """What the near-duplicates of a corpus are kept under, see `kept`."""
    # Pairs are kept by place, and the order of joined corpora is the user's.
    order = hashlib.sha256("\n".join(map(str, corpus.utterance_id)).encode()).hexdigest()
    return (
        f"near-{corpus.fingerprint[:24]}-{order[:8]}-{corpus.front_end_hash}"
        f"-v{fingerprints.VERSION}"
    )


def _found_before(data_dir: str | os.PathLike[str], name: str) -> list[Pair] | None:
    before = kept.read(data_dir, name)
    if before is None:
        return None
    try:
        return [Pair(**fields) for fields in before["pairs"]]
    except (KeyError, TypeError):
        return None  # Changed by hand: it is found again.


def named(pair: Pair, corpus: Corpus) -> dict[str, Any]:
    """A pair as JSON has it, by utterance ids."""
    return {
        "first": str(corpus.utterance_id[pair.first]),
        "second": str(corpus.utterance_id[pair.second]),
        "similarity": round(pair.similarity, 4),
        "lag_seconds": round(pair.lag, 4) + 0.0,  # not -0
        "level_db": round(pair.level_db, 1) + 0.0,
        "same_corpus": _corpus_of(corpus, pair.first) == _corpus_of(corpus, pair.second),
        "same_speaker": bool(corpus.speaker[pair.first] == corpus.speaker[pair.second]),
        "same_class": bool(corpus.label[pair.first] == corpus.label[pair.second]),
    }


def _corpus_of(corpus: Corpus, row: int) -> str:
    return str(corpus.corpus_of[row]) if isinstance(corpus, Selection) else corpus.name


class _Halves(typing.Protocol):
    """Two utterances, or pictures, by their place in the corpus."""

    @property
    def first(self) -> int: ...

    @property
    def second(self) -> int: ...


_P = typing.TypeVar("_P", bound=_Halves)


def across(pairs: Sequence[_P], protocol: Protocol, n: int) -> list[dict[str, list[_P]]]:
    """Of each fold, the pairs whose halves lie in two parts: 'train_test' -> pairs.

    Args:
        pairs: by place in the corpus.
        protocol: its folds.
        n: utterances of the corpus.
    """
    found = []
    for fold in protocol.folds:
        # An utterance may be in more than one part where a protocol leaks.
        held = {part: np.zeros(n, bool) for part in PARTS}
        for part in PARTS:
            held[part][getattr(fold, part)] = True
        found.append(
            {
                f"{a}_{b}": [
                    p
                    for p in pairs
                    if (held[a][p.first] and held[b][p.second])
                    or (held[b][p.first] and held[a][p.second])
                ]
                for a, b in PART_PAIRS
            }
        )
    return found


def certified(
    certificate: Certificate,
    corpus: Corpus,
    protocol: Protocol,
    data_dir: str | os.PathLike[str],
) -> Certificate:
    """The certificate with the number of near-duplicates in two parts of a fold, each pair once.

    They are counted and not refused: that two recordings are one is a measurement here, which may
    err, where equal samples are a proof. Of pictures, whose audit has found them, the certificate
    has the number already. Of more than `BY_ITSELF` utterances they are counted where `jser audit`
    has looked for them.
    """
    if certificate.of_pictures:
        return certificate
    pairs = _found_before(data_dir, key(corpus))
    if pairs is None:
        if len(corpus.label) > BY_ITSELF:
            return certificate
        pairs = find(corpus, data_dir)
    shared = across(pairs, protocol, len(corpus.label))
    counts = {
        name: len({pair for fold in shared for pair in fold[name]})
        for name in (f"{a}_{b}" for a, b in PART_PAIRS)
    }
    return dataclasses.replace(certificate, near_duplicates=counts)
