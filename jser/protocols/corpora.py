"""Leave one corpus out: trained on some corpora, tuned on their speakers, tested on another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from jser.errors import InputError
from jser.protocols.dev_speakers import choose, seeded_order
from jser.protocols.folds import Fold, Protocol, where
from jser.protocols.records import Records

NAME = "leave_one_corpus_out"


def leave_one_corpus_out(
    corpus: Records, mates: Mapping[str, set[str]], dev_speakers: int, seed: int
) -> Protocol:
    """One fold a corpus: it is the test, the others train, less their dev speakers.

    Dev has `dev_speakers` of each training corpus, of both sexes in turn, at most half of its
    speakers, and never anybody of the test's. Speakers who share a session go together.

    Args:
        corpus: with `corpus_of` beside the fields of `Records`: str [N], each utterance's corpus.
        mates: speaker -> those with whom he shares a session.
        dev_speakers: wanted of each training corpus.
        seed: of the order in which speakers take their turns.

    Raises:
        InputError: one corpus alone, or training corpora too small for a dev speaker.
    """
    corpus_of = getattr(corpus, "corpus_of", None)
    names = [] if corpus_of is None else sorted({str(name) for name in corpus_of})
    if corpus_of is None or len(names) < 2:
        raise InputError(
            f"protocol '{NAME}' needs two corpora or more, and {corpus.name} is one; join some, as "
            "--config.corpus=A+B, or use leave_one_speaker_out."
        )
    of = {
        name: sorted({str(s) for s in np.unique(corpus.speaker[corpus_of == name])})
        for name in names
    }
    # A corpus trains in all folds but its own, and each of its speakers is dev as often there.
    turns = {
        name: _dev_of(speakers, corpus.sex, mates, len(names) - 1, dev_speakers, seed)
        for name, speakers in of.items()
    }
    folds = []
    for name in names:
        others = [other for other in names if other != name]
        dev = set().union(*(turns[other].pop(0) for other in others))
        train = {s for other in others for s in of[other]} - dev
        if not dev:
            raise InputError(
                f"protocol '{NAME}': {' and '.join(others)} have too few speakers to train and "
                f"tune without {name}; add a corpus."
            )
        speakers = [tuple(sorted(part)) for part in (train, dev, set(of[name]))]
        index = [where(corpus.speaker, part) for part in speakers]
        folds.append(Fold(name, index[0], index[1], index[2], *speakers))
    sizes = sorted({len(fold.dev_speakers) for fold in folds})
    both = sum(len({corpus.sex.get(s, "?") for s in f.dev_speakers}) > 1 for f in folds)
    description = (
        f"{NAME}, {len(folds)} folds by corpus; {' to '.join(map(str, sizes))} dev speakers a fold "
        f"of the training corpora, both sexes in {both} of {len(folds)} folds; seed {seed}"
    )
    return Protocol(NAME, tuple(folds), "corpus", None, description)


def _dev_of(
    speakers: Sequence[str],
    sex: Mapping[str, str],
    mates: Mapping[str, set[str]],
    turns: int,
    wanted: int,
    seed: int,
) -> list[set[str]]:
    """Dev speakers of one training corpus, for each fold that it trains in."""
    if not any(mates[s] for s in speakers):
        known = {s: sex.get(s, "?") for s in speakers}
        return choose([set() for _ in range(turns)], known, {}, wanted, seed)[0]
    # Whole sessions, as train and dev may not share one.
    groups: list[set[str]] = []
    for s in seeded_order(speakers, seed):
        if not any(s in group for group in groups):
            groups.append(_together(s, mates))
    dev = []
    for turn in range(turns):
        chosen: set[str] = set()
        for k in range(len(groups) - 1):  # one group is left to train
            if len(chosen) >= min(wanted, len(speakers) // 2):
                break
            chosen |= groups[(turn + k) % len(groups)]
        dev.append(chosen)
    return dev


def _together(speaker: str, mates: Mapping[str, set[str]]) -> set[str]:
    """All whom a chain of sessions ties to a speaker, himself among them."""
    found, ahead = {speaker}, [speaker]
    while ahead:
        new = mates[ahead.pop()] - found
        found |= new
        ahead += new
    return found
