"""Learning curves: a thin line a member, a bold mean, the chosen epochs marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from jser.evaluation.formats import percent
from jser.evaluation.page.charts import Axis, around, canvas, line, place, stretched, text
from jser.evaluation.page.markup import Element, tag

MOST_LINES = 60  # thin lines of a panel; the mean is of all members
Row = Mapping[str, Any]  # a line of metrics.jsonl
Member = tuple[int, int, int, int]  # fold, seed, place in an ensemble, point of a grid


@dataclass(frozen=True)
class Chosen:
    """The epoch that a member chose by its dev speakers."""

    fold: int
    seed: int
    bag: int
    point: int
    epoch: int
    dev_uar: float
    dev_loss: float | None

    @property
    def which(self) -> str:
        """Words for the places in an ensemble and in a grid; of the first, or of none, no words."""
        member = f", member {self.bag + 1}" if self.bag else ""
        return member + (f", point {self.point + 1}" if self.point else "")


def member_of(row: Row) -> Member:
    """Whose figures a line has."""
    # Older runs know neither ensembles nor grids.
    return row["fold"], row["seed"], row.get("bag", 0), row.get("point", 0)


def stages(rows: Iterable[Row]) -> list[str]:
    """The trainings of a run, in order."""
    return list(dict.fromkeys(row["stage"] for row in rows))


def chosen(rows: Iterable[Row]) -> list[Chosen]:
    """What each member of a stage chose: the highest dev UAR, then the lower loss, then earlier."""
    best: dict[Member, tuple[tuple[float, float, int], Row]] = {}
    for row in rows:
        if row["dev_uar"] is None:
            continue
        loss = float("inf") if row["dev_loss"] is None else row["dev_loss"]
        rank = (-row["dev_uar"], loss, row["epoch"])
        member = member_of(row)
        if member not in best or rank < best[member][0]:
            best[member] = (rank, row)
    return [
        Chosen(*member, row["epoch"], row["dev_uar"], row["dev_loss"])
        for member, (_, row) in sorted(best.items(), key=lambda item: item[0])
    ]


def by_member(rows: Iterable[Row], name: str) -> dict[Member, dict[int, float]]:
    """Member -> epoch -> value of a figure, where it is a number."""
    found: dict[Member, dict[int, float]] = {}
    for row in rows:
        if row.get(name) is not None:
            found.setdefault(member_of(row), {})[row["epoch"]] = row[name]
    return found


def mean_by_epoch(members: Mapping[Any, Mapping[int, float]]) -> dict[int, float]:
    """Mean over the members that trained in an epoch."""
    epochs = sorted({epoch for values in members.values() for epoch in values})
    return {e: fmean(v[e] for v in members.values() if e in v) for e in epochs}


@dataclass(frozen=True)
class Curve:
    """One figure of all members; `group` names its colour."""

    name: str
    members: Mapping[Member, Mapping[int, float]]
    group: str
    in_percent: bool = False

    def shown(self, value: float) -> str:
        """A value of this curve in words."""
        return f"{percent(value)} %" if self.in_percent else f"{value:.3f}"


def panel(
    curves: Sequence[Curve],
    marks: Sequence[Chosen],
    last: int,
    label: str,
    names: Mapping[int, str],
) -> Element:
    """Curves on one pair of axes.

    Args:
        curves: of one kind, so that they share the axis.
        marks: chosen epochs, set on the first curve's lines.
        last: the last epoch of the axis.
        label: what the panel shows, in words.
        names: of folds, by their place in the protocol.
    """
    values = [v for c in curves for m in c.members.values() for v in m.values()]
    in_percent = curves[0].in_percent
    axis = Axis(*around(values, 0.0, 1.0 if in_percent else float("inf")))
    across = Axis(1, max(last, 2), 11.0, 98.0 if len(curves) == 1 else 89.0)
    top, height = 8.0, 210.0

    def y(value: float) -> float:
        return top + height * (1 - axis.at(value) / 100)

    drawn: list[Element] = []
    for value in axis.ticks(7):
        drawn.append(line(place(across.left), y(value), place(across.right), y(value), "grid"))
        words = f"{100 * value:g}" if in_percent else f"{value:g}"
        drawn.append(text(place(across.left - 1.2), y(value) + 4, words, "end", "tick"))
    thin = [_thin(c, axis, last) for c in curves]
    bold = [_path(mean_by_epoch(c.members), axis, last, f"bold {c.group}") for c in curves]
    drawn.append(stretched(across, top, height, *thin, *bold))
    if len(curves) > 1:
        drawn += _names(curves, y)
    drawn += _hover(curves, across, last, top, height)
    for mark in marks:
        fold = names.get(mark.fold, f"number {mark.fold + 1}")
        said = f"fold {fold}, seed {mark.seed}{mark.which}: epoch {mark.epoch} chosen, "
        drawn.append(
            tag("circle", tag("title", said + curves[0].shown(mark.dev_uar)),
                cx=across.x(mark.epoch), cy=y(mark.dev_uar), r=4, class_="mark chosen")
        )  # fmt: skip
    bottom = top + height
    drawn.append(line(place(across.left), bottom, place(across.right), bottom, "axis"))
    for epoch in _epochs(across, last):
        drawn.append(text(across.x(epoch), bottom + 17, str(epoch), "middle", "tick"))
    drawn.append(text(place(across.right), bottom + 33, "epoch", "end", "tick"))
    return canvas(bottom + 38, label, *drawn, class_="curves")


def _names(curves: Sequence[Curve], y: Callable[[float], float]) -> list[Element]:
    """Each curve's name where its mean ends, apart enough to be read."""
    means = [mean_by_epoch(curve.members) for curve in curves]
    ends = [(y(mean[max(mean)]), curve) for mean, curve in zip(means, curves, strict=True)]
    found, above = [], -100.0
    for height, curve in sorted(ends, key=lambda end: end[0]):
        above = max(height, above + 15)
        found.append(text("90.5%", above + 4, curve.name, class_=f"name {curve.group}"))
    return found


def _epochs(across: Axis, last: int) -> list[int]:
    whole = [int(t) for t in across.ticks(6) if t >= 1 and t == int(t)]
    return whole if len(whole) > 1 else sorted({1, last})


def _thin(curve: Curve, axis: Axis, last: int) -> Element:
    members = sorted(curve.members)
    step = max(1, -(-len(members) // MOST_LINES))
    lines = [
        _path(curve.members[m], axis, last, f"thin {curve.group}")
        for m in members[::step]
    ]  # fmt: skip
    return tag("g", *lines)


def _path(values: Mapping[int, float], axis: Axis, last: int, class_: str) -> Element:
    """A line through the epochs; a missing epoch breaks it, a lone one is a dot."""
    words, before = [], None
    for epoch in sorted(values):
        x = 1000 * (epoch - 1) / max(last - 1, 1)
        y = 1000 - 10 * axis.at(values[epoch])
        words.append(f"{'L' if before == epoch - 1 else 'M'}{x:.1f} {y:.1f}")
        before = epoch
    if len(words) == 1:
        words.append("h0.1")  # a line of no length is not drawn, its round ends are
    return tag("path", d="".join(words), class_=class_)


def _hover(
    curves: Sequence[Curve], across: Axis, last: int, top: float, height: float
) -> list[Element]:
    """A strip for each epoch that says its figures."""
    found = []
    half = (across.at(2) - across.at(1)) / 2
    for epoch in range(1, last + 1):
        parts = []
        for curve in curves:
            values = [v[epoch] for v in curve.members.values() if epoch in v]
            if values:
                spread = (
                    f" ({curve.shown(min(values))} to {curve.shown(max(values))})"
                    if len(values) > 1
                    else ""
                )
                parts.append(f"{curve.name} {curve.shown(fmean(values))}{spread}")
        if parts:
            left = max(across.at(epoch) - half, 0)
            found.append(
                tag("rect", tag("title", f"epoch {epoch}: {'; '.join(parts)}"), x=place(left),
                    width=place(2 * half), y=top, height=height, class_="mark strip")
            )  # fmt: skip
    return found
