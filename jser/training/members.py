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


def _table(rows: Sequence[np.ndarray], least: int = 1) -> np.ndarray:
    width = max(1, least, *(len(r) for r in rows))
    table = np.full((len(rows), width), -1, np.int32)
    for i, r in enumerate(rows):
        table[i, : len(r)] = r
    return table


@dataclasses.dataclass(frozen=True)
class Design:
    """What members there are, whatever the folds: a grid's points x seeds x an ensemble's bags.

    Attributes:
        seeds: one ensemble a point, fold and seed.
        points: each one's scalars by name.
        class_weights: of each point, whether its loss is weighted by inverse class counts.
        n_copies: augmented copies of each utterance among the features' rows that tables name.
        balance: how unequal classes are treated in the tables.
        epochs: of every member.
        patience: epochs without a better one after which a member stops; 0: none.
        bags: members of the ensemble; as a rule one.
        folds: of each point, in which it is trained; None: all points in all folds.
    """

    seeds: tuple[int, ...]
    points: tuple[Mapping[str, float], ...]
    class_weights: tuple[bool, ...]
    n_copies: int
    balance: Balance
    epochs: int
    patience: int = 0
    bags: ensemble.Bags = ensemble.Bags()  # noqa: RUF009
    folds: tuple[tuple[int, ...], ...] | None = None

    def heard(
        self, label: np.ndarray, protocol: Protocol
    ) -> list[tuple[int, int, int, np.ndarray]]:
        """Fold, seed, bag and train rows int [n] of each of them; all points hear the same."""
        order = np.random.default_rng(0).permutation(len(label))
        found = []
        for k, fold in enumerate(protocol.folds):
            own = member_labels(label, fold)
            for seed in self.seeds:
                for bag, taken in enumerate(ensemble.samples(own[fold.train], self.bags, seed)):
                    rows = train_rows(
                        fold.train[taken], own, len(own), self.n_copies, self.balance, order
                    )
                    found.append((k, seed, bag, rows))
        return found

    def longest(self, label: np.ndarray, protocol: Protocol) -> int:
        """L of the tables of a protocol."""
        return max(len(rows) for *_, rows in self.heard(label, protocol))

    def members(self, label: np.ndarray, protocol: Protocol, width: int, rows: int = 0) -> Members:
        """Points x their folds x seeds x bags of a protocol, as a host table.

        Args:
            label: int [N], the corpus' labels; each member keeps those of its train and dev only.
            protocol: folds.
            width: D, of the features.
            rows: the least L, so that a later and larger table has the same shape.
        """
        own = [member_labels(label, fold) for fold in protocol.folds]
        heard = self.heard(label, protocol)
        found = [
            (n, i)
            for n in range(len(self.points))
            for i, (k, *_) in enumerate(heard)
            if self.folds is None or k in self.folds[n]
        ]
        point, which = np.array(found, np.int32).reshape(-1, 2).T
        places = np.array([(k, seed, bag) for k, seed, bag, _ in heard], np.int32)[which]
        fold, seed_of, bag_of = (np.ascontiguousarray(column) for column in places.T)
        p = len(point)

        def of_points(values: Sequence[float]) -> np.ndarray:
            return np.array(values, np.float32)[point]

        return Members(
            fold=fold,
            seed=seed_of,
            bag=bag_of,
            point=point,
            group=fold.copy(),
            hyper={name: of_points([x[name] for x in self.points]) for name in self.points[0]},
            train_index=_table([mine for *_, mine in heard], rows)[which],
            dev_index=_table([protocol.folds[k].dev for k in fold]),
            label=np.stack([own[k] for k in fold]).astype(np.int32),
            mean=np.zeros((p, width), np.float32),
            scale=np.ones((p, width), np.float32),
            class_weight=of_points(self.class_weights),
            epochs=np.full(p, self.epochs, np.int32),
            horizon=np.full(p, self.epochs, np.int32),
            patience=np.full(p, self.patience, np.int32),
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
