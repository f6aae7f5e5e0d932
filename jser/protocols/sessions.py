"""Folds by recording session: those who talked to each other are trained on or tested together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jser.errors import InputError
from jser.protocols.dev_speakers import seeded_order
from jser.protocols.folds import Protocol, fold_of, where
from jser.protocols.naming import Name
from jser.protocols.records import Records


def make(name: Name, corpus: Records, dev_speakers: int, seed: int) -> Protocol:
    """`leave_one_session_out`, `session_k_fold:K` or `iemocap_sessions`.

    Dev is the session that follows the test's, the first after the last; further ones are added
    until dev has `dev_speakers` speakers, but never more than half of what is not test. So dev
    shares no session with train or test.

    Raises:
        InputError: unknown sessions, too few, or such as are speakers by another name.
    """
    remark = check_iemocap(name, corpus) if name.kind == "iemocap_sessions" else ""
    sessions = _sessions(name, corpus)
    if name.kind == "session_k_fold":
        if name.number > len(sessions):
            raise InputError(
                f"protocol '{name.full}': {name.number} folds need {name.number} sessions and "
                f"corpus {corpus.name} has {len(sessions)}; write a smaller number."
            )
        dealt = seeded_order(sessions, seed)
        tests = [dealt[i :: name.number] for i in range(name.number)]
    else:
        tests = [[s] for s in sessions]
    names = [str(i + 1) if name.number else test[0] for i, test in enumerate(tests)]
    ring = [s for test in tests for s in test]
    folds = []
    for fold_name, test in zip(names, tests, strict=True):
        after = ring.index(test[-1]) + 1
        others = [s for s in (*ring[after:], *ring[:after]) if s not in test]
        if len(others) < 2:
            raise InputError(
                f"protocol '{name.full}': fold {fold_name} leaves {len(others)} of the "
                f"{len(sessions)} sessions of corpus {corpus.name} for train and dev; write a "
                f"larger number."
            )
        dev = _enough(corpus, others, dev_speakers)
        train = [s for s in others if s not in dev]
        index = [where(corpus.session, part) for part in (train, dev, test)]
        folds.append(fold_of(corpus, fold_name, *index))
    sizes = sorted({len(fold.dev_speakers) for fold in folds})
    description = (
        f"{name.kind}, {len(folds)} folds by session; dev is the session after the test's, "
        f"{' to '.join(map(str, sizes))} speakers{remark}"
    )
    if name.number:
        description += f"; seed {seed}"
    return Protocol(name.base, tuple(folds), "session", None, description)


def check_iemocap(name: Name, corpus: Records) -> str:
    """Five sessions of two speakers, as in Busso et al. 2008; a remark where some are missing.

    Raises:
        InputError: other sessions, or fewer without the corpus being partial.
    """
    speakers: dict[str, set[str]] = {}
    for session, speaker in zip(corpus.session, corpus.speaker, strict=True):
        speakers.setdefault(str(session), set()).add(str(speaker))
    pairs = all(len(two) == 2 for two in speakers.values())
    apart = len(set().union(*speakers.values())) == sum(map(len, speakers.values()))
    fits = corpus.name.startswith("iemocap") and pairs and apart and len(speakers) <= 5
    if not fits or (len(speakers) < 5 and not getattr(corpus, "partial", False)):
        n = len({str(s) for s in corpus.speaker})
        raise InputError(
            f"protocol '{name.full}' is for the five sessions of IEMOCAP, two speakers each, and "
            f"corpus {corpus.name} has {len(speakers)} sessions and {n} speakers; use "
            f"leave_one_session_out or leave_one_speaker_out."
        )
    return f"; only {len(speakers)} of its 5 sessions are here" if len(speakers) < 5 else ""


def _sessions(name: Name, corpus: Records) -> list[str]:
    unknown = int(np.sum(corpus.session == ""))
    if unknown:
        raise InputError(
            f"{corpus.name}: {unknown} of {len(corpus.session)} utterances have no session, so "
            f"{name.full} cannot be made; use leave_one_speaker_out or speaker_k_fold:K."
        )
    pairs = {(str(a), str(b)) for a, b in zip(corpus.session, corpus.speaker, strict=True)}
    sessions = sorted({session for session, _ in pairs})
    if len(pairs) == len(sessions) == len({speaker for _, speaker in pairs}):
        raise InputError(
            f"protocol '{name.full}': in corpus {corpus.name} each speaker is a session of his "
            f"own; use leave_one_speaker_out or speaker_k_fold:K."
        )
    if len(sessions) < 3:
        raise InputError(
            f"protocol '{name.full}': train, dev and test need a session each and corpus "
            f"{corpus.name} has {len(sessions)}; use leave_one_speaker_out."
        )
    return sessions


def _enough(corpus: Records, others: Sequence[str], dev_speakers: int) -> list[str]:
    dev = [others[0]]
    for more in others[1 : len(others) // 2]:
        if len({str(s) for s in corpus.speaker[where(corpus.session, dev)]}) >= dev_speakers:
            break
        dev.append(more)
    return dev
