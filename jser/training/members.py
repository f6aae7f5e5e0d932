"""Member tables: folds x seeds, with each member's own train rows, dev rows and labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from jser.errors import InputError
from jser.protocols import Protocol, member_labels
from jser.training import ensemble
from jser.training.population import Members


@dataclasses.dataclass(frozen=True)
class Balance:
    """How unequal classes are treated; one way at a time.

    Attributes:
        class_weights: weight the loss by inverse class counts.
        oversample: repeat utterances of smaller classes until all counts are equal.
        augment: fill smaller classes with augmented copies until all counts are equal.
    """

    class_weights: bool = True
    oversample: bool = False
    augment: bool = False

    def __post_init__(self) -> None:
        chosen = [name for name, value in vars(self).items() if value]
        if len(chosen) > 1:
            raise InputError(
                f"balance: {' and '.join(chosen)} are both on and would balance twice; "
                "switch all but one off"
            )


def train_rows(
    train: np.ndarray,
    label: np.ndarray,
    n_utterances: int,
    n_copies: int,
    balance: Balance,
    order: np.ndarray,
) -> np.ndarray:
    """Rows of `Features` that one member trains on.

    Args:
        train: int [n], its training utterances.
        label: int [N], the member's labels.
        n_utterances: N; row ``c * N + u`` is copy c of utterance u, and copy 0 is the original.
        n_copies: augmented copies of every utterance.
        balance: see `Balance`.
        order: int [N], a fixed shuffle that decides which utterances are repeated first.

    Returns:
        int [L]: the originals; with copies and without `balance.augment` also all copies of them;
        with balancing, repeats or copies of the smaller classes.
    """
    rows = [train]
    if n_copies and not balance.augment:
        rows += [train + c * n_utterances for c in range(1, n_copies + 1)]
    if balance.oversample or balance.augment:
        if balance.augment and not n_copies:
            raise InputError(
                "balance.augment: true needs augmented copies; set augment.copies, for example "
                "--config.augment.copies=noise,speed"
            )
        classes = label[train]
        most = np.bincount(classes).max()
        for k in np.unique(classes):
            mine = train[classes == k]
            mine = mine[np.argsort(order[mine])]
            need = most - len(mine)
            turn = np.arange(need)
            extra = mine[turn % len(mine)]
            if balance.augment:
                copy = 1 + (turn // len(mine)) % n_copies
                extra = extra + copy * n_utterances
            elif n_copies:
                # Copies are there for all: repeat each original's copies as often as itself.
                extra = np.concatenate([extra + c * n_utterances for c in range(n_copies + 1)])
            rows.append(extra)
    return np.concatenate(rows).astype(np.int32)


def _table(rows: Sequence[np.ndarray]) -> np.ndarray:
    width = max(1, max(len(r) for r in rows))
    table = np.full((len(rows), width), -1, np.int32)
    for i, r in enumerate(rows):
        table[i, : len(r)] = r
    return table


def make(
    label: np.ndarray,
    protocol: Protocol,
    seeds: Sequence[int],
    hyper: Mapping[str, float],
    *,
    n_copies: int,
    balance: Balance,
    epochs: int,
    width: int,
    bags: ensemble.Bags = ensemble.Bags(),  # noqa: B008
) -> Members:
    """The members folds x seeds of a protocol, and of an ensemble, as a host table.

    Args:
        label: int [N], the corpus' labels; each member keeps those of its train and dev only.
        protocol: folds.
        seeds: one ensemble a fold and seed.
        hyper: scalars, the same for all members here.
        n_copies: augmented copies of each utterance among the features' rows.
        balance: see `Balance`.
        epochs: of every member.
        width: d, of the features.
        bags: members of the ensemble; as a rule one.
    """
    triples = [
        (k, seed, bag)
        for k in range(len(protocol.folds))
        for seed in seeds
        for bag in range(bags.size)
    ]
    order = np.random.default_rng(0).permutation(len(label))
    own = [member_labels(label, fold) for fold in protocol.folds]
    heard: list[np.ndarray] = []
    for k, fold in enumerate(protocol.folds):
        for seed in seeds:
            for taken in ensemble.samples(own[k][fold.train], bags, seed):
                mine = fold.train[taken]
                heard.append(train_rows(mine, own[k], len(label), n_copies, balance, order))
    p = len(triples)
    folds = np.array([k for k, _, _ in triples], np.int32)
    return Members(
        fold=folds,
        seed=np.array([s for _, s, _ in triples], np.int32),
        bag=np.array([b for _, _, b in triples], np.int32),
        group=folds.copy(),
        hyper={name: np.full(p, value, np.float32) for name, value in hyper.items()},
        train_index=_table(heard),
        dev_index=_table([protocol.folds[k].dev for k in folds]),
        label=np.stack([own[k] for k in folds]).astype(np.int32),
        mean=np.zeros((p, width), np.float32),
        scale=np.ones((p, width), np.float32),
        epochs=np.full(p, epochs, np.int32),
    )


def refit(members: Members, epochs: np.ndarray) -> Members:
    """The second stage: a table of the `merged` protocol, trained as long as dev had chosen.

    Args:
        members: made from the protocol of `merged`, in the order of the first stage.
        epochs: int [P], the epoch that each member's dev speakers chose.
    """
    return members.replace(
        epochs=np.asarray(epochs, np.int32), dev_index=np.full((len(members), 1), -1, np.int32)
    )


def merged(protocol: Protocol) -> Protocol:
    """The same folds with dev utterances among the training ones, for a refit."""
    folds = tuple(
        dataclasses.replace(
            fold,
            train=np.concatenate([fold.train, fold.dev]),
            dev=fold.dev[:0],
            train_speakers=tuple(fold.train_speakers) + tuple(fold.dev_speakers),
            dev_speakers=(),
        )
        for fold in protocol.folds
    )
    return dataclasses.replace(protocol, folds=folds)
