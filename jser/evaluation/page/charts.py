"""Charts as inline SVG, from figures alone.

Widths are percentages and heights pixels, so a chart fills what it is given and its text keeps its
size on a telephone, on a screen and on paper. Colours are classes that the page's style names. A
mark's `title` is its figure in words, which the page shows on hover and by the arrow keys.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jser.evaluation.formats import in_words, percent
from jser.evaluation.page.markup import Element, tag

WHITE_FROM = 0.85  # share of a row from which white is easier to read on a cell than black
MOST_BARS = 60  # beyond that, rows of bars are no picture but a list


@dataclass(frozen=True)
class Axis:
    """Values `low` to `high` laid from `left` to `right` percent of a chart's width."""

    low: float
    high: float
    left: float = 0.0
    right: float = 100.0

    def at(self, value: float) -> float:
        """Percent of the width; a value beyond the ends lies on the end."""
        share = (value - self.low) / (self.high - self.low)
        return self.left + (self.right - self.left) * min(max(share, 0.0), 1.0)

    def x(self, value: float) -> str:
        """`at` as SVG writes it."""
        return place(self.at(value))

    def width(self, low: float, high: float) -> str:
        """From one value to another."""
        return place(max(self.at(high) - self.at(low), 0.0))

    def ticks(self, most: int = 6) -> list[float]:
        """Round values, no more than `most`, inside the axis."""
        step = _round_up((self.high - self.low) / max(most - 1, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(k * step, 10) for k in range(first, last + 1)]


def around(values: Sequence[float], least: float = 0.0, most: float = 1.0) -> tuple[float, float]:
    """Round ends of an axis that holds `values` with some air, within `least` and `most`."""
    low, high = min(values), max(values)
    air = max(0.06 * (high - low), 0.02)
    step = _round_up((high - low + 2 * air) / 10)
    return (
        max(least, math.floor((low - air) / step) * step),
        min(most, math.ceil((high + air) / step) * step),
    )


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, ... times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= value * (1 - 1e-9))


def canvas(height: float, label: str, *children: Element | None, class_: str = "") -> Element:
    """An SVG of the full width and `height` pixels; `label` is what it shows, in words."""
    return tag(
        "svg",
        *children,
        width="100%",
        height=height,
        role="img",
        aria_label=label,
        class_=f"chart {class_}".strip(),
    )


def text(x: str, y: float, words: str, anchor: str = "start", class_: str = "") -> Element:
    """A line of text whose base line is at `y`."""
    return tag("text", words, x=x, y=y, text_anchor=anchor, class_=class_ or None)


def line(x: str, top: float | str, x2: str, bottom: float | str, class_: str) -> Element:
    """A straight line."""
    return tag("line", x1=x, y1=top, x2=x2, y2=bottom, class_=class_)


def place(value: float) -> str:
    """A percentage as SVG writes it."""
    return f"{value:.3f}".rstrip("0").rstrip(".") + "%"


def short(words: str, most: int = 14) -> str:
    """A name that fits beside a bar; the mark's title has it in full."""
    return words if len(words) <= most else words[: most - 1] + "…"


# ------------------------------------------------------------------------------- confusion matrix


def confusion(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> Element:
    """Counts [K][K] (rows: truth) as a heat map: % of the row, and the count below it."""
    k = len(classes)
    left, right, top, row = 19.0, 97.0, 74.0, 46.0
    cell = (right - left) / k
    marks = []
    for j, name in enumerate(classes):
        head = tag("text", short(name), transform="rotate(-38)", class_="label")
        x = place(left + (j + 0.5) * cell)
        marks.append(tag("svg", head, x=x, y=top - 10, overflow="visible", width=1, height=1))
    for i, name in enumerate(classes):
        y, total = top + i * row, sum(counts[i])
        marks.append(text(place(left - 1.5), y + row / 2 + 4, short(name), "end", "label"))
        for j, n in enumerate(counts[i]):
            share = n / total if total else 0.0
            x, middle = place(left + j * cell), place(left + (j + 0.5) * cell)
            said = (
                f"{name} taken for {classes[j]}: {n} of {total}, {percent(share)} %"
                if total
                else f"{name}: none in the test"
            )
            dark = " on" if share >= WHITE_FROM else ""
            marks.append(
                tag(
                    "g",
                    tag(
                        "rect",
                        x=x,
                        y=y,
                        width=place(cell),
                        height=row,
                        class_="hit" if i == j else "miss",
                        fill_opacity=f"{share:.3f}",
                    ),
                    text(middle, y + 21, f"{100 * share:.0f}" if total else "–", "middle",
                         f"share{dark}{'' if n else ' none'}"),
                    text(middle, y + 36, str(n) if n else "", "middle", f"count{dark}"),
                    tag("title", said),
                    class_="mark",
                )
            )  # fmt: skip
    marks += _grid(k, left, top, cell, row)
    label = "Confusion matrix. " + " ".join(
        f"{name}: {percent(counts[i][i] / sum(counts[i]))} % recognised."
        for i, name in enumerate(classes)
        if sum(counts[i])
    )
    return canvas(top + k * row + 1, label, *marks, class_="confusion")


def _grid(k: int, left: float, top: float, cell: float, row: float) -> list[Element]:
    lines = []
    for i in range(k + 1):
        x, y = place(left + i * cell), top + i * row
        lines.append(line(x, top, x, top + k * row, "grid"))
        lines.append(line(place(left), y, place(left + k * cell), y, "grid"))
    return lines


# ------------------------------------------------------------------------------------------- bars


@dataclass(frozen=True)
class Bar:
    """A bar of 0..1; `group` names its colour, `said` is what hovering says."""

    name: str
    value: float | None
    group: str = "one"
    aside: str = ""
    said: str = ""

    def words(self) -> str:
        """What hovering says, and what a reader hears."""
        return self.said or f"{self.name}: {in_words(self.value)}"


@dataclass(frozen=True)
class Reference:
    """A value across all bars, with the interval around it."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def bars(
    rows: Sequence[Bar], label: str, mean: Reference | None = None, chance: float | None = None
) -> Element:
    """Horizontal bars from 0 to 1, the mean as a line with its interval as a band."""
    if len(rows) > MOST_BARS:
        return _ranks(rows, label, mean, chance)
    axis = Axis(0.0, 1.0, 21.0, 92.0)
    row, thick = (24.0, 13.0) if len(rows) <= 12 else (20.0, 12.0)
    top = 24.0
    bottom = top + len(rows) * row
    marks = _references(axis, top, bottom, mean, chance)
    for i, bar in enumerate(rows):
        y = top + i * row + (row - thick) / 2
        value = bar.value or 0.0
        marks.append(
            tag(
                "g",
                # The whole row answers the pointer, not the bar alone.
                tag("rect", x=0, y=top + i * row, width="100%", height=row, class_="row"),
                tag("rect", x=axis.x(0), y=y, width=axis.width(0, value), height=thick, rx=2,
                    class_=f"bar {bar.group}"),
                _label(bar, place(axis.left - 1.2), y + thick - 2),
                text("100%", y + thick - 2, percent(bar.value) or "–", "end", "value"),
                tag("title", bar.words()),
                class_="mark",
            )
        )  # fmt: skip
    if mean is not None:
        # Over the bars, as a hair, so that it is seen to cut them.
        marks.append(line(axis.x(mean.value), top, axis.x(mean.value), bottom, "mean over"))
    marks += foot(axis, bottom, chance)
    return canvas(bottom + (22 if chance is None else 36), label, *marks)


def _label(bar: Bar, x: str, y: float) -> Element:
    label = text(x, y, short(bar.name), "end", "label")
    if bar.aside:
        label.append(tag("tspan", f"  {bar.aside}", class_="aside"))
    return label


def _references(
    axis: Axis, top: float, bottom: float, mean: Reference | None, chance: float | None
) -> list[Element]:
    marks = []
    if mean is not None:
        if mean.low is not None and mean.high is not None:
            marks.append(
                tag("rect", x=axis.x(mean.low), y=top, width=axis.width(mean.low, mean.high),
                    height=bottom - top, class_="band")
            )  # fmt: skip
        at = axis.at(mean.value)
        anchor = "end" if at > 75 else "start" if at < 35 else "middle"
        marks.append(text(place(at), top - 8, f"{mean.name} {percent(mean.value)}", anchor, "mean"))
    if chance is not None:
        marks.append(line(axis.x(chance), top, axis.x(chance), bottom, "chance"))
    return marks


def foot(axis: Axis, bottom: float, chance: float | None = None) -> list[Element]:
    """The axis below a chart, in %."""
    marks = [line(place(axis.left), bottom + 0.5, place(axis.right), bottom + 0.5, "axis")]
    for value in axis.ticks():
        marks.append(line(axis.x(value), bottom, axis.x(value), bottom + 4, "axis"))
        marks.append(text(axis.x(value), bottom + 17, f"{100 * value:g}", "middle", "tick"))
    if chance is not None:
        marks.append(text(axis.x(chance), bottom + 32, "chance", "middle", "tick"))
    return marks


def _ranks(
    rows: Sequence[Bar], label: str, mean: Reference | None, chance: float | None
) -> Element:
    """Many values as a falling row of dots, one a row of `bars`."""
    height, top = 260.0, 10.0
    across = Axis(0, max(len(rows) - 1, 1), 7.0, 99.0)

    def y(value: float) -> float:
        return top + height * (1 - value)

    marks = []
    if mean is not None:
        if mean.low is not None and mean.high is not None:
            marks.append(
                tag("rect", x="6%", y=y(mean.high), width="94%", height=y(mean.low) - y(mean.high),
                    class_="band")
            )  # fmt: skip
        marks.append(line("6%", y(mean.value), "100%", y(mean.value), "mean"))
        words = f"{mean.name} {percent(mean.value)}"
        marks.append(text("99%", y(mean.value) - 6, words, "end", "mean"))
    if chance is not None:
        marks.append(line("6%", y(chance), "100%", y(chance), "chance"))
        marks.append(text("7%", y(chance) - 5, "chance", class_="tick chance"))
    for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        marks.append(text("5%", y(value) + 4, f"{100 * value:g}", "end", "tick"))
    for i, bar in enumerate(rows):
        marks.append(
            tag("circle", tag("title", bar.words()), cx=across.x(i), cy=y(bar.value or 0.0), r=3.5,
                class_=f"mark dot {bar.group}")
        )  # fmt: skip
    return canvas(height + 2 * top, label, *marks)


# -------------------------------------------------------------------------------------- intervals


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval, if it has one.

    `kind` is 'system', 'baseline', 'published', 'apart' (published, and not to be compared) or
    'floor'.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    kind: str = "system"
    aside: str = ""


def intervals(rows: Sequence[Estimate], label: str) -> Element:
    """Figures one below the other on one axis, each with its interval as a whisker.

    The first 'system' among them has its interval as a band behind all.

    Names are HTML, since SVG cannot break a long one.
    """
    values = [v for r in rows for v in (r.value, r.low, r.high) if v is not None]
    axis = Axis(*around(values), 1.0, 99.0)
    behind = [line(axis.x(t), "0", axis.x(t), "100%", "grid") for t in axis.ticks()]
    first = next((row for row in rows if row.kind == "system"), None)
    if first and first.low is not None and first.high is not None:
        behind.append(
            tag("rect", x=axis.x(first.low), y=0, height="100%", class_="band",
                width=axis.width(first.low, first.high))
        )  # fmt: skip
    drawn = []
    for row in rows:
        value = percent(row.value)
        if row.low is not None and row.high is not None:
            value += f" [{percent(row.low)}, {percent(row.high)}]"
        strip = tag("svg", *whisker(axis, 8, row), width="100%", height=16, aria_hidden="true")
        drawn.append(
            tag(
                "div",
                tag("span", row.name, class_="name"),
                tag("span", value, class_="value"),
                strip,
                class_=f"mark {row.kind}",
                title=f"{row.name}: {value}{f', {row.aside}' if row.aside else ''}",
            )
        )
    return tag(
        "div",
        tag(
            "div",
            tag("svg", *behind, class_="behind", aria_hidden="true"),
            *drawn,
            class_="estimates",
        ),
        tag("svg", *foot(axis, 0.0), width="100%", height=22, aria_hidden="true"),
        role="img",
        aria_label=label,
        class_="chart intervals",
    )


def whisker(axis: Axis, y: float, row: Estimate) -> list[Element]:
    """An interval with its estimate, at height `y`."""
    marks = []
    if row.low is not None and row.high is not None:
        marks.append(line(axis.x(row.low), y, axis.x(row.high), y, "whisker"))
        marks += [line(axis.x(v), y - 4, axis.x(v), y + 4, "whisker") for v in (row.low, row.high)]
    marks.append(tag("circle", cx=axis.x(row.value), cy=y, r=5, class_="point"))
    return marks


def stretched(across: Axis, top: float, height: float, *children: Element) -> Element:
    """A frame of 1000 by 1000 units over a chart: lines need numbers, not percentages."""
    return tag(
        "svg",
        *children,
        x=place(across.left),
        y=top,
        width=place(across.right - across.left),
        height=height,
        viewBox="0 0 1000 1000",
        preserveAspectRatio="none",
        overflow="visible",
    )
