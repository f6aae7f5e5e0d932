"""Charts of two systems on the same speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jser.evaluation.formats import percent, points
from jser.evaluation.page.charts import (
    MOST_BARS,
    Axis,
    Estimate,
    around,
    canvas,
    foot,
    line,
    place,
    short,
    text,
    whisker,
)
from jser.evaluation.page.markup import Element, tag


def difference(value: float, low: float | None, high: float | None, seen: float | None) -> Element:
    """A difference in points on an axis around 0, and the smallest that could have been seen."""
    reach = max(abs(v) for v in (value, low, high, seen, 0.02) if v is not None) * 1.15
    axis = Axis(-reach, reach, 2.0, 98.0)
    top, bottom, y = 8.0, 62.0, 40.0
    marks: list[Element | None] = []
    if seen is not None:
        marks.append(
            tag("rect", tag("title", f"smaller than the smallest detectable, {100 * seen:.1f}"),
                x=axis.x(-seen), width=axis.width(-seen, seen), y=top, height=bottom - top,
                class_="mark unseen")
        )  # fmt: skip
    marks.append(line(axis.x(0), top, axis.x(0), bottom, "zero"))
    said = f"difference {points(value)} points"
    if low is not None and high is not None:
        said += f", 95 % interval {points(low)} to {points(high)}"
    drawn = whisker(axis, y, Estimate("difference", value, low, high))
    marks.append(tag("g", *drawn, tag("title", said), class_="mark system"))
    anchor = "end" if axis.at(value) > 80 else "start" if axis.at(value) < 20 else "middle"
    marks.append(text(axis.x(value), y - 13, points(value), anchor, "value"))
    marks.append(line(place(axis.left), bottom + 0.5, place(axis.right), bottom + 0.5, "axis"))
    for t in axis.ticks(9):
        marks.append(line(axis.x(t), bottom, axis.x(t), bottom + 4, "axis"))
        marks.append(text(axis.x(t), bottom + 17, f"{100 * t:+g}" if t else "0", "middle", "tick"))
    return canvas(bottom + 22, said, *marks, class_="intervals")


@dataclass(frozen=True)
class Pair:
    """One speaker under two systems."""

    name: str
    a: float
    b: float


def dumbbells(rows: Sequence[Pair], label: str) -> Element:
    """One line a speaker from system a (hollow) to system b (full)."""
    axis = Axis(*around([v for r in rows for v in (r.a, r.b)]), 21.0, 90.0)
    row = 24.0 if len(rows) <= MOST_BARS else 5.0
    top = 6.0
    bottom = top + len(rows) * row
    marks = [line(axis.x(t), top, axis.x(t), bottom, "grid") for t in axis.ticks()]
    for i, pair in enumerate(rows):
        y = top + (i + 0.5) * row
        way = "up" if pair.b > pair.a else "down" if pair.b < pair.a else "same"
        large = row > 10
        marks.append(
            tag(
                "g",
                tag("rect", x=0, y=y - row / 2, width="100%", height=row, class_="row"),
                line(axis.x(pair.a), y, axis.x(pair.b), y, f"link {way}"),
                tag("circle", cx=axis.x(pair.a), cy=y, r=5 if large else 2, class_="from"),
                tag("circle", cx=axis.x(pair.b), cy=y, r=5 if large else 2, class_=f"to {way}"),
                text("19.8%", y + 4, short(pair.name), "end", "label") if large else None,
                text("100%", y + 4, points(pair.b - pair.a), "end", "value") if large else None,
                tag(
                    "title",
                    f"{pair.name}: a {percent(pair.a)}, b {percent(pair.b)}, "
                    f"b less a {points(pair.b - pair.a)}",
                ),
                class_="mark",
            )
        )
    return canvas(bottom + 22, label, *marks, *foot(axis, bottom))
