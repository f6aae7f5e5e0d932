"""Charts of an audit as inline SVG: counts as a heat map, a measure as a histogram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jser.evaluation.page.charts import Axis, canvas, line, place, short, text
from jser.evaluation.page.markup import Element, tag
from jser.records.selection import MARK

_ROW = 26.0
_MOST_LETTERS = 14  # of a row's name
# On a fuller cell white is easier to read than black.
_WHITE_FROM = 0.85


def heat(
    rows: Sequence[tuple[str, str, Mapping[str, int]]], columns: Sequence[str], label: str
) -> Element:
    """Counts as shades of one colour, the sum of each row at the right.

    Args:
        rows: name, what stands small behind it, and the count of each column.
        columns: names.
        label: what it shows, in words.
    """
    left, right, top = 17.0, 92.0, 74.0
    cell = (right - left) / max(len(columns), 1)
    most = max((n for _, _, counts in rows for n in counts.values()), default=0) or 1
    marks = []
    for j, name in enumerate(columns):
        head = tag("text", short(name), transform="rotate(-38)", class_="label")
        x = place(left + (j + 0.5) * cell)
        marks.append(tag("svg", head, x=x, y=top - 10, overflow="visible", width=1, height=1))
    for i, (name, aside, counts) in enumerate(rows):
        y = top + i * _ROW
        head = text(
            place(left - 1.2),
            y + 17,
            _narrow(name, _MOST_LETTERS - 2 * bool(aside)),
            "end",
            "label",
        )
        if aside:
            head.append(tag("tspan", f"  {aside}", class_="aside"))
        marks.append(head)
        for j, column in enumerate(columns):
            n = counts[column]
            share = n / most
            shade = f"share{' on' if share >= _WHITE_FROM else ''}{'' if n else ' none'}"
            box = tag(
                "rect",
                x=place(left + j * cell),
                y=y,
                width=place(cell),
                height=_ROW,
                class_="hit",
                fill_opacity=f"{share:.3f}",
            )
            figure = text(
                place(left + (j + 0.5) * cell), y + 17, str(n) if n else "–", "middle", shade
            )
            said = tag("title", f"{name}, {column}: {n}")
            marks.append(tag("g", box, figure, said, class_="mark"))
        marks.append(text("100%", y + 17, f"{sum(counts.values()):,}", "end", "value"))
    bottom = top + len(rows) * _ROW
    for i in range(len(rows) + 1):
        marks.append(line(place(left), top + i * _ROW, place(right), top + i * _ROW, "grid"))
    for j in range(len(columns) + 1):
        x = place(left + j * cell)
        marks.append(line(x, top, x, bottom, "grid"))
    return canvas(bottom + 1, label, *marks, class_="confusion counts")


def _narrow(name: str, most: int) -> str:
    """A row's name that fits; of ``corpus/speaker`` the corpus gives way."""
    corpus, mark, own = name.partition(MARK)
    room = most - len(own) - 2
    if not mark or len(name) <= most or room < 2:
        return short(name, most)
    return f"{corpus[:room]}…{MARK}{own}"


def histogram(
    counts: Sequence[int],
    edges: Sequence[float],
    unit: str,
    label: str,
    threshold: float | None = None,
    above: bool = True,
) -> Element:
    """Utterances by a measure; those beyond `threshold` stand out.

    Args:
        counts: [B].
        edges: [B + 1], in the unit that is shown.
        unit: its name.
        label: what it shows, in words.
        threshold: where the measure is worth a look.
        above: above it, else below it.
    """
    axis = Axis(edges[0], edges[-1] if edges[-1] > edges[0] else edges[0] + 1, 1.0, 99.0)
    height, top = 88.0, 18.0
    most = max(counts, default=0) or 1
    marks = []
    for n, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        middle = (low + high) / 2
        beyond = threshold is not None and (middle > threshold if above else middle < threshold)
        # What is rare must be seen, so no bar is lower than this.
        tall = max(height * n / most, 2.5) if n else 0.0
        said = f"{_figure(low)} to {_figure(high)} {unit}: {n}"
        column = tag(
            "rect", x=axis.x(low), y=top, width=axis.width(low, high), height=height, class_="strip"
        )
        drawn = tag(
            "rect",
            x=axis.x(low),
            y=top + height - tall,
            width=axis.width(low, high),
            height=tall,
            class_=f"bar {'beyond' if beyond else 'one'}",
        )
        marks.append(tag("g", column, drawn, tag("title", said), class_="mark"))
    bottom = top + height
    if threshold is not None:
        at = axis.at(threshold)
        anchor = "end" if at > 60 else "start"
        x = place(at + (-1.2 if at > 60 else 1.2))
        marks.append(line(axis.x(threshold), top - 8, axis.x(threshold), bottom, "chance"))
        marks.append(text(x, top - 5, f"{_figure(threshold)} {unit}", anchor, "tick"))
    marks.append(line("1%", bottom + 0.5, "99%", bottom + 0.5, "axis"))
    ticks = axis.ticks(5)
    for value in ticks:
        at = axis.at(value)
        anchor = "start" if at < 4 else "end" if at > 96 else "middle"
        marks.append(text(place(at), bottom + 16, _figure(value), anchor, "tick"))
    return canvas(bottom + 20, label, *marks, class_="histogram")


def _figure(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
