"""From a protocol's name and a corpus to its folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from jser.errors import InputError
from jser.protocols import corpora, pictures, published, sessions, text_disjoint
from jser.protocols.dev_speakers import choose, seeded_order
from jser.protocols.folds import Protocol, fold_of, where
from jser.protocols.naming import Name, parse
from jser.protocols.records import Records, of_pictures

RANDOM_LEAK = (
    "random split of utterances: the test speakers are also in training; not comparable with "
    "speaker-independent figures"
)
RANDOM_PICTURES_LEAK = (
    "random split of pictures: those of one photographer or series, and nearly equal ones, may be "
    "on both sides"
)

TEST_SELECTS_LEAK = (
    "the test itself chose the epoch, so its figure is the best of all epochs and no estimate"
)


def make(name: str, corpus: Records, dev_speakers: int = 2, seed: int = 0) -> Protocol:
    """Make the folds of a protocol.

    Args:
        name: one of `PROTOCOL_NAMES`, with a number for K; behind it `+text_disjoint` or
            `+same_size`, see `jser.protocols.text_disjoint`, or `+test_selects`, which measures
            what a choice on the test is worth.
        corpus: the records.
        dev_speakers: dev speakers wanted a fold, where the protocol does not say who is dev. Fewer
            are taken where dev would otherwise outnumber train; `description` then says so.
        seed: order of speakers (or utterances) in which parts are dealt.

    Raises:
        InputError: unknown name, impossible K, too few speakers, or a protocol that does not fit
            the corpus.
    """
    parsed = parse(name)
    if dev_speakers < 1:
        raise InputError(f"dev_speakers={dev_speakers}: a fold needs at least one dev speaker.")
    base = _base(parsed, corpus, dev_speakers, seed)
    if parsed.variant == "test_selects":
        return _test_selects(parsed, corpus, base)
    return text_disjoint.make(parsed, corpus, base, seed) if parsed.variant else base


def _base(name: Name, corpus: Records, dev_speakers: int, seed: int) -> Protocol:
    if name.kind == "random":
        return _random(name, corpus, seed)
    if name.kind in pictures.KINDS:
        return pictures.make(name, corpus, seed)
    if name.kind == "published_split":
        return published.published_split(name, corpus, dev_speakers, seed)
    speakers = sorted({str(s) for s in corpus.speaker})
    if "" in speakers:
        raise InputError(
            f"{corpus.name}: some pictures have no author, so {name.full} cannot be made; "
            f"use picture_k_fold:K."
            if of_pictures(corpus)
            else f"{corpus.name}: some utterances have no speaker, so {name.full} cannot be made; "
            f"use random:K."
        )
    if name.kind == corpora.NAME:
        mates = _session_mates(corpus)
        return corpora.leave_one_corpus_out(corpus, mates, dev_speakers, seed)
    if name.kind in ("leave_one_session_out", "session_k_fold", "iemocap_sessions"):
        return sessions.make(name, corpus, dev_speakers, seed)
    if name.kind == "cremad_tfds":
        return published.cremad_tfds(name, corpus, speakers)
    remark = ""
    if name.kind == "ravdess_emobox":
        tests, remark = published.ravdess_emobox(name, corpus, speakers)
    elif name.kind == "savee_emobox":
        tests, remark = published.savee_emobox(name, corpus, speakers)
    elif name.kind == "speaker_k_fold":
        tests = _deal_speakers(name, speakers, corpus.sex, seed)
    else:
        if name.kind == "iemocap_speakers":
            remark = sessions.check_iemocap(name, corpus)
        tests = [(s, (s,)) for s in speakers]
    return _by_speaker(name, corpus, tests, remark, dev_speakers, seed)


def _by_speaker(
    name: Name,
    corpus: Records,
    tests: published.Tests,
    remark: str,
    dev_speakers: int,
    seed: int,
) -> Protocol:
    speakers = {str(s) for s in corpus.speaker}
    sex = {s: corpus.sex.get(s, "?") for s in speakers}
    dev, dev_remark = choose(
        [set(test) for _, test in tests], sex, _session_mates(corpus), dev_speakers, seed
    )
    if min(map(len, dev)) == 0:
        raise InputError(
            f"protocol '{name.full}' on {corpus.name}: {len(speakers)} speakers leave some fold "
            f"fewer than two for train and dev; add speakers, or use random:K."
        )
    folds = []
    for (fold_name, test), fold_dev in zip(tests, dev, strict=True):
        train = speakers - set(test) - fold_dev
        index = [where(corpus.speaker, part) for part in (train, fold_dev, test)]
        folds.append(fold_of(corpus, fold_name, *index))
    description = f"{name.kind}, {len(folds)} folds by speaker; {dev_remark}; seed {seed}{remark}"
    return Protocol(name.base, tuple(folds), "speaker", None, description)


def _deal_speakers(
    name: Name, speakers: Sequence[str], sex: Mapping[str, str], seed: int
) -> published.Tests:
    k = name.number
    if k > len(speakers):
        raise InputError(
            f"protocol '{name.full}': {k} folds need {k} speakers and the corpus has "
            f"{len(speakers)}; write a smaller number."
        )
    # One sex after the other, round robin without a break: folds differ by one speaker at most.
    order = sorted(seeded_order(speakers, seed), key=lambda s: sex.get(s, "?"))
    return [(str(i + 1), tuple(sorted(order[i::k]))) for i in range(k)]


def _random(name: Name, corpus: Records, seed: int) -> Protocol:
    """Utterances dealt to K folds class by class; dev is a tenth of what is not test."""
    n, k = len(corpus.label), name.number
    if k > n // 3:
        raise InputError(f"protocol '{name.full}': {k} folds are too many for {n} utterances.")
    place = {u: i for i, u in enumerate(seeded_order(map(str, corpus.utterance_id), seed))}
    keys = [(int(corpus.label[i]), place[str(corpus.utterance_id[i])]) for i in range(n)]
    order = np.asarray(sorted(range(n), key=keys.__getitem__))
    folds = []
    for i in range(k):
        is_test = np.arange(n) % k == i
        rest = order[~is_test]
        is_dev = np.arange(len(rest)) % 10 == i % 10
        folds.append(fold_of(corpus, str(i + 1), rest[~is_dev], rest[is_dev], order[is_test]))
    description = f"random, {k} folds by utterance; dev a tenth of what is not test; seed {seed}"
    leak = RANDOM_PICTURES_LEAK if of_pictures(corpus) else RANDOM_LEAK
    return Protocol(name.base, tuple(folds), "utterance", leak, description)


def _test_selects(name: Name, corpus: Records, base: Protocol) -> Protocol:
    """`base` as much of the literature uses it: no dev speakers, the test chooses the epoch.

    Made to measure what that is worth. Train and dev of `base` are trained on.
    """
    folds = tuple(
        fold_of(corpus, f.name, np.concatenate([f.train, f.dev]), f.test, f.test)
        for f in base.folds
    )
    return dataclasses.replace(
        base,
        name=name.full,
        folds=folds,
        leak=f"{TEST_SELECTS_LEAK}{f'; {base.leak}' if base.leak else ''}",
        description=f"test_selects, dev is the test, of: {base.description}",
        test_selects=True,
    )


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
