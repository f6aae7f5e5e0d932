"""Charts of a sweep: the expected best of n trials, and trials as lines through their values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jser.evaluation.formats import percent, shown
from jser.evaluation.page.charts import Axis, around, canvas, line, place, short, stretched, text
from jser.evaluation.page.markup import Element, tag

MOST_LINES = 400  # of trials; beyond that the best are drawn
TOP, HEIGHT = 46.0, 250.0


def best_of(curves: Mapping[str, Sequence[float]], mean: Sequence[float]) -> Element:
    """The expected best dev UAR against the number of trials: a thin line a fold, a bold mean.

    Args:
        curves: fold -> values in 0..1 for n = 1, 2, ...
        mean: over folds.
    """
    n = len(mean)
    axis = Axis(*around([v for c in curves.values() for v in c]))
    across = Axis(1, max(n, 2), 9.0, 98.0)
    top, height = 8.0, 230.0

    def y(value: float) -> float:
        return top + height * (1 - axis.at(value) / 100)

    drawn: list[Element] = []
    for value in axis.ticks(7):
        drawn.append(line(place(across.left), y(value), place(across.right), y(value), "grid"))
        drawn.append(text(place(across.left - 1), y(value) + 4, f"{100 * value:g}", "end", "tick"))
    lines = [_line(_steps(c, axis), "thin one", f"fold {name}") for name, c in curves.items()]
    drawn.append(
        stretched(across, top, height, *lines, _line(_steps(mean, axis), "bold one", "mean"))
    )
    half = (across.at(2) - across.at(1)) / 2
    for k, value in enumerate(mean, start=1):
        values = [curve[k - 1] for curve in curves.values()]
        words = (
            f"{k} trials: {percent(value)} %, folds {percent(min(values))} to "
            f"{percent(max(values))} %"
        )
        drawn.append(
            tag("rect", tag("title", words), x=place(max(across.at(k) - half, 0)),
                width=place(2 * half), y=top, height=height, class_="mark strip")
        )  # fmt: skip
    bottom = top + height
    drawn.append(line(place(across.left), bottom, place(across.right), bottom, "axis"))
    whole = [int(t) for t in across.ticks(8) if t >= 1 and t == int(t)]
    for k in sorted({1, n, *whole}):
        if k in (1, n) or min(abs(k - 1), abs(k - n)) > 0.04 * n:
            drawn.append(text(across.x(k), bottom + 17, str(k), "middle", "tick"))
    drawn.append(text(place(across.right), bottom + 34, "trials", "end", "tick"))
    label = f"Expected best dev UAR, from {percent(mean[0])} % of one trial to "
    label += f"{percent(mean[-1])} % of {n}"
    return canvas(bottom + 38, label, *drawn, class_="curves")


def _steps(values: Sequence[float], axis: Axis) -> list[tuple[float, float]]:
    last = max(len(values) - 1, 1)
    return [(1000 * k / last, 1000 - 10 * axis.at(v)) for k, v in enumerate(values)]


def _line(points: Sequence[tuple[float, float]], class_: str, said: str, **more: Any) -> Element:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    # A line of no length is not drawn, its round ends are.
    path += "h0.1" if len(points) == 1 else ""
    return tag("path", tag("title", said), d=f"M{path}", class_=class_, **more)


def parallel(
    fields: Mapping[str, Mapping[str, Any]], trials: Sequence[Mapping[str, Any]]
) -> Element:
    """Each trial as a line through its values and its dev UAR; the better, the darker.

    Args:
        fields: field -> its distribution, as sweep.json has it.
        trials: with `values`, `dev_uar`, `number`, `fold` (a name) and `chosen` (bool).
    """
    there = [t for t in trials if t["dev_uar"] is not None and t["values"]]
    there = sorted(there, key=lambda t: t["dev_uar"])[-MOST_LINES:]
    low, high = around([t["dev_uar"] for t in there])
    names = [*fields, "dev UAR, %"]
    across = Axis(0, max(len(names) - 1, 1), 9.0, 91.0)
    scales = [_Scale(fields[f]) for f in fields]
    # Folds differ in what can be reached: a trial is held against those of its own.
    ranked: dict[str, list[float]] = {}
    for t in there:
        ranked.setdefault(t["fold"], []).append(t["dev_uar"])
    faint = min(1.0, 150 / max(len(there), 1))
    drawn: list[Element] = []
    lines = []
    for t in there:
        heights = [s.at(t["values"][f]) for f, s in zip(fields, scales, strict=True)]
        heights.append((t["dev_uar"] - low) / (high - low))
        points = [
            (1000 * k / max(len(names) - 1, 1), 1000 - 1000 * h) for k, h in enumerate(heights)
        ]
        own = ranked[t["fold"]]
        share = own.index(t["dev_uar"]) / max(len(own) - 1, 1)
        values = ", ".join(f"{f} {shown(x)}" for f, x in t["values"].items())
        words = f"fold {t['fold']}, trial {t['number']}: {percent(t['dev_uar'])} %; {values}"
        kind = "trial chosen" if t["chosen"] else "trial"
        opacity = 1.0 if t["chosen"] else faint * (0.08 + 0.7 * share**2)
        lines.append((t["chosen"], _line(points, f"mark {kind}", words,
                                         stroke_opacity=f"{opacity:.2f}")))  # fmt: skip
    lines.sort(key=lambda pair: pair[0])  # the chosen over the others
    drawn.append(stretched(across, TOP, HEIGHT, *(element for _, element in lines)))
    for k, name in enumerate(names):
        x = across.x(k)
        drawn.append(line(x, TOP, x, TOP + HEIGHT, "axis"))
        anchor = "start" if k == 0 else "end" if k == len(names) - 1 else "middle"
        at = place(across.at(k) + {"start": -8.5, "end": 8.5, "middle": 0.0}[anchor])
        # Names of neighbours stand at two heights, so that they find room on a narrow page.
        y = TOP - (30 if len(names) > 4 and k % 2 else 14)
        drawn.append(text(at, y, short(name.removeprefix("hyper."), 24), anchor, "label"))
        if k < len(scales):
            ticks = scales[k].ticks()
        else:
            ticks = [((v - low) / (high - low), f"{100 * v:g}") for v in Axis(low, high).ticks(6)]
        side = 1 if k == len(names) - 1 else -1
        for height, words in ticks:
            y = TOP + HEIGHT * (1 - height)
            drawn.append(line(x, y, place(across.at(k) + 0.5 * side), y, "axis"))
            drawn.append(
                text(place(across.at(k) + 0.8 * side), y + 4, words,
                     "start" if side > 0 else "end", "tick halo")
            )  # fmt: skip
    label = f"{len(there)} trials as lines through {', '.join(names)}; the better, the darker"
    return canvas(TOP + HEIGHT + 14, label, *drawn, class_="parallel")


class _Scale:
    """Where a field's values lie on an axis of 0..1."""

    def __init__(self, d: Mapping[str, Any]):
        self._d = d
        self._names = [_key(value) for value in d.get("values", ())]

    def at(self, value: Any) -> float:
        """The height of a value."""
        if self._names:
            return (self._names.index(_key(value)) + 0.5) / len(self._names)
        low, high = self._d["low"], self._d["high"]
        if self._d["log"]:
            return math.log(value / low) / math.log(high / low)
        return float((value - low) / (high - low))

    def ticks(self) -> list[tuple[float, str]]:
        """Heights with what stands there."""
        if self._names:
            every = max(1, -(-len(self._names) // 12))
            return [(self.at(v), shown(v)) for v in self._d["values"][::every]]
        low, high = self._d["low"], self._d["high"]
        if not self._d["log"]:
            return [(self.at(v), f"{v:g}") for v in Axis(low, high).ticks(6)]
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        round_ones = [k * 10.0**e for e in range(first, last + 1) for k in (1, 3)]
        inside = [v for v in round_ones if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]
        return [(self.at(v), f"{v:g}") for v in inside or (low, high)]


def _key(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
