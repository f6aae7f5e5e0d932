"""A grid: fields of a config with several values, between which each fold's dev speakers choose.

``--config.grid.hyper.learning_rate=1e-3,3e-3`` makes two points. Points that differ in numbers
which a compiled program takes as data (`TRACED`) are members of one population; others split the
grid into groups, each a population of its own with its own program. A point is chosen in each fold
by its dev speakers, averaged over seeds; only the chosen ones are trained again and scored, so a
grid is one configuration for the ledger.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
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
    """

    number: int
    config: Any
    points: tuple[Any, ...]
    places: tuple[int, ...]

    def stage(self, name: str) -> str:
        """A stage's name in the run: that of the first group stands without a number."""
        return f"{name}_group_{self.number + 1}" if self.number else name


def axes(config: Any) -> dict[str, tuple[Any, ...]]:
    """Dotted fields that have several values, by name."""
    return dict(configs.fields(config["grid"])) if "grid" in config else {}


def points(config: Any) -> list[dict[str, Any]]:
    """The grid's points, each the values of its fields; of a config without a grid one, empty.

    Raises:
        InputError: a field cannot be in a grid, has one value twice, or there are too many points.
    """
    found = axes(config)
    own = dict(configs.fields(config))
    for field, values in found.items():
        _check(field, values, own)
    count = int(np.prod([len(values) for values in found.values()], initial=1.0))
    if count > MOST_POINTS:
        raise InputError(f"grid: {count} points are too many; at most {MOST_POINTS}")
    return [dict(zip(found, chosen, strict=True)) for chosen in itertools.product(*found.values())]


def _check(field: str, values: Sequence[Any], own: dict[str, Any]) -> None:
    if not _among(field, TRACED + STATIC):
        raise InputError(
            f"grid.{field}: changes what is heard or who is tested, so its values are "
            "configurations of their own; compare them with `jser compare`"
        )
    if field not in own:
        raise InputError(f"grid.{field}: the config has no field {field}")
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
    for place, point in enumerate(all_points):
        static = tuple(value for field, value in point.items() if not _among(field, TRACED))
        found.setdefault(static, []).append(place)
    made = []
    for number, places in enumerate(found.values()):
        mine = tuple(at(config, all_points[place]) for place in places)
        made.append(Group(number, mine[0], mine, tuple(places)))
    return made


def static_axes(one: Any, other: Any) -> list[str]:
    """Fields in which two groups' configs differ for the compiler."""
    ours, theirs = dict(configs.fields(one)), dict(configs.fields(other))
    return [f for f in ours if ours[f] != theirs.get(f) and not _among(f, TRACED)]


def at(config: Any, point: dict[str, Any]) -> Any:
    """The config of a point: its values set, and no grid."""
    tree = config.to_dict()
    tree.pop("grid", None)
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
