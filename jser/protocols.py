"""Who trains, who tunes and who is tested: folds by speaker, published lists, the certificate.

A protocol is a list of folds; a fold is three disjoint sets of utterances. The certificate counts
from the records what the three sets have in common, and refuses a protocol that leaks.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from jser.dev_speakers import choose, seeded_order
from jser.errors import InputError

# Test actors of the six folds of EmoBox (Ma et al., Interspeech 2024).
RAVDESS_EMOBOX = (
    (1, 11, 20, 21), (4, 10, 12, 14), (8, 9, 19, 23),
    (3, 5, 7, 24), (2, 15, 16, 18), (6, 13, 17, 22),
)  # fmt: skip
PROTOCOL_NAMES = ("leave_one_speaker_out", "speaker_k_fold:K", "ravdess_emobox", "random:K")
RANDOM_LEAK = (
    "random split of utterances: the test speakers are also in training; not comparable with "
    "speaker-independent figures"
)
ALLOW_LEAK_HINT = "--allow_leak=REASON trains all the same and prints the reason on every result"


class Records(typing.Protocol):
    """What a protocol must know of a corpus; arrays are [N], one entry an utterance.

    An empty string in `session` or `text_id` means unknown and is never counted as shared.
    """

    @property
    def name(self) -> str:
        """Of the corpus."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The K class names; `label` counts in this order."""

    @property
    def sex(self) -> Mapping[str, str]:
        """Speaker to 'f' or 'm'; one that is not there is '?'."""

    @property
    def utterance_id(self) -> np.ndarray:
        """Str, unique."""

    @property
    def speaker(self) -> np.ndarray:
        """Str."""

    @property
    def session(self) -> np.ndarray:
        """Str."""

    @property
    def text_id(self) -> np.ndarray:
        """Str, the sentence spoken."""

    @property
    def label(self) -> np.ndarray:
        """Int in 0..K-1."""

    @property
    def pcm_sha256(self) -> np.ndarray:
        """Str, hash of the decoded samples."""


class LeakError(InputError):
    """The parts of a fold share what they must not share."""


@dataclass(frozen=True)
class Fold:
    """One fold: sorted int32 indices into the corpus, and the speakers behind them."""

    name: str
    train: np.ndarray
    dev: np.ndarray
    test: np.ndarray
    train_speakers: tuple[str, ...]
    dev_speakers: tuple[str, ...]
    test_speakers: tuple[str, ...]


@dataclass(frozen=True)
class Protocol:
    """Named folds. `leak` is a sentence where the protocol itself lets the test be heard."""

    name: str
    folds: tuple[Fold, ...]
    by: typing.Literal["speaker", "utterance"]
    leak: str | None
    description: str

    def folds_hash(self) -> str:
        """sha256 (hex) of all folds' names and indices."""
        digest = hashlib.sha256()
        for fold in self.folds:
            parts = [part.tolist() for part in (fold.train, fold.dev, fold.test)]
            digest.update(json.dumps([fold.name, *parts]).encode())
        return digest.hexdigest()


def make(name: str, corpus: Records, dev_speakers: int = 2, seed: int = 0) -> Protocol:
    """Make the folds of a protocol.

    Args:
        name: one of `PROTOCOL_NAMES`, with a number for K.
        corpus: the records.
        dev_speakers: dev speakers wanted a fold. Fewer are taken where dev would otherwise
            outnumber train; `description` then says so.
        seed: order of speakers (or utterances) in which parts are dealt.

    Raises:
        InputError: unknown name, impossible K, too few speakers, or a published list that does not
            fit the corpus.
    """
    kind, number = _parse(name)
    if dev_speakers < 1:
        raise InputError(f"dev_speakers={dev_speakers}: a fold needs at least one dev speaker.")
    if kind == "random":
        return _random(name, number, corpus, seed)
    speakers = sorted({str(s) for s in corpus.speaker})
    if "" in speakers:
        raise InputError(
            f"{corpus.name}: some utterances have no speaker, so {name} cannot be made; "
            f"use random:K."
        )
    if kind == "ravdess_emobox":
        tests, remark = _published(name, corpus, speakers)
    elif kind == "leave_one_speaker_out":
        tests, remark = [(s, (s,)) for s in speakers], ""
    else:
        tests, remark = _deal_speakers(name, number, speakers, corpus.sex, seed), ""
    sex = {s: corpus.sex.get(s, "?") for s in speakers}
    dev, dev_remark = choose(
        [set(test) for _, test in tests], sex, _session_mates(corpus), dev_speakers, seed
    )
    if min(map(len, dev)) == 0:
        raise InputError(
            f"protocol '{name}' on {corpus.name}: {len(speakers)} speakers leave some fold fewer "
            f"than two for train and dev; add speakers, or use random:K."
        )
    folds = []
    for (fold_name, test), fold_dev in zip(tests, dev, strict=True):
        train = set(speakers) - set(test) - fold_dev
        index = [_where(corpus.speaker, part) for part in (train, fold_dev, test)]
        names = [tuple(sorted(part)) for part in (train, fold_dev, test)]
        folds.append(Fold(fold_name, index[0], index[1], index[2], names[0], names[1], names[2]))
    description = f"{kind}, {len(folds)} folds by speaker; {dev_remark}; seed {seed}{remark}"
    return Protocol(name, tuple(folds), "speaker", None, description)


def member_labels(corpus_label: np.ndarray, fold: Fold) -> np.ndarray:
    """Labels [N] int32 that a member of `fold` may see: -1 off train and dev."""
    labels = np.full(len(corpus_label), -1, np.int32)
    for part in (fold.train, fold.dev):
        labels[part] = corpus_label[part]
    return labels


# ---------------------------------------------------------------------------------- making folds


def _parse(name: str) -> tuple[str, int]:
    kind, _, number = name.partition(":")
    known = {n.partition(":")[0]: ":" in n for n in PROTOCOL_NAMES}
    if kind not in known:
        close = difflib.get_close_matches(kind, known, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}{':K' if known[close[0]] else ''}?" if close else ""
        raise InputError(
            f"protocol '{name}' is none of {', '.join(PROTOCOL_NAMES)}{'; ' if hint else '.'}{hint}"
        )
    if not known[kind]:
        if number:
            raise InputError(f"protocol '{name}': {kind} takes no number; write {kind}.")
        return kind, 0
    if not number.isdecimal() or int(number) < 2:
        raise InputError(f"protocol '{name}': write the number of folds, 2 or more, as {kind}:10.")
    return kind, int(number)


def _published(
    name: str, corpus: Records, speakers: Sequence[str]
) -> tuple[list[tuple[str, tuple[str, ...]]], str]:
    """The folds of RAVDESS_EMOBOX as named speakers; a partial corpus keeps what it has."""
    numbers = {int(re.sub(r"\D", "", s) or 0): s for s in speakers}
    listed = {actor for fold in RAVDESS_EMOBOX for actor in fold}
    if not corpus.name.startswith("ravdess") or not set(numbers) <= listed:
        raise InputError(
            f"protocol '{name}' lists the 24 actors of RAVDESS, and corpus {corpus.name} has other "
            f"speakers; use leave_one_speaker_out or speaker_k_fold:K."
        )
    missing = sorted(listed - set(numbers))
    if missing and not getattr(corpus, "partial", False):
        which = ", ".join(f"{m:02d}" for m in missing)
        raise InputError(
            f"protocol '{name}' needs actors {which}, which corpus {corpus.name} lacks; "
            f"add their recordings, or use leave_one_speaker_out."
        )
    folds = []
    for k, actors in enumerate(RAVDESS_EMOBOX, start=1):
        present = tuple(numbers[a] for a in actors if a in numbers)
        if present:
            folds.append((str(k), present))
    remark = f"; only {len(numbers)} of its {len(listed)} speakers are here" if missing else ""
    return folds, remark


def _deal_speakers(
    name: str, k: int, speakers: Sequence[str], sex: Mapping[str, str], seed: int
) -> list[tuple[str, tuple[str, ...]]]:
    if k > len(speakers):
        raise InputError(
            f"protocol '{name}': {k} folds need {k} speakers and the corpus has {len(speakers)}; "
            f"write a smaller number."
        )
    # One sex after the other, round robin without a break: folds differ by one speaker at most.
    order = sorted(seeded_order(speakers, seed), key=lambda s: sex.get(s, "?"))
    return [(str(i + 1), tuple(sorted(order[i::k]))) for i in range(k)]


def _random(name: str, k: int, corpus: Records, seed: int) -> Protocol:
    """Utterances dealt to K folds class by class; dev is a tenth of what is not test."""
    n = len(corpus.label)
    if k > n // 3:
        raise InputError(f"protocol '{name}': {k} folds are too many for {n} utterances.")
    place = {u: i for i, u in enumerate(seeded_order(map(str, corpus.utterance_id), seed))}
    keys = [(int(corpus.label[i]), place[str(corpus.utterance_id[i])]) for i in range(n)]
    order = np.asarray(sorted(range(n), key=keys.__getitem__))
    folds = []
    for i in range(k):
        is_test = np.arange(n) % k == i
        rest = order[~is_test]
        is_dev = np.arange(len(rest)) % 10 == i % 10
        parts = [np.sort(p).astype(np.int32) for p in (rest[~is_dev], rest[is_dev], order[is_test])]
        names = [tuple(sorted({str(s) for s in corpus.speaker[p]})) for p in parts]
        folds.append(Fold(str(i + 1), parts[0], parts[1], parts[2], names[0], names[1], names[2]))
    description = f"random, {k} folds by utterance; dev a tenth of what is not test; seed {seed}"
    return Protocol(name, tuple(folds), "utterance", RANDOM_LEAK, description)


def _session_mates(corpus: Records) -> dict[str, set[str]]:
    by_session: dict[str, set[str]] = {}
    mates: dict[str, set[str]] = {str(s): set() for s in corpus.speaker}
    for session, speaker in zip(corpus.session, corpus.speaker, strict=True):
        if session:
            by_session.setdefault(str(session), set()).add(str(speaker))
    for together in by_session.values():
        for s in together:
            mates[s] |= together - {s}
    return mates


def _where(speaker: np.ndarray, chosen: Iterable[str]) -> np.ndarray:
    return np.flatnonzero(np.isin(speaker, sorted(chosen))).astype(np.int32)


# -------------------------------------------------------------------------------- the certificate

# field of the records, and what its values are called in the certificate
_SHARED = (
    ("speaker", "speakers"),
    ("session", "sessions"),
    ("pcm_sha256", "recordings"),
    ("utterance_id", "utterance_ids"),
)
_PAIRS = (("train", "dev"), ("train", "test"), ("dev", "test"))


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
