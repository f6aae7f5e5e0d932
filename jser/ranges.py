"""What the numbers of a config may be, and how many entries its tuples may have: one table.

What a name may be (of a protocol, a stem, a normalisation) is known where the name is used. A new
field of a config needs a row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jser import config as configs
from jser.errors import InputError


@dataclass(frozen=True)
class Range:
    """What the numbers of a field may be; of a tuple, each of them.

    Attributes:
        low: the least.
        high: the most.
        above: `low` itself is too little.
        below: `high` itself is too much.
    """

    low: float
    high: float
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        return (self.low < value if self.above else self.low <= value) and (
            value < self.high if self.below else value <= self.high
        )

    def __str__(self) -> str:
        return (
            f"{'above' if self.above else 'at least'} {self.low} and "
            f"{'below' if self.below else 'at most'} {self.high}"
        )


@dataclass(frozen=True)
class Entries:
    """How many entries a tuple may have.

    Attributes:
        fewest: number.
        most: number.
        once: no entry twice.
        rising: each above the one before.
    """

    fewest: int
    most: int
    once: bool = False
    rising: bool = False


# The upper ends keep a slip of the keyboard from filling the memory; no experiment reaches them.

# Of both trainings: the sequence part's, or end to end (`hyper`), and the first of two stages'.
_TRAINING = {
    "learning_rate": Range(0, 10, above=True),
    "weight_decay": Range(0, 100),
    "clip": Range(0, 1000000, above=True),
    "warmup": Range(0, 1, below=True),
    "dropout": Range(0, 1, below=True),
    "label_smoothing": Range(0, 1, below=True),
    "average": Range(0, 1, below=True),
    "stem_rate": Range(0, 1000),
    "stem_anchor": Range(0, 1),
    "time_mask": Range(0, 1),
    "frequency_mask": Range(0, 1),
    "noise_share": Range(0, 1),
}
NUMBERS = {
    "dev_speakers": Range(1, 1000),
    "seeds": Range(0, 2**31 - 1),
    "components": Range(0, 100000),
    "pooled_components": Range(1, 100000),
    "stem.seed": Range(0, 2**31 - 1),
    "stem.scale": Range(1, 16),
    "stem.input_size": Range(63, 1024),  # AlexNet's last maps have one pixel then
    "stem.window": Range(0, 100000),
    "stem.shift": Range(1, 100000),
    "stem.channels": Range(1, 3),
    "stem.range_db": Range(-300, 300),
    "stem.delta_db": Range(0, 300, above=True),
    "stem.trim_db": Range(0, 300),
    "stem.cross_fit": Range(0, 1000),
    "augment.snr_db": Range(-60, 120),
    "augment.speeds": Range(0.5, 2),
    "frames.trim_db": Range(0, 300),
    "segments.frames": Range(0, 100000),
    "segments.shift": Range(1, 100000),
    "ensemble.size": Range(1, 1000),
    "selection.level": Range(0, 1, above=True),
    "selection.correlation": Range(0, 1, above=True),
    "segments.shortest_gap": Range(1, 1000),
    "segments.shortest_region": Range(2, 1000),
    "elm.widths": Range(0.001, 1000),
    "elm.ridges": Range(1e-9, 1e9),
    "elm.hidden": Range(1, 100000),
    "model.context": Range(1, 999),
    "model.layers": Range(1, 8),
    "svm.costs": Range(1e-6, 1e6),
    "svm.gammas": Range(1e-6, 1e6),
    "svm.inner_folds": Range(2, 1000),
    "model.lstm": Range(1, 8192),
    "model.percent": Range(1, 100),
    "model.theta": Range(0, 1),
    "model.level_units": Range(1, 8192),
    "model.units": Range(1, 8192),
    "model.mels": Range(1, 512),
    "model.channels": Range(1, 3),
    "model.first_maps": Range(1, 4096),
    "model.later_maps": Range(1, 4096),
    "model.maps": Range(1, 4096),
    "model.depth": Range(1, 50),
    "model.kernel": Range(1, 100),
    "model.pool": Range(1, 1000),
    "model.pool_time": Range(1, 1000),
    "model.pool_bands": Range(1, 1000),
    "model.slope": Range(0, 1, below=True),
    "model.linear": Range(1, 65536),
    "model.hidden": Range(1, 65536),
    "model.momentum": Range(0, 1, below=True),
    "model.lstm_units": Range(1, 8192),
    "model.lstm_layers": Range(1, 8),
    "model.lstm_frames": Range(1, 1000),
    "model.cnn_units": Range(1, 65536),
    "model.dense": Range(1, 65536),
    "readout.penalties": Range(0.001, 1000000),
    "readout.sequence": Range(0, 1000),
    "batch_size": Range(2, 65536),
    "epochs": Range(1, 100000),
    "patience": Range(0, 100000),
    **{
        f"{part}.{n}": allowed
        for part in ("hyper", "tune.hyper")
        for n, allowed in _TRAINING.items()
    },
    "hyper.input_dropout": Range(0, 1, below=True),
    "hyper.conv_dropout": Range(0, 1, below=True),
    "hyper.metric": Range(0, 1000),
    "hyper.mixup": Range(0, 100),
    "hyper.momentum": Range(0, 1, below=True),
    "tune.epochs": Range(1, 100000),
    "tune.batch_size": Range(1, 65536),
    "tune.hyper.momentum": Range(0, 1, below=True),
    "population.width": Range(0, 1024),
    "population.steps_per_call": Range(0, 1000000),
    "population.spread": Range(0, 100000),
    "checkpoint.every_seconds": Range(0, 1000000),
}
TUPLES = {
    "seeds": Entries(1, 1000, once=True),
    "classes": Entries(0, 100, once=True),
    "stem.taps": Entries(1, 10, once=True),
    "stem.pool": Entries(1, 10, once=True),
    "stem.range_db": Entries(2, 2, rising=True),
    "augment.copies": Entries(0, 10, once=True),
    "augment.snr_db": Entries(2, 2),
    "augment.speeds": Entries(1, 10, once=True),
    "elm.widths": Entries(1, 20, once=True),
    "elm.ridges": Entries(1, 20, once=True),
    "svm.kernels": Entries(1, 2, once=True),
    "svm.costs": Entries(1, 20, once=True),
    "svm.gammas": Entries(1, 20, once=True),
    "model.dense": Entries(0, 16),
    "model.lstm": Entries(1, 8),
    "model.kernel": Entries(2, 2),
    "model.maps": Entries(1, 16),
    "model.pool": Entries(2, 2),
    "model.pool_time": Entries(1, 16),
    "model.pool_bands": Entries(1, 16),
    "model.levels": Entries(0, 10, once=True),
    "readout.views": Entries(0, 3, once=True),
    "readout.penalties": Entries(1, 20, once=True),
}


def check(config: Any) -> None:
    """Check a whole config.

    Raises:
        InputError: a field is missing, unknown, of another type or out of its range; names field,
            value and what is allowed.
    """
    configs.check_fields(config)
    for field, value in configs.fields(config):
        if field.startswith(configs.GRID):
            continue  # each point is checked by itself
        numbers = [x for x in _entries(value) if isinstance(x, int | float)]
        allowed = NUMBERS.get(field)
        for number in numbers:
            if allowed is not None and number not in allowed:
                raise InputError(f"{field}: {number} must be {allowed}")
        if field in TUPLES:
            _check_entries(field, value, TUPLES[field])


def _entries(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple | list) else (value,)


def _check_entries(field: str, value: Sequence[Any], allowed: Entries) -> None:
    if not allowed.fewest <= len(value) <= allowed.most:
        number = (
            f"{allowed.fewest}"
            if allowed.fewest == allowed.most
            else f"{allowed.fewest} to {allowed.most}"
        )
        raise InputError(f"{field}: {tuple(value)} has {len(value)} entries, {number} are needed")
    if allowed.once and len(set(value)) < len(value):
        raise InputError(f"{field}: {tuple(value)} names an entry twice; each counts once")
    if allowed.rising and any(b <= a for a, b in itertools.pairwise(value)):
        raise InputError(f"{field}: {tuple(value)} must rise from each entry to the next")
