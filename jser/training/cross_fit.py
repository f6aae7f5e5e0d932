"""Cross-fitting over speakers: features of a training utterance from a stem that never heard him.

A tuned stem gives over-fitted features of what it was tuned on, and honest ones of the test. So the
training speakers of a fold are put into J groups; stem j is tuned without group j, whose features
it then gives. Dev and test features come from stem 0, which was tuned on all training speakers.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from jser.errors import InputError
from jser.protocols import Fold, Protocol


def group_of(fold: Fold, speaker: np.ndarray, n_groups: int) -> dict[str, int]:
    """Group 1..J of each training speaker of a fold; sizes differ by one at most.

    Args:
        fold: its training utterances say who they are.
        speaker: str [N].
        n_groups: J.

    Raises:
        InputError: there are fewer training speakers than groups.
    """
    names = np.unique(speaker[fold.train])
    if len(names) < n_groups:
        raise InputError(
            f"stem.cross_fit: {n_groups} groups need as many training speakers, and fold "
            f"{fold.name} has {len(names)}; set it to {len(names) if len(names) > 1 else 0}"
        )
    # Drawn, not dealt in order: names often alternate by sex.
    drawn = np.random.default_rng(0).permutation(len(names))
    return {str(names[place]): 1 + number % n_groups for number, place in enumerate(drawn)}


def without(protocol: Protocol, speaker: np.ndarray, n_groups: int, group: int) -> Protocol:
    """The same folds, without group `group` of their training speakers; 0: as they are.

    Raises:
        InputError: there are fewer training speakers than groups.
    """
    if group == 0:
        return protocol
    folds = []
    for fold in protocol.folds:
        groups = group_of(fold, speaker, n_groups)
        kept = np.array([groups[str(name)] != group for name in speaker[fold.train]], bool)
        names = tuple(name for name in fold.train_speakers if groups.get(str(name)) != group)
        folds.append(dataclasses.replace(fold, train=fold.train[kept], train_speakers=names))
    return dataclasses.replace(protocol, folds=tuple(folds))


def stem_of(fold: Fold, speaker: np.ndarray, n_groups: int) -> np.ndarray:
    """Which stem gives an utterance's features in a fold: int [N], 0..J."""
    stem = np.zeros(len(speaker), np.int32)
    if n_groups:
        groups = group_of(fold, speaker, n_groups)
        stem[fold.train] = [groups[str(name)] for name in speaker[fold.train]]
    return stem


def certify(protocol: Protocol, speaker: np.ndarray, n_groups: int) -> None:
    """Check that no training utterance's stem was tuned on its speaker.

    Raises:
        RuntimeError: one was: a fault of the program.
    """
    if not n_groups:
        return
    tuned_on = []
    for group in range(n_groups + 1):
        part = without(protocol, speaker, n_groups, group)
        tuned_on.append([set(map(str, speaker[fold.train])) for fold in part.folds])
    for k, fold in enumerate(protocol.folds):
        stem = stem_of(fold, speaker, n_groups)
        for u in fold.train:
            if stem[u] == 0 or str(speaker[u]) in tuned_on[stem[u]][k]:
                raise RuntimeError(
                    f"fold {fold.name}: the stem of utterance {u} was tuned on its speaker"
                )
