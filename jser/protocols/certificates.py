"""The certificate: what the parts of each fold share, counted from the records."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from jser.errors import InputError
from jser.protocols import pictures
from jser.protocols.folds import Fold, Protocol
from jser.protocols.records import Records, of_pictures

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
    sentences_tuned: int  # of those, also in dev
    speaker_unknown: dict[str, int]  # part -> utterances of which nobody knows who speaks
    sex: dict[str, dict[str, int]]  # part -> sex -> utterances
    classes_missing: dict[str, tuple[str, ...]]
    dev_rarest_class: str
    dev_rarest_count: int


@dataclass(frozen=True)
class Certificate:
    """What a protocol's folds share, counted from the records.

    `leak` is None where nothing is shared that must not be; else why it was let through: the
    protocol's own sentence, or the reason the user gave. `found` lists each thing shared, fold by
    fold.
    """

    corpus: str
    fingerprint: str
    protocol: str
    description: str
    folds_hash: str
    leak: str | None
    found: tuple[str, ...]
    summary: tuple[str, ...]  # of `found`, over all folds
    warnings: tuple[str, ...]  # what every result under this protocol must say
    text_seen: bool | None  # a tested sentence is heard in training; None: sentences unknown
    sentences_tested: int  # summed over folds
    sentences_heard: int
    dev_test_same_session: bool
    folds: tuple[FoldCertificate, ...]
    # Pairs of one recording, or picture, that differ in what is stored: 'train_test' -> pairs, each
    # counted once; None: not looked for.
    near_duplicates: dict[str, int] | None = None
    of_pictures: bool = False  # and not of recordings

    def to_json(self) -> dict[str, typing.Any]:
        """The certificate as a dict that `json.dump` takes."""
        return typing.cast(dict[str, typing.Any], json.loads(json.dumps(asdict(self))))


def certificate(corpus: Records, protocol: Protocol, allow_leak: str | None = None) -> Certificate:
    """Count what the parts of each fold share.

    Refused: a speaker, a session, a recording (same PCM hash) or an utterance id in both train and
    dev or train and test; and, except for the session, in both dev and test. Where a protocol
    promises that no sentence of the test is trained on, a sentence too; where one promises to keep
    nearly equal pictures together, these (elsewhere they are counted: that two pictures are one is
    a measurement, equal pixels are a proof). A protocol that says itself that it leaks is not
    refused.

    Raises:
        LeakError: something is shared and `allow_leak` gives no reason.
    """
    folds = tuple(_fold_certificate(corpus, fold) for fold in protocol.folds)
    counted = [
        (fold.name, pair, n, what)
        for fold in folds
        for pair, n, what in _leaks(fold, of_pictures(corpus))
    ]
    if protocol.text_disjoint:
        for fold in folds:
            for pair, n in (
                ("train_test", fold.sentences_heard),
                ("dev_test", fold.sentences_tuned),
            ):
                if n:
                    counted.append((fold.name, pair, n, "sentences"))
    near = None
    if seen := of_pictures(corpus):
        across = [pictures.near_across(corpus, fold) for fold in protocol.folds]
        near = {pair: len(set().union(*(f[pair] for f in across))) for pair in across[0]}
        if protocol.by == "picture":
            counted += [
                (fold.name, pair, len(pairs), "near-duplicates")
                for fold, parts in zip(folds, across, strict=True)
                for pair, pairs in parts.items()
                if pairs
            ]
    found = tuple(
        f"fold {name}: {pair.replace('_', ' and ')} share {n} {what}"
        for name, pair, n, what in counted
    )
    summary = _summary(counted, len(folds))
    reason = protocol.leak or (allow_leak or "").strip() or None
    if found and reason is None:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        way_out = "picture_k_fold:K" if seen else "a protocol by speaker"
        raise LeakError(
            f"protocol {protocol.name} on {corpus.name} leaks ({'; '.join(found[:3])}{more}); "
            f"choose {way_out}, or {ALLOW_LEAK_HINT}."
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
        found=found,
        summary=tuple(summary.values()),
        warnings=_warnings(folds, summary, seen),
        text_seen=heard > 0 if tested else None,
        sentences_tested=tested,
        sentences_heard=heard,
        dev_test_same_session=any(f.shared["dev_test"]["sessions"] for f in folds),
        folds=folds,
        near_duplicates=near,
        of_pictures=seen,
    )


def _leaks(fold: FoldCertificate, seen: bool) -> Iterator[tuple[str, int, str]]:
    """Pair of parts, how many and of what they share that they must not."""
    for pair, counts in fold.shared.items():
        for word, n in counts.items():
            if n and not (pair == "dev_test" and word == "sessions"):
                thing = "pictures" if seen and word == "recordings" else word
                yield pair, n, thing.replace("_", " ")


def _summary(
    counted: Sequence[tuple[str, str, int, str]], n_folds: int
) -> dict[tuple[str, str], str]:
    """(pair, thing) -> what is shared, over all folds."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for _, pair, n, what in counted:
        numbers.setdefault((pair, what), []).append(n)
    return {
        (pair, what): f"{pair.replace('_', ' and ')} share "
        f"{'up to ' if min(ns) < max(ns) else ''}{_count(max(ns), what)} in {len(ns)} of "
        f"{n_folds} fold{'s' * (n_folds > 1)}"
        for (pair, what), ns in numbers.items()
    }


def _count(n: int, things: str) -> str:
    return f"{n} {things.removesuffix('s') if n == 1 else things}"


def _warnings(
    folds: Sequence[FoldCertificate], summary: Mapping[tuple[str, str], str], pictures: bool
) -> tuple[str, ...]:
    heard = [sentence for (pair, _), sentence in summary.items() if pair == "train_test"]
    met = "seen" if pictures else "heard"
    found = [f"The test was {met} in training: {'; '.join(heard)}."] if heard else []
    unknown = sum(fold.speaker_unknown["test"] for fold in folds)
    if unknown:
        n = sum(fold.utterances["test"] for fold in folds)
        found.append(
            f"Nobody knows who took or painted {unknown} of the {n} test pictures: whether "
            f"training saw others of theirs cannot be counted."
            if pictures
            else f"Nobody knows who speaks {unknown} of the {n} test utterances: whether training "
            f"heard these speakers cannot be counted."
        )
    return tuple(found)


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
        sentences_tuned=len(have["test", "text_id"] & have["dev", "text_id"]),
        speaker_unknown={
            part: int(np.sum(corpus.speaker[index] == "")) for part, index in parts.items()
        },
        sex=sex,
        classes_missing={
            part: tuple(c for c, n in zip(corpus.classes, counts[part], strict=True) if n == 0)
            for part in parts
        },
        dev_rarest_class=corpus.classes[rarest],
        dev_rarest_count=int(counts["dev"][rarest]),
    )
