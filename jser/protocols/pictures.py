"""Splits of corpora of pictures, of which nobody knows who took them.

A random split is what the field uses. Equal pictures, and such as the audit found to be nearly
equal (`jser.records.picture_audit`), are one group here, and a group is never divided; nor are the
pictures of one author or session, where those are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jser.errors import InputError
from jser.protocols.dev_speakers import seeded_order
from jser.protocols.folds import Fold, Protocol, fold_of
from jser.protocols.naming import Name
from jser.protocols.records import Records, of_pictures

KINDS = ("picture_split", "picture_k_fold")
# Of FI, in Zhu et al. 2017: 18,532 to train, 1,158 to tune and 3,474 to test, of 23,164.
TEST_SHARE, DEV_SHARE = 0.15, 0.05
# Dev's share of what a fold of `picture_k_fold` does not test. Choice of ours.
DEV_OF_REST = 0.1
# Nothing that is '' is shared.
_TOGETHER = ("pcm_sha256", "speaker", "session")


def make(name: Name, corpus: Records, seed: int) -> Protocol:
    """`picture_split`, 80 to 5 to 15, or `picture_k_fold:K`, stratified by class.

    A class with three groups or more has one at least in train, dev and the test of
    `picture_split`.

    Raises:
        InputError: recordings, or groups too few or too large for this many folds.
    """
    if not of_pictures(corpus):
        raise InputError(
            f"protocol '{name.full}' is for corpora of pictures, and {corpus.name} has recordings; "
            "use leave_one_speaker_out or speaker_k_fold:K."
        )
    groups = _groups(corpus)
    if name.kind == "picture_split":
        test = _share(corpus, groups, TEST_SHARE, f"{seed}:test")
        dealt = [("1", test, DEV_SHARE / (1 - TEST_SHARE))]
        said = "one fold of 80 % train, 5 % dev and 15 % test"
    else:
        parts = _deal(corpus, groups, name.number, seed)
        dealt = [(str(k + 1), part, DEV_OF_REST) for k, part in enumerate(parts)]
        said = f"{len(parts)} folds; dev a tenth of what is not test"
    folds = []
    for fold_name, test, share in dealt:
        taken = set(map(id, test))
        rest = [group for group in groups if id(group) not in taken]
        dev = _share(corpus, rest, share, f"{seed}:dev:{fold_name}")
        taken = set(map(id, dev))
        train = [group for group in rest if id(group) not in taken]
        if not (test and dev and train):
            raise InputError(
                f"protocol '{name.full}': {len(groups)} groups of pictures that belong together "
                f"leave train, dev or test of fold {fold_name} empty; use fewer folds, or add "
                "pictures."
            )
        folds.append(fold_of(corpus, fold_name, *map(np.concatenate, (train, dev, test))))
    tied = sum(len(group) for group in groups if len(group) > 1)
    description = (
        f"{name.kind}, {said}; by picture, stratified by class; {_tied(tied)}; seed {seed}"
    )
    return Protocol(name.base, tuple(folds), "picture", None, description)


def near_pairs(corpus: Records) -> list[tuple[int, int]]:
    """Places of pictures that the audit found nearly equal; equal ones are not among them."""
    place = {str(name): i for i, name in enumerate(corpus.utterance_id)}
    audit: Mapping[str, Any] = getattr(corpus, "audit", {})
    # Of equal pictures the audit names the first alone.
    return [(place[a], place[b]) for a, b, _ in audit.get("near_duplicates", ())]


def near_across(corpus: Records, fold: Fold) -> dict[str, set[tuple[int, int]]]:
    """Nearly equal pictures that lie in two parts of a fold: 'train_test' -> pairs of places.

    Equal pictures are left to the hash of their pixels; here each stands for all that equal it.
    """
    parts = {name: set(getattr(fold, name).tolist()) for name in ("train", "dev", "test")}
    like: dict[str, set[int]] = {}
    for i, pixels in enumerate(corpus.pcm_sha256):
        like.setdefault(str(pixels), set()).add(i)
    names = ("train_dev", "train_test", "dev_test")
    found: dict[str, set[tuple[int, int]]] = {name: set() for name in names}
    for a, b in near_pairs(corpus):
        one, other = (like[str(corpus.pcm_sha256[i])] for i in (a, b))
        for name, pairs in found.items():
            first, second = (parts[part] for part in name.split("_"))
            if (one & first and other & second) or (one & second and other & first):
                pairs.add((a, b))
    return found


def _tied(n: int) -> str:
    return f"{n} pictures that are or nearly are another stay with it" if n else "none is twice"


def _groups(corpus: Records) -> list[np.ndarray]:
    """Pictures that belong together: places int [n] of each group, in order of the first."""
    parent = list(range(len(corpus.label)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def join(a: int, b: int) -> None:
        parent[max(root(a), root(b))] = min(root(a), root(b))

    for field in _TOGETHER:
        first: dict[str, int] = {}
        for i, value in enumerate(map(str, getattr(corpus, field))):
            if value:
                join(first.setdefault(value, i), i)
    for a, b in near_pairs(corpus):
        join(a, b)
    members: dict[int, list[int]] = {}
    for i in range(len(parent)):
        members.setdefault(root(i), []).append(i)
    return [np.array(group) for group in members.values()]


def _label(corpus: Records, group: np.ndarray) -> int:
    """The class of most of a group; the first of equals."""
    return int(np.argmax(np.bincount(corpus.label[group])))


def _ordered(corpus: Records, groups: Sequence[np.ndarray], seed: str) -> list[list[np.ndarray]]:
    """The groups of each class, in an order that `seed` decides."""
    by_class: dict[int, list[np.ndarray]] = {}
    for group in groups:
        by_class.setdefault(_label(corpus, group), []).append(group)
    ordered = []
    for label in sorted(by_class):
        named = {f"{seed}:{corpus.utterance_id[group[0]]}": group for group in by_class[label]}
        ordered.append([named[name] for name in seeded_order(named, 0)])
    return ordered


def _share(
    corpus: Records, groups: Sequence[np.ndarray], share: float, seed: str
) -> list[np.ndarray]:
    """A share of each class in whole groups: of two groups or more, one at least, and not all."""
    taken = []
    for mine in _ordered(corpus, groups, seed):
        wanted = max(1, round(share * sum(map(len, mine))))
        had: list[np.ndarray] = []
        for group in mine:
            fits = sum(map(len, had)) + len(group) <= wanted
            if fits and len(had) < len(mine) - 1:
                had.append(group)
        if not had and len(mine) > 1:
            had = [min(mine, key=len)]
        taken += had
    return taken


def _deal(
    corpus: Records, groups: Sequence[np.ndarray], k: int, seed: int
) -> list[list[np.ndarray]]:
    """Groups dealt to K folds, each to the fold with the fewest of its class, then of all."""
    parts: list[list[np.ndarray]] = [[] for _ in range(k)]
    sizes = [0] * k
    for mine in _ordered(corpus, groups, f"{seed}:fold"):
        of_class = [0] * k
        # Large ones first, while there is something left to even them out.
        for group in sorted(mine, key=len, reverse=True):
            fold = min(range(k), key=lambda i: (of_class[i], sizes[i], i))
            parts[fold].append(group)
            of_class[fold] += len(group)
            sizes[fold] += len(group)
    return parts
