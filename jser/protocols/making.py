"""From a protocol's name and a corpus to its folds."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from jser.errors import InputError
from jser.protocols import corpora, published
from jser.protocols.dev_speakers import choose, seeded_order
from jser.protocols.folds import Fold, Protocol
from jser.protocols.records import Records

PROTOCOL_NAMES = (
    "leave_one_speaker_out",
    "leave_one_corpus_out",
    "speaker_k_fold:K",
    "ravdess_emobox",
    "random:K",
)
RANDOM_LEAK = (
    "random split of utterances: the test speakers are also in training; not comparable with "
    "speaker-independent figures"
)


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
    if kind == corpora.NAME:
        mates = _session_mates(corpus)
        return corpora.leave_one_corpus_out(corpus, mates, dev_speakers, seed)
    if kind == "ravdess_emobox":
        tests, remark = published.ravdess_emobox(name, corpus, speakers)
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
