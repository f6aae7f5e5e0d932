"""The space of a sweep: what a config file's ``sweep()`` says, without Optuna.

It gives either a dict from dotted fields to distributions, or yields dicts from dotted fields to
values, which are an explicit list of trials::

    def sweep():
        return {
            "hyper.learning_rate": space.log_uniform(1e-4, 1e-2),
            "model.units": space.choice(64, 128),
        }

    def sweep():
        for rate in (1e-3, 3e-3):
            yield {"hyper.learning_rate": rate}
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any


@dataclasses.dataclass(frozen=True)
class Uniform:
    """A number between two, both within reach; `log`: its logarithm is uniform."""

    low: float
    high: float
    log: bool = False

    def at(self, share: float) -> float:
        """The value below which a share in 0..1 of the distribution lies."""
        if self.log:
            return math.exp(math.log(self.low) + share * math.log(self.high / self.low))
        return self.low + share * (self.high - self.low)


@dataclasses.dataclass(frozen=True)
class Integer:
    """A whole number between two, both among them; `log`: small ones are as likely as large."""

    low: int
    high: int
    log: bool = False

    def at(self, share: float) -> int:
        """The value below which a share in 0..1 of the distribution lies."""
        ends = self.low - 0.5, self.high + 0.5
        value = Uniform(max(ends[0], 0.5) if self.log else ends[0], ends[1], self.log).at(share)
        return min(max(round(value), self.low), self.high)


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of some values, which have no order."""

    values: tuple[Any, ...]

    def at(self, share: float) -> Any:
        """The value below which a share in 0..1 of the distribution lies."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]


Distribution = Uniform | Integer | Choice


def uniform(low: float, high: float) -> Uniform:
    """A number between two."""
    return Uniform(low, high)


def log_uniform(low: float, high: float) -> Uniform:
    """A positive number between two, whose logarithm is uniform."""
    return Uniform(low, high, log=True)


def integer(low: int, high: int, log: bool = False) -> Integer:
    """A whole number between two, both among them."""
    return Integer(low, high, log)


def choice(*values: Any) -> Choice:
    """One of some values."""
    return Choice(values)


@dataclasses.dataclass(frozen=True)
class Space:
    """What trials may be.

    Attributes:
        fields: dotted, each with its distribution; of an explicit list the values that it has.
        points: of an explicit list, each trial's values of all fields; None: there is none.
    """

    fields: dict[str, Distribution]
    points: tuple[dict[str, Any], ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data by which two spaces can be told apart."""
        fields = {
            f: {"kind": type(d).__name__, **dataclasses.asdict(d)} for f, d in self.fields.items()
        }
        return {"fields": fields, "points": None if self.points is None else list(self.points)}
