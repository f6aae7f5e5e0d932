"""What is worth a look: a measure of each recording or picture, and where it is out of the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WORST = 10  # named of each kind
BINS = 32  # of a histogram


@dataclass(frozen=True)
class Kind:
    """What is worth a look: a measure beyond a threshold.

    Attributes:
        name: key in the JSON.
        measure: attribute of what was measured.
        title: what it is called.
        why: what it may be.
        threshold: in the measure's own unit.
        above: worth a look above the threshold, else below it.
        scale: factor to the unit that is shown.
        unit: that unit.
        two_sided: its size counts, whatever its sign.
    """

    name: str
    measure: str
    title: str
    why: str
    threshold: float
    above: bool
    scale: float
    unit: str
    two_sided: bool = False

    def limit(self) -> str:
        """The threshold as a person reads it."""
        word = "more than" if self.above else "less than"
        return f"{word} {self.threshold * self.scale:g} {self.unit}"


def summary(
    kinds: Sequence[Kind],
    measured: Sequence[Any],
    utterance_id: Sequence[str],
    label: Sequence[str],
) -> dict[str, Any]:
    """Of each kind how many, of which classes, and the worst by name: plain data for JSON.

    Args:
        kinds: that are looked for.
        measured: N objects with the attributes that the kinds name.
        utterance_id: [N].
        label: class of each [N].
    """
    found: dict[str, Any] = {}
    for kind in kinds:
        value = np.array([getattr(one, kind.measure) for one in measured], np.float64)
        size = np.abs(value) if kind.two_sided else value
        beyond = size > kind.threshold if kind.above else size < kind.threshold
        order = np.argsort(-size if kind.above else size, kind="stable")
        counts: dict[str, int] = {}
        for i in np.flatnonzero(beyond).tolist():
            counts[label[i]] = counts.get(label[i], 0) + 1
        found[kind.name] = {
            "measure": kind.measure,
            "threshold": kind.threshold,
            "above": kind.above,
            "n": int(beyond.sum()),
            "histogram": histogram(value, None if kind.two_sided else kind.threshold),
            "classes": dict(sorted(counts.items())),
            "worst": {
                utterance_id[i]: round(float(value[i]), 5)
                for i in order.tolist()[:WORST]
                if beyond[i]
            },
        }
    return found


def histogram(value: np.ndarray, threshold: float | None = None) -> dict[str, list]:
    """Counts of values [N] in `BINS` bins; the axis takes in the threshold."""
    ends = [float(value.min()), float(value.max())] + ([] if threshold is None else [threshold])
    low, high = min(ends), max(ends)
    counts, edges = np.histogram(value, BINS, (low, high if high > low else low + 1))
    return {"counts": counts.tolist(), "edges": [float(f"{e:.6g}") for e in edges]}


def shown(kind: Kind, entry: Mapping[str, Any], most: int = WORST) -> list[str]:
    """The worst of a kind as `name (value unit)`."""
    unit = kind.unit.split()[0]
    return [
        f"{name} ({value * kind.scale:{'.0f' if kind.unit == 'Hz' else '.2f'}} {unit})"
        for name, value in list(entry["worst"].items())[:most]
    ]
