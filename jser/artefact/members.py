"""Which members of a run answer in an artefact, and what they have learnt."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from jser.artefact.answer import Member
from jser.artefact.readouts import traced
from jser.errors import InputError
from jser.preparation import Ready
from jser.restoring import Restored
from jser.training import population
from jser.trainings import Trained


def chosen(restored: Restored, fold: int | None = None, seed: int | None = None) -> list[Member]:
    """The members that answer, by fold, seed and bag.

    Args:
        restored: a finished run.
        fold: from 1, as reports count; None: all.
        seed: None: all.

    Raises:
        InputError: there is no such fold or seed, or nobody of them has lived through training.
    """
    parts = restored.trained
    everyone: list[Ready] = [part.prepared for part in parts] or [restored.prepared]
    for name, asked, there in (
        ("fold", fold, {1 + int(k) for one in everyone for k in one.tables.fold}),
        ("seed", seed, {int(s) for one in everyone for s in one.tables.seed}),
    ):
        if asked is not None and asked not in there:
            some = ", ".join(map(str, sorted(there)))
            raise InputError(f"--{name}={asked}: the run has {some}")
    found: list[Member] = []
    for part, behind in zip(parts, restored.behind, strict=bool(parts)):
        for p in _asked(part.prepared, fold, seed):
            if not bool(part.state.failed[p]):
                readout = traced(behind.fitted[p]) if behind else None
                found.append(dataclasses.replace(_member(part, p), readout=readout))
    if not parts:
        found = _of_view(restored, _asked(restored.prepared, fold, seed))
    if not found:
        raise InputError("no member to export: the loss of all of them stopped being finite")
    return sorted(found, key=lambda m: (m.fold, m.seed, m.bag))


def _asked(prepared: Ready, fold: int | None, seed: int | None) -> list[int]:
    tables = prepared.tables
    return [
        p
        for p in range(len(tables))
        if (fold is None or int(tables.fold[p]) == fold - 1)
        and (seed is None or int(tables.seed[p]) == seed)
    ]


def _member(part: Trained, p: int) -> Member:
    prepared = part.prepared
    tables = jax.tree.map(lambda a: np.asarray(a)[p], prepared.tables)
    params, stats = (
        jax.tree.map(lambda a: np.asarray(a)[p], tree)
        for tree in (part.state.best_params, part.state.best_stats)
    )
    params = {name: leaves for name, leaves in params.items() if name != population.CENTRES}
    variables: dict[str, Any] = population.variables(prepared.features, tables, params, stats)
    return Member(
        int(tables.fold),
        int(tables.seed),
        int(tables.bag),
        prepared.program.model,
        {**variables, "mean": tables.mean, "scale": tables.scale},
    )


def _of_view(restored: Restored, mine: Iterable[int]) -> list[Member]:
    """Members without a network."""
    prepared, (them,) = restored.prepared, restored.behind
    assert them is not None
    tables = prepared.tables
    return [
        Member(
            int(tables.fold[p]),
            int(tables.seed[p]),
            int(tables.bag[p]),
            None,
            {},
            traced(them.fitted[p]),
            prepared.inputs.baseline,
        )
        for p in mine
    ]
