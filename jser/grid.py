"""A grid: fields of a config with several values, between which each fold's dev speakers choose.

``--config.grid.hyper.learning_rate=1e-3,3e-3`` makes two points. Points that differ in numbers
which a compiled program takes as data (`TRACED`) are members of one population; others split the
grid into groups, each a population of its own with its own program. A point is chosen in each fold
by its dev speakers, averaged over seeds; only the chosen ones are trained again and scored, so a
grid is one configuration for the ledger.

``by_fold.FIELD`` has one value a fold, which something has chosen before (`jser.sweep`): its points
are trained in their own folds alone.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections
import numpy as np

from jser import config as configs
from jser.errors import InputError

# What a population's members may differ in; trailing points mean all below.
TRACED = ("hyper.", "balance.class_weights")
# What a grid may go over besides: training and the network, not what is heard or who is tested.
STATIC = ("model.", "metric_loss", "batch_size", "epochs", "optimiser", "schedule", "mixup")
MOST_POINTS = 10000


@dataclasses.dataclass(frozen=True)
class Group:
    """Points that share one compiled program.

    Attributes:
        number: of the group, from 0.
        config: of its first point.
        points: configs of all its points.
        places: theirs in the grid.
        folds: of each point, in which it is trained; None: all points in all folds.
    """

    number: int
    config: Any
    points: tuple[Any, ...]
    places: tuple[int, ...]
    folds: tuple[tuple[int, ...], ...] | None = None

    def stage(self, name: str) -> str:
        """A stage's name in the run: that of the first group stands without a number."""
        return f"{name}_group_{self.number + 1}" if self.number else name


def axes(config: Any) -> dict[str, tuple[Any, ...]]:
    """Dotted fields that have several values, by name."""
    return dict(configs.fields(config["grid"])) if "grid" in config else {}


def of_folds(config: Any) -> list[dict[str, Any]] | None:
    """Each fold's own values of the fields that have some; None where there are none.

    Raises:
        InputError: a field cannot have a value by fold, their numbers differ, or there is a grid.
    """
    if "by_fold" not in config:
        return None
    found = dict(configs.fields(config["by_fold"]))
    if "grid" in config:
        raise InputError("by_fold: stands beside a grid; each fold has its values already")
    own = dict(configs.fields(config))
    n = {field: len(values) for field, values in found.items()}
    for field in found:
        check_field(field, own, "by_fold.")
    if len(set(n.values())) != 1 or not min(n.values()):
        said = ", ".join(f"{field} {k}" for field, k in n.items())
        raise InputError(f"by_fold: needs one value a fold in each field, and has {said or 'none'}")
    return [dict(zip(found, own, strict=True)) for own in zip(*found.values(), strict=True)]


def check_folds(config: Any, protocol: Any) -> None:
    """Check that there is one value for each fold of a protocol, where there are values by fold.

    Raises:
        InputError: there are more or fewer.
    """
    own = of_folds(config)
    if own is not None and len(own) != len(protocol.folds):
        raise InputError(
            f"by_fold: has {len(own)} values a field, and protocol {protocol.name} has "
            f"{len(protocol.folds)} folds; give one value a fold"
        )


def places_of_folds(config: Any) -> dict[int, int] | None:
    """Each fold's point among `points`, where folds have values of their own."""
    own = of_folds(config)
    return None if own is None else {k: points(config).index(x) for k, x in enumerate(own)}


def points(config: Any) -> list[dict[str, Any]]:
    """The grid's points, each the values of its fields; of a config without a grid one, empty.

    Where folds have values of their own, the different ones.

    Raises:
        InputError: a field cannot be in a grid, has one value twice, or there are too many points.
    """
    by_fold = of_folds(config)
    if by_fold is not None:
        return [x for k, x in enumerate(by_fold) if x not in by_fold[:k]]
    found = axes(config)
    own = dict(configs.fields(config))
    for field, values in found.items():
        _check(field, values, own)
    count = int(np.prod([len(values) for values in found.values()], initial=1.0))
    if count > MOST_POINTS:
        raise InputError(f"grid: {count} points are too many; at most {MOST_POINTS}")
    return [dict(zip(found, chosen, strict=True)) for chosen in itertools.product(*found.values())]


def check_field(field: str, own: Mapping[str, Any], prefix: str) -> None:
    """Check that a field may have several values in one experiment.

    Args:
        field: dotted.
        own: fields of the config.
        prefix: what stands before the field in the sentence.

    Raises:
        InputError: it changes more than training and the network, or there is no such field.
    """
    if not _among(field, TRACED + STATIC):
        raise InputError(
            f"{prefix}{field}: changes what is heard or who is tested, so its values are "
            "configurations of their own; compare them with `jser compare`"
        )
    if field not in own:
        raise InputError(f"{prefix}{field}: the config has no field {field}")


def _check(field: str, values: Sequence[Any], own: dict[str, Any]) -> None:
    check_field(field, own, "grid.")
    if len(set(values)) < len(values):
        raise InputError(f"grid.{field}: {values} has a value twice; each counts once")
    if not values:
        raise InputError(f"grid.{field}: has no value; give some, or leave it out")


def _among(field: str, names: Sequence[str]) -> bool:
    return any(field.startswith(n) if n.endswith(".") else field == n for n in names)


def groups(config: Any) -> list[Group]:
    """The grid's points by what they compile; a config without a grid is one group of itself."""
    found: dict[tuple[Any, ...], list[int]] = {}
    all_points = points(config)
    by_fold = places_of_folds(config)
    for place, point in enumerate(all_points):
        found.setdefault(static_values(point), []).append(place)
    made = []
    for number, places in enumerate(found.values()):
        mine = tuple(at(config, all_points[place]) for place in places)
        folds = by_fold and tuple(tuple(k for k in by_fold if by_fold[k] == p) for p in places)
        made.append(Group(number, mine[0], mine, tuple(places), folds or None))
    return made


def static_values(point: Mapping[str, Any]) -> tuple[Any, ...]:
    """What points have to share in order to share a program: fields and values, by name."""
    return tuple(sorted((f, value) for f, value in point.items() if not _among(f, TRACED)))


def static_axes(one: Any, other: Any) -> list[str]:
    """Fields in which two groups' configs differ for the compiler."""
    ours, theirs = dict(configs.fields(one)), dict(configs.fields(other))
    return [f for f in ours if ours[f] != theirs.get(f) and not _among(f, TRACED)]


def at(config: Any, point: dict[str, Any]) -> Any:
    """The config of a point: its values set, and no grid."""
    tree = config.to_dict()
    for name in ("grid", "by_fold", configs.TRIED):
        tree.pop(name, None)
    for field, value in point.items():
        *parents, leaf = field.split(".")
        node = tree
        for name in parents:
            node = node[name]
        node[leaf] = value
    return ml_collections.FrozenConfigDict(tree)


def winners(
    fold: np.ndarray, place: np.ndarray, score: np.ndarray, loss: np.ndarray
) -> dict[int, int]:
    """Each fold's chosen point.

    The one with the highest dev UAR, averaged over the fold's seeds; ties go to the lower dev loss,
    then to the earlier point. One of which a member failed is chosen where nothing else is left.

    Args:
        fold: int [P], of members.
        place: int [P], their points' places in the grid.
        score: [P], dev UAR of the chosen epoch, in 0..1.
        loss: [P], dev loss there; not finite where a member has chosen no epoch.

    Returns:
        fold -> place.
    """
    chosen = {}
    for k in np.unique(fold):
        ranked = []
        for p in np.unique(place[fold == k]):
            mine = (fold == k) & (place == p)
            failed = not np.isfinite(loss[mine]).all()
            ranked.append((failed, -float(score[mine].mean()), float(loss[mine].mean()), int(p)))
        chosen[int(k)] = min(ranked)[-1]
    return chosen
