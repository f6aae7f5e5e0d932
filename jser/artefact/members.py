"""Which members of a run answer in an artefact, and what they have learnt."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jser.artefact.answer import Member
from jser.errors import InputError
from jser.restoring import Restored
from jser.training import population
from jser.trainings import Trained


def chosen(restored: Restored, fold: int | None = None, seed: int | None = None) -> list[Member]:
    """The members that answer, by fold, seed and bag.

    Args:
        restored: a finished run with a network.
        fold: from 1, as reports count; None: all.
        seed: None: all.

    Raises:
        InputError: there is no such fold or seed, or nobody of them has lived through training.
    """
    everyone = [(part, p) for part in restored.trained for p in range(len(part.prepared.tables))]
    for name, asked, there in (
        ("fold", fold, sorted({1 + int(part.prepared.tables.fold[p]) for part, p in everyone})),
        ("seed", seed, sorted({int(part.prepared.tables.seed[p]) for part, p in everyone})),
    ):
        if asked is not None and asked not in there:
            some = ", ".join(map(str, there))
            raise InputError(f"--{name}={asked}: the run has {some}")
    found = [
        _member(part, p)
        for part, p in everyone
        if (fold is None or int(part.prepared.tables.fold[p]) == fold - 1)
        and (seed is None or int(part.prepared.tables.seed[p]) == seed)
        and not bool(part.state.failed[p])
    ]
    if not found:
        raise InputError("no member to export: the loss of all of them stopped being finite")
    return sorted(found, key=lambda m: (m.fold, m.seed, m.bag))


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
