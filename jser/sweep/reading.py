"""What a config file's ``sweep()`` gives, checked against the config."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jser import config as configs
from jser import grid, preparation
from jser.errors import InputError
from jser.sweep.space import Choice, Distribution, Integer, Space, Uniform

MOST_TRIALS = 10000


def load(reference: str, config: Any, file: str | None = None) -> Space:
    """The space of a config file, or of another file.

    Args:
        reference: of the config, as `config.load` takes it.
        config: resolved.
        file: with a function ``sweep``; None: the config's own.

    Raises:
        InputError: there is no ``sweep``, or what it gives is no space of this config.
    """
    if file is not None:
        option, name = "--space", file
        module = configs.module_of_file(Path(file), option, "sweep")
    else:
        module, option, name = configs.module_of(reference), "--config", reference
    if not hasattr(module, "sweep"):
        raise configs.UsageError(
            f"--config={reference}: its file has no sweep(), which says what to try; add one, or "
            "name a file that has one with --space=FILE.py"
        )
    with configs.faults_of(name, module, option):
        given = module.sweep()
        if not isinstance(given, Mapping):
            given = list(given)
    return of(given, config)


def of(given: Mapping[str, Any] | Iterable[Any], config: Any) -> Space:
    """The space that a ``sweep`` gives, checked against the config.

    Raises:
        InputError: a field may not be swept, a value or a distribution does not fit its field, a
            trial stands in the list twice, or there is nothing to try.
    """
    own = dict(configs.fields(config))
    for name in ("grid", "by_fold"):
        if name in config:
            raise InputError(f"{name}: a sweep has its values from sweep(); leave {name} out")
    if isinstance(given, Mapping):
        made = Space({str(field): d for field, d in given.items()})
        _check_fields(made.fields, own)
        for field, distribution in made.fields.items():
            _check_distribution(field, distribution, own[field])
    else:
        made = _listed(list(given), own)
    if not made.fields:
        raise InputError("sweep: gives no field; name some, for example hyper.learning_rate")
    for point in _corners(made):
        try:
            preparation.check(grid.at(config, point))
        except InputError as error:
            raise InputError(f"sweep: {error}") from error
    return made


def _check_fields(fields: Iterable[str], own: Mapping[str, Any]) -> None:
    for field in fields:
        grid.check_field(field, own, "sweep: ")


def _check_distribution(field: str, distribution: Any, default: Any) -> None:
    if not isinstance(distribution, Uniform | Integer | Choice):
        raise InputError(
            f"sweep: {field}: {distribution!r} is no distribution; give one of jser.sweep.space: "
            "uniform, log_uniform, integer, choice"
        )
    if isinstance(distribution, Choice):
        _check_values(field, distribution.values, default)
        return
    numbers = distribution.low, distribution.high
    whole = isinstance(distribution, Integer)
    if isinstance(default, bool) or not isinstance(default, int if whole else float):
        other = "integer" if type(default) is int else "choice"
        raise InputError(
            f"sweep: {field}: is like {default!r} ({type(default).__name__}), for which there is "
            f"{other} in jser.sweep.space"
        )
    kinds = int if whole else int | float
    if not all(isinstance(x, kinds) and math.isfinite(x) for x in numbers):
        raise InputError(
            f"sweep: {field}: the ends {numbers} must be finite numbers like the field"
        )
    if not distribution.low < distribution.high:
        raise InputError(f"sweep: {field}: {distribution.low} is not below {distribution.high}")
    if distribution.log and distribution.low <= 0:
        raise InputError(
            f"sweep: {field}: {distribution.low} has no logarithm; begin above 0, or leave log out"
        )


def _check_values(field: str, values: tuple[Any, ...], default: Any) -> None:
    if not values:
        raise InputError(f"sweep: {field}: has no value; give some, or leave it out")
    for value in values:
        if not configs.is_like(value, default):
            raise InputError(
                f"sweep: {field}: {value!r} must be like the default, {default!r} "
                f"({type(default).__name__})"
            )
    if len(set(values)) < len(values):
        raise InputError(f"sweep: {field}: {values} has a value twice; each counts once")


def _listed(given: list[Any], own: Mapping[str, Any]) -> Space:
    for k, point in enumerate(given):
        if not isinstance(point, Mapping):
            raise InputError(
                f"sweep: trial {k + 1} is {point!r}; a list of trials has a dict each, from dotted "
                "fields to values"
            )
    if len(given) > MOST_TRIALS:
        raise InputError(f"sweep: {len(given)} trials are too many; at most {MOST_TRIALS}")
    fields = list(dict.fromkeys(str(field) for point in given for field in point))
    _check_fields(fields, own)
    # A trial that does not name a field has the config's own value there.
    points = [{f: _frozen(point.get(f, own[f]), own[f]) for f in fields} for point in given]
    for field in fields:
        values = tuple(dict.fromkeys(point[field] for point in points))
        _check_values(field, values, own[field])
    for k, point in enumerate(points):
        if point in points[:k]:
            raise InputError(
                f"sweep: trials {points.index(point) + 1} and {k + 1} are the same; each counts "
                "once"
            )
    axes: dict[str, Distribution] = {
        f: Choice(tuple(dict.fromkeys(point[f] for point in points))) for f in fields
    }
    return Space(axes, tuple(points))


def _frozen(value: Any, default: Any) -> Any:
    """Lists are tuples, as in a config, and whole numbers floats where the field has those."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    return value


def _corners(space: Space) -> list[dict[str, Any]]:
    """Points that show whether values are possible: each end or value of a field alone."""
    if space.points is not None:
        return list(space.points)
    middle = {field: d.at(0.5) for field, d in space.fields.items()}
    found = []
    for field, d in space.fields.items():
        ends = d.values if isinstance(d, Choice) else (d.low, d.high)
        found += [{**middle, field: end} for end in ends]
    return found
