"""Variants of a protocol where sentences repeat: none of the test's in training, and a fair twin.

In most acted corpora all speakers say the same few sentences, so a system tested on new speakers
has heard every sentence of its test. `NAME+text_disjoint` deals the sentences to groups and each
fold of NAME to as many folds: the test speakers' utterances of one group are tested, and train and
dev lose all utterances of that group, whoever speaks them. So a test utterance has neither its
speaker nor its sentence in train or dev, and is still tested once. Dev keeps the sentences of
train: a refit trains on dev too.

That training is smaller, so a difference to NAME would be of two things at once.
`NAME+same_size` has the same test sets and, of each speaker and class, as many utterances in train
and dev as `NAME+text_disjoint` has, but drawn among all sentences: between the two, only whether
the sentence was heard differs.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np

from jser.errors import InputError
from jser.protocols.dev_speakers import seeded_order
from jser.protocols.folds import Protocol, fold_of
from jser.protocols.naming import Name
from jser.protocols.records import Records


def make(name: Name, corpus: Records, base: Protocol, seed: int) -> Protocol:
    """A variant of `base`: `+text_disjoint` or `+same_size`, over `name.text_groups` groups.

    Raises:
        InputError: sentences are unknown, too few or not heard in training anyway; or a fold has
            nothing left to train on or to tune by.
    """
    used = _check(name, corpus, base)
    group = deal_sentences(corpus, used, name.text_groups, seed)
    of_utterance = np.asarray([group.get(str(t), -1) for t in corpus.text_id])
    apart = name.variant == "text_disjoint"
    folds = []
    for fold in base.folds:
        for g in range(name.text_groups):
            test = fold.test[of_utterance[fold.test] == g]
            if not len(test):
                continue
            train, dev = (part[of_utterance[part] != g] for part in (fold.train, fold.dev))
            if not (len(train) and len(dev)):
                raise InputError(
                    f"protocol '{name.full}' on {corpus.name}: fold {fold.name} has nothing left "
                    f"for train or dev without the sentences of group {g + 1}; write another "
                    f"number of groups, as {name.base}+{name.variant}:5."
                )
            fold_name = f"{fold.name}-{g + 1}"
            if not apart:
                draw = f"{seed}:{fold_name}"
                train = _as_many(corpus, fold.train, train, draw)
                dev = _as_many(corpus, fold.dev, dev, draw)
            folds.append(fold_of(corpus, fold_name, train, dev, test))
    what = (
        "neither speaker nor sentence of a test utterance in train or dev"
        if apart and base.by != "utterance"
        else "no sentence of the test in train or dev"
        if apart
        else f"train and dev as large as in {name.base}+text_disjoint by speaker and class, with "
        "all sentences"
    )
    description = (
        f"{name.variant}, {len(folds)} folds, {name.text_groups} groups of the {len(group)} "
        f"sentences for each fold of: {base.description}; {what}"
    )
    return dataclasses.replace(
        base, name=name.full, folds=tuple(folds), description=description, text_disjoint=apart
    )


def deal_sentences(corpus: Records, index: np.ndarray, n_groups: int, seed: int) -> dict[str, int]:
    """Group 0..n_groups-1 of each sentence, alike in classes.

    The commonest sentence first, each goes where its classes are rarest: sentences may belong to
    an emotion (SAVEE), and a group that had all of a class would take it out of training.

    Args:
        corpus: the records.
        index: int [n], the utterances that are dealt.
        n_groups: at most as many as there are sentences.
        seed: of the order among equally common sentences.
    """
    counts: dict[str, np.ndarray] = {}
    for text, label in zip(corpus.text_id[index], corpus.label[index], strict=True):
        one = counts.setdefault(str(text), np.zeros(len(corpus.classes), np.int64))
        one[int(label)] += 1
    order = sorted(seeded_order(counts, seed), key=lambda t: -int(counts[t].sum()))
    total = np.zeros((n_groups, len(corpus.classes)), np.int64)
    group = {}
    for place, text in enumerate(order):
        left = len(order) - place
        # Every group gets a sentence, even where that leaves them less alike.
        empty = [g for g in range(n_groups) if not total[g].any()]
        among = empty if len(empty) >= left else range(n_groups)
        g = min(among, key=lambda g: (int(total[g] @ counts[text]), int(total[g].sum()), g))
        total[g] += counts[text]
        group[text] = g
    return group


def _check(name: Name, corpus: Records, base: Protocol) -> np.ndarray:
    """The utterances in any part of any fold."""
    used = np.unique(np.concatenate([p for f in base.folds for p in (f.train, f.dev, f.test)]))
    texts = corpus.text_id[used]
    unknown = int(np.sum(texts == ""))
    if unknown:
        raise InputError(
            f"protocol '{name.full}': corpus {corpus.name} does not say which sentence {unknown} "
            f"of its utterances have; use {name.base}."
        )
    n = len(np.unique(texts))
    if n < name.text_groups:
        raise InputError(
            f"protocol '{name.full}': corpus {corpus.name} has {n} sentences for "
            f"{name.text_groups} groups; "
            + (f"write {name.base}+{name.variant}:{n}." if n > 1 else f"use {name.base}.")
        )
    heard = any(
        np.isin(corpus.text_id[f.test], corpus.text_id[np.concatenate([f.train, f.dev])]).any()
        for f in base.folds
    )
    if not heard:
        raise InputError(
            f"protocol '{name.full}': under {name.base} no sentence of the test is in train or dev "
            f"of corpus {corpus.name} as it is; use {name.base}."
        )
    return used


def _as_many(corpus: Records, whole: np.ndarray, like: np.ndarray, draw: str) -> np.ndarray:
    """Of each speaker and class as many of `whole` as `like` has, the sentences in turn."""

    def stratum(u: int) -> tuple[str, int]:
        return str(corpus.speaker[u]), int(corpus.label[u])

    wanted = Counter(stratum(int(u)) for u in like)
    members: dict[tuple[str, int], list[int]] = {}
    for u in whole:
        members.setdefault(stratum(int(u)), []).append(int(u))
    chosen: list[int] = []
    for key, mine in members.items():
        chosen += _in_turn(corpus, mine, draw)[: wanted[key]]
    return np.asarray(sorted(chosen), np.int32)


def _in_turn(corpus: Records, utterances: Sequence[int], draw: str) -> list[int]:
    """Drawn by a hash, so that no sentence comes a second time before each came once."""
    # The draw's name goes into the hash, so the folds of one fold are different draws.
    named = {f"{draw}/{corpus.utterance_id[u]}": u for u in utterances}
    order = [named[n] for n in seeded_order(named, 0)]
    times: Counter[str] = Counter()
    turn = {}
    for u in order:
        turn[u] = times[str(corpus.text_id[u])]
        times[str(corpus.text_id[u])] += 1
    return sorted(order, key=turn.__getitem__)
