"""The certificate: what the parts of each fold share, counted from the records."""

from __future__ import annotations

import json
import typing
from dataclasses import asdict, dataclass

import numpy as np

from jser.errors import InputError
from jser.protocols.folds import Fold, Protocol
from jser.protocols.records import Records

ALLOW_LEAK_HINT = "--allow_leak=REASON trains all the same and prints the reason on every result"

# field of the records, and what its values are called in the certificate
_SHARED = (
    ("speaker", "speakers"),
    ("session", "sessions"),
    ("pcm_sha256", "recordings"),
    ("utterance_id", "utterance_ids"),
)
_PAIRS = (("train", "dev"), ("train", "test"), ("dev", "test"))


class LeakError(InputError):
    """The parts of a fold share what they must not share."""


@dataclass(frozen=True)
class FoldCertificate:
    """What is in one fold. Counts are of distinct things."""

    name: str
    speakers: dict[str, tuple[str, ...]]  # part -> speakers
    utterances: dict[str, int]  # part -> utterances
    shared: dict[str, dict[str, int]]  # 'train_test' -> {speakers, sessions, recordings, ...}
    sentences_tested: int
    sentences_heard: int  # of those, also in train
    sex: dict[str, dict[str, int]]  # part -> sex -> utterances
    classes_missing: dict[str, tuple[str, ...]]
    dev_rarest_class: str
    dev_rarest_count: int


@dataclass(frozen=True)
class Certificate:
    """What a protocol's folds share, counted from the records.

    `leak` is None where nothing is shared that must not be; else why it was let through: the
    protocol's own sentence, or the reason the user gave. `found` lists each thing shared.
    """

    corpus: str
    fingerprint: str
    protocol: str
    description: str
    folds_hash: str
    leak: str | None
    found: tuple[str, ...]
    text_seen: bool | None  # a tested sentence is heard in training; None: sentences unknown
    sentences_tested: int  # summed over folds
    sentences_heard: int
    dev_test_same_session: bool
    folds: tuple[FoldCertificate, ...]

    def to_json(self) -> dict[str, typing.Any]:
        """The certificate as a dict that `json.dump` takes."""
        return typing.cast(dict[str, typing.Any], json.loads(json.dumps(asdict(self))))


def certificate(corpus: Records, protocol: Protocol, allow_leak: str | None = None) -> Certificate:
    """Count what the parts of each fold share.

    Refused: a speaker, a session, a recording (same PCM hash) or an utterance id in both train and
    dev or train and test; and, except for the session, in both dev and test. A protocol that says
    itself that it leaks is not refused.

    Raises:
        LeakError: something is shared and `allow_leak` gives no reason.
    """
    folds = tuple(_fold_certificate(corpus, fold) for fold in protocol.folds)
    found: list[str] = []
    for fold in folds:
        for pair, counts in fold.shared.items():
            for word, n in counts.items():
                if n and not (pair == "dev_test" and word == "sessions"):
                    what = word.replace("_", " ")
                    found.append(f"fold {fold.name}: {pair.replace('_', ' and ')} share {n} {what}")
    reason = protocol.leak or (allow_leak or "").strip() or None
    if found and reason is None:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise LeakError(
            f"protocol {protocol.name} on {corpus.name} leaks ({'; '.join(found[:3])}{more}); "
            f"choose a protocol by speaker, or {ALLOW_LEAK_HINT}."
        )
    tested = sum(f.sentences_tested for f in folds)
    heard = sum(f.sentences_heard for f in folds)
    return Certificate(
        corpus=corpus.name,
        fingerprint=str(getattr(corpus, "fingerprint", "")),
        protocol=protocol.name,
        description=protocol.description,
        folds_hash=protocol.folds_hash(),
        leak=reason if found else protocol.leak,
        found=tuple(found),
        text_seen=heard > 0 if tested else None,
        sentences_tested=tested,
        sentences_heard=heard,
        dev_test_same_session=any(f.shared["dev_test"]["sessions"] for f in folds),
        folds=folds,
    )


def _fold_certificate(corpus: Records, fold: Fold) -> FoldCertificate:
    parts = {"train": fold.train, "dev": fold.dev, "test": fold.test}
    have = {
        (part, field): set(map(str, getattr(corpus, field)[index].tolist())) - {""}
        for part, index in parts.items()
        for field in ("speaker", "session", "pcm_sha256", "utterance_id", "text_id")
    }
    shared = {
        f"{a}_{b}": {word: len(have[a, field] & have[b, field]) for field, word in _SHARED}
        for a, b in _PAIRS
    }
    sex_of = np.asarray([corpus.sex.get(str(s), "?") for s in corpus.speaker])
    n_classes = len(corpus.classes)
    counts = {p: np.bincount(corpus.label[i], minlength=n_classes) for p, i in parts.items()}
    sex = {
        part: {kind: int(np.sum(kinds == kind)) for kind in map(str, np.unique(kinds))}
        for part, index in parts.items()
        for kinds in [sex_of[index]]
    }
    rarest = int(np.argmin(counts["dev"]))
    return FoldCertificate(
        name=fold.name,
        speakers={part: tuple(sorted(have[part, "speaker"])) for part in parts},
        utterances={part: len(index) for part, index in parts.items()},
        shared=shared,
        sentences_tested=len(have["test", "text_id"]),
        sentences_heard=len(have["test", "text_id"] & have["train", "text_id"]),
        sex=sex,
        classes_missing={
            part: tuple(c for c, n in zip(corpus.classes, counts[part], strict=True) if n == 0)
            for part in parts
        },
        dev_rarest_class=corpus.classes[rarest],
        dev_rarest_count=int(counts["dev"][rarest]),
    )
