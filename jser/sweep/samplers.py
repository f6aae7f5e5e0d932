"""Who chooses a trial's values, and who ends it early: Optuna's, by name.

A sampler is made for each trial, seeded by the sweep's seed, the fold and the trial's slot. So two
workers that begin at once do not draw the same, and a trial that is made again is the same trial.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from scipy.stats import qmc

from jser.errors import InputError
from jser.sweep import space
from jser.sweep.storage import optuna, quiet

SAMPLERS = ("tpe", "random", "qmc")
PRUNERS = ("halving", "hyperband", "none")
REDUCTION = 3  # of halving: the best of so many go on at each rung


def seed_of(seed: int, fold: int, slot: int = -1) -> int:
    """Seeds that have nothing to do with each other."""
    digest = hashlib.sha256(f"{seed}/{fold}/{slot}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def sampler(name: str, seed: int, fold: int, slot: int) -> Any:
    """The sampler of a trial; where its values are fixed beforehand it is never asked."""
    own = seed_of(seed, fold, slot)
    if name == "tpe":
        # Trials that run count as bad ones: a batch is spread out.
        return optuna().samplers.TPESampler(seed=own, constant_liar=True)
    return optuna().samplers.RandomSampler(seed=own)


def pruner(name: str, epochs: int) -> Any:
    """The pruner of a study.

    Args:
        name: of `PRUNERS`.
        epochs: of a whole training; the first rung is at a ninth of them.
    """
    library = optuna().pruners
    first = max(1, epochs // REDUCTION**2)
    with quiet():
        if name == "halving":
            return library.SuccessiveHalvingPruner(first, REDUCTION)
        if name == "hyperband":
            return library.HyperbandPruner(first, max(epochs, first), REDUCTION)
        return library.NopPruner()


def check(sampler_name: str, pruner_name: str) -> None:
    """Check the names.

    Raises:
        InputError: there is no such sampler or pruner.
    """
    for option, name, known in (
        ("--sampler", sampler_name, SAMPLERS),
        ("--pruner", pruner_name, PRUNERS),
    ):
        if name not in known:
            raise InputError(f"{option}={name}: is none of {', '.join(known)}")


def words(value: Any) -> Any:
    """A value of a choice as Optuna keeps it: it has no tuples."""
    return repr(value) if isinstance(value, tuple) else value


def fixed(
    found: space.Space, name: str, n: int, seed: int, fold: int
) -> list[dict[str, Any]] | None:
    """Each slot's values in Optuna's words, where they are known before any trial has run.

    Of an explicit list its points; of `qmc` a scrambled Sobol sequence, so that whoever runs a
    slot runs the same point, and none twice. Else None.
    """
    points: list[dict[str, Any]]
    if found.points is not None:
        points = list(found.points)
    elif name == "qmc":
        drawn = qmc.Sobol(len(found.fields), seed=seed_of(seed, fold))
        rows = drawn.random_base2(max(n - 1, 1).bit_length())[:n]
        points = [
            {f: d.at(float(x)) for (f, d), x in zip(found.fields.items(), row, strict=True)}
            for row in rows
        ]
    else:
        return None
    choices = {f for f, d in found.fields.items() if isinstance(d, space.Choice)}
    return [{f: words(x) if f in choices else x for f, x in point.items()} for point in points]


def ask(trial: Any, found: space.Space) -> dict[str, Any]:
    """A trial's values, field by field."""
    return {field: _ask(trial, field, d) for field, d in found.fields.items()}


def _ask(trial: Any, field: str, d: space.Distribution) -> Any:
    if isinstance(d, space.Uniform):
        return float(trial.suggest_float(field, d.low, d.high, log=d.log))
    if isinstance(d, space.Integer):
        return int(trial.suggest_int(field, d.low, d.high, log=d.log))
    names = {words(value): value for value in d.values}
    return names[trial.suggest_categorical(field, list(names))]


def values_of(trial: Any, found: space.Space) -> dict[str, Any]:
    """The values of a trial that has been asked, as a config has them; empty before that."""
    params: Mapping[str, Any] = trial.params
    if set(params) != set(found.fields):
        return {}
    made = {}
    for field, d in found.fields.items():
        value = params[field]
        if isinstance(d, space.Choice):
            value = {words(x): x for x in d.values}[value]
        made[field] = value
    return made
