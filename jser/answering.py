"""From trained members to one answer an utterance and seed: what the ledger then scores.

A read-out that is fitted after training (an extreme learning machine) reads what the network makes
of an utterance; a system without a network is such a read-out of a view. The members of an ensemble
vote, each with its own read-out where there is one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from jser import progress
from jser.evaluation.predictions import Predictions
from jser.preparation import Prepared, Ready
from jser.systems.contract import FittedReadout
from jser.training import loop, population
from jser.training.plan import Plan

NETWORK = "network alone"


@dataclass(frozen=True)
class Answered:
    """Answers on each fold's test utterances.

    Attributes:
        predictions: of the system, before read-outs that are fitted beside it.
        content: sha256 of the parameters that gave them.
        parts: name -> predictions, of what the system is made of.
        parameters: of the read-outs that are fitted after training, of one fold and seed.
    """

    predictions: Predictions
    content: str
    parts: Mapping[str, Predictions] = field(default_factory=dict)
    parameters: int = 0


@dataclass(frozen=True)
class Behind:
    """Read-outs that answer for members, behind their networks or where there are none.

    Attributes:
        shown: float [P, N, E], what all utterances are to each member.
        fitted: each member's, fitted on its own utterances.
    """

    shown: np.ndarray
    fitted: list[FittedReadout]


def behind(prepared: Prepared, state: population.State, plan: Plan) -> Behind | None:
    """The read-outs behind trained members; None where their networks answer themselves."""
    if prepared.inputs.fit_readout is None:
        return None
    tables = prepared.tables
    everyone = np.arange(len(prepared.corpus.label), dtype=np.int32)
    rows = np.tile(everyone, (len(tables), 1))
    shown = loop.predict(prepared.program, prepared.features, tables, state, rows, plan)[2]
    return Behind(shown, _fitted(prepared, shown))


def behind_view(prepared: Ready) -> Behind:
    """The read-outs of the inputs' baseline view, where there is no network."""
    x = prepared.inputs.views[prepared.inputs.baseline]
    shown = np.broadcast_to(x, (len(prepared.tables), *x.shape))
    return Behind(shown, _fitted(prepared, shown))


def read(prepared: Ready, them: Behind, rows: np.ndarray) -> np.ndarray:
    """Shares float32 [P, V, K] that read-outs give to the members' rows int [P, V]; -1 pads."""
    found = np.zeros((*rows.shape, len(prepared.corpus.classes)), np.float32)
    for p, answer in enumerate(them.fitted):
        mine = rows[p] >= 0
        found[p, mine] = answer(them.shown[p][rows[p][mine]])
    return found


def by_network(prepared: Prepared, state: population.State, plan: Plan) -> Answered:
    """Answers of the trained members, each on its own fold's test utterances."""
    rows = _test_rows(prepared)
    logits, attention, _ = loop.predict(
        prepared.program, prepared.features, prepared.tables, state, rows, plan
    )
    posterior = softmax(logits)
    content = digest(state.best_params, state.best_stats)
    network = _predictions(prepared, rows, posterior, attention)
    them = behind(prepared, state, plan)
    if them is None:
        return Answered(network, content)
    shares = _predictions(prepared, rows, read(prepared, them, rows), attention)
    return Answered(shares, content, {NETWORK: network}, _size(prepared, them.fitted))


def by_view(prepared: Ready) -> Answered:
    """Answers of a read-out of the inputs' baseline view, where there is no network."""
    them = behind_view(prepared)
    rows = _test_rows(prepared)
    scores = read(prepared, them, rows)
    predictions = _predictions(prepared, rows, scores, None)
    return Answered(
        predictions, digest({"scores": scores}), parameters=_size(prepared, them.fitted)
    )


def together(parts: Sequence[Answered]) -> Answered:
    """Answers of several trainings, each for folds of its own, as those of one."""
    if len(parts) == 1:
        return parts[0]
    content = hashlib.sha256(" ".join(part.content for part in parts).encode()).hexdigest()
    return Answered(
        _joined([part.predictions for part in parts]),
        content,
        {name: _joined([part.parts[name] for part in parts]) for name in parts[0].parts},
        max(part.parameters for part in parts),
    )


def _joined(some: Sequence[Predictions]) -> Predictions:
    """Predictions of folds that several trainings share, fold by fold and seed by seed."""
    fold, seed = (np.concatenate([getattr(p, name) for p in some]) for name in ("fold", "seed"))
    order = np.lexsort((seed, fold))

    def of_all(name: str) -> np.ndarray:
        return np.concatenate([getattr(p, name) for p in some])[order]

    return Predictions(
        utterance_index=of_all("utterance_index"),
        fold=fold[order],
        seed=seed[order],
        posterior=of_all("posterior"),
        attention=None if some[0].attention is None else of_all("attention"),
    )


def votes(posterior: np.ndarray) -> np.ndarray:
    """Majority vote of an ensemble, as shares [P, V, K] of posteriors [P, T, V, K].

    A tie goes to the class with the larger sum of posteriors, which all together count less than
    one vote.
    """
    size, n_classes = posterior.shape[1], posterior.shape[-1]
    ballots = np.eye(n_classes, dtype=np.float32)[posterior.argmax(-1)].sum(1)
    counted = ballots + 0.5 * posterior.mean(1)
    return (counted / (size + 0.5)).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Posteriors over the last axis."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def digest(*trees: Any) -> str:
    """sha256 (hex) of the leaves of trees, with their names."""
    found = hashlib.sha256()
    for tree in trees:
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            found.update(str(path).encode())
            found.update(np.ascontiguousarray(leaf).tobytes())
    return found.hexdigest()


def _test_rows(prepared: Ready) -> np.ndarray:
    """Each member's test utterances int [P, V]; -1 pads."""
    folds = prepared.protocol.folds
    rows = np.full((len(prepared.tables), max(len(fold.test) for fold in folds)), -1, np.int32)
    for p, k in enumerate(prepared.tables.fold):
        rows[p, : len(folds[k].test)] = folds[k].test
    return rows


def _fitted(prepared: Ready, shown: np.ndarray) -> list[FittedReadout]:
    """Each member's read-out of shown [P, N, E], fitted on its own utterances."""
    fit = prepared.inputs.fit_readout
    assert fit is not None
    tables = prepared.tables
    n = tables.label.shape[1]
    found = []
    with progress.bar(len(tables), "read-outs", "member") as tick:
        for p in range(len(tables)):
            # Copies of an utterance have no embedding here: a read-out is fitted on originals.
            train = np.unique(tables.train_index[p][tables.train_index[p] >= 0] % n)
            dev = tables.dev_index[p][tables.dev_index[p] >= 0]
            found.append(fit(shown[p], tables.label[p], train, dev, int(tables.seed[p])))
            tick(1)
    return found


def _size(prepared: Ready, fitted: Sequence[FittedReadout]) -> int:
    """Parameters of the read-outs that answer for one fold and seed."""
    return sum(one.parameters for one in fitted[: _bags(prepared)])


def _bags(prepared: Ready) -> int:
    """Members of an ensemble; 1 where there is none."""
    return int(prepared.tables.bag.max()) + 1


def _predictions(
    prepared: Ready, rows: np.ndarray, posterior: np.ndarray, attention: np.ndarray | None
) -> Predictions:
    """Answers [P, V, ...] of the members on rows int [P, V], those of an ensemble together."""
    tables = prepared.tables
    size = _bags(prepared)
    if size > 1:
        posterior = votes(posterior.reshape(-1, size, *posterior.shape[1:]))
        if attention is not None:
            attention = attention.reshape(-1, size, *attention.shape[1:]).mean(1)
    rows = rows[::size]  # all members of one ensemble answer for a fold and seed
    member, place = np.nonzero(rows >= 0)
    return Predictions(
        utterance_index=rows[member, place],
        fold=tables.fold[::size][member],
        seed=tables.seed[::size][member],
        posterior=posterior[member, place].astype(np.float32),
        attention=None if attention is None else attention[member, place].astype(np.float32),
    )
