"""A matrix of figures with their intervals, as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jser.evaluation.formats import percent
from jser.evaluation.page.charts import WHITE_FROM, canvas, place, short, text
from jser.evaluation.page.markup import Element, tag


@dataclass(frozen=True)
class Square:
    """One figure of 0..1; `said` is what hovering says, `framed` sets it apart."""

    value: float
    low: float | None
    high: float | None
    chance: float
    said: str
    framed: bool = False

    @property
    def shade(self) -> float:
        """0 at chance or below, 1 where everything is right."""
        return max(0.0, (self.value - self.chance) / (1 - self.chance))


def squares(names: Sequence[str], rows: Sequence[Sequence[Square]], label: str) -> Element:
    """Rows and columns of `names`; in each cell the figure, its interval and chance."""
    left, right, top, height = 19.0, 99.0, 34.0, 74.0
    cell = (right - left) / len(names)
    marks = [
        text(place(left + (j + 0.5) * cell), top - 12, short(name, 20), "middle", "label")
        for j, name in enumerate(names)
    ]
    for i, row in enumerate(rows):
        y = top + i * height
        marks.append(text(place(left - 1.5), y + height / 2 + 4, short(names[i]), "end", "label"))
        for j, square in enumerate(row):
            x, middle = place(left + j * cell), place(left + (j + 0.5) * cell)
            dark = " on" if square.shade >= WHITE_FROM else ""
            between = (
                "no interval"
                if square.low is None or square.high is None
                else f"{percent(square.low)} to {percent(square.high)}"
            )
            marks.append(
                tag(
                    "g",
                    tag("rect", x=x, y=y, width=place(cell), height=height, class_="hit",
                        fill_opacity=f"{square.shade:.3f}"),
                    tag("rect", x=place(left + j * cell + 0.4), y=y + 4, width=place(cell - 0.8),
                        height=height - 8, class_="frame")
                    if square.framed else None,
                    text(middle, y + 28, percent(square.value), "middle", f"share{dark}"),
                    text(middle, y + 45, between, "middle", f"count{dark}"),
                    text(middle, y + 61, f"chance {percent(square.chance)}", "middle",
                         f"count{dark}"),
                    tag("title", square.said),
                    class_="mark",
                )
            )  # fmt: skip
    return canvas(top + len(rows) * height + 2, label, *marks, class_="confusion squares")
