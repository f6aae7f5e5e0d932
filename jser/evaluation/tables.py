"""A report as tables for a terminal of 100 columns, and the same as plain text."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from jser.evaluation import corpora
from jser.evaluation.compare import verdict
from jser.evaluation.formats import (
    COMPARABLE,
    between,
    by_unit,
    others,
    percent,
    plural,
    points,
    settings,
    settings_that_differ,
    some,
    tested,
)

_BAR = 24  # characters of a full bar
_MOST_ROWS = 30  # of speakers or folds; more are in report.json


def render(report: Mapping[str, Any]) -> Group:
    """The tables of a report, marks first."""
    parts: list[RenderableType] = [_title(report)]
    parts += [Text(f"  {mark}", style="bold red") for mark in report["marks"]]
    if not report["cross_corpus"]:
        parts.append(_headline(report))
    parts += [_test_corpus(one) for one in report["test_corpora"]]
    parts += [*_setting(report), *_all_classes(report)]
    by_fold = [set(f["test_speakers"]) for f in report["folds"]]
    if not all(len(s) == 1 for s in by_fold):
        parts.append(_rows("Folds", report["folds"], _fold_name))
    if report["per_speaker"]:
        parts.append(_rows("Test speakers", report["per_speaker"], _speaker_name, side=2))
    if report["yardsticks"]:
        parts.append(_yardsticks(report["yardsticks"]))
    parts.append(Text())
    parts += [Text(f"  {warning}", style="yellow") for warning in report["warnings"]]
    parts.append(_cost(report))
    return Group(*parts)


def text(report: Mapping[str, Any], width: int = 100) -> str:
    """`render` without colour."""
    return to_text(render(report), width)


def to_text(what: RenderableType, width: int = 100) -> str:
    """Any renderable as plain text without trailing blanks."""
    file = io.StringIO()
    Console(file=file, width=width, color_system=None, highlight=False).print(what)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def render_comparison(result: Mapping[str, Any]) -> Group:
    """The tables of what `compare.compare` returns."""
    a, b = result["a"], result["b"]
    table = empty_table(["speaker", "a", "b", "b less a"], left=1)
    for row in result["per_speaker"][:_MOST_ROWS]:
        table.add_row(
            row["speaker"], percent(row["a"]), percent(row["b"]), points(row["difference"])
        )
    more = len(result["per_speaker"]) - _MOST_ROWS
    parts: list[RenderableType] = [
        Text(f"{result['corpus']}, {result['protocol']}", style="bold"),
        *(Text(f"  {mark}", style="bold red") for mark in result["marks"]),
        Text(f"  a  {a['system']}  UAR {percent(a['uar'])}  ({a['run']})"),
        Text(f"  b  {b['system']}  UAR {percent(b['uar'])}  ({b['run']})"),
        *(Text(f"  {setting}", style="dim") for setting in settings_that_differ(result)),
        Text(f"  b less a: {verdict(dict(result))}"),
    ]
    for part in result["parts"]:
        scored = f"UAR {percent(part['a'])} and {percent(part['b'])}"
        parts.append(Text(f"  {part['name']}: {scored}; {verdict(part)}", style="dim"))
    if result["per_speaker"]:
        parts.append(titled("Test speakers, UAR in %", table))
    if more > 0:
        parts.append(Text(f"  and {more} more", style="dim"))
    parts += [Text(f"  {remark}", style="yellow") for remark in result["remarks"]]
    return Group(*parts)


# ------------------------------------------------------------------------------- parts of a report


def _title(report: Mapping[str, Any]) -> Text:
    title = Text("\n")
    title.append(report["system"], style="bold")
    title.append(f" on {report['corpus']}, {report['protocol']}")
    title.append(f"  ({tested(report)})", style="dim")
    return title


def _headline(report: Mapping[str, Any]) -> RenderableType:
    first = corpora.FIRST.get(report["corpus"], "uar")
    second = "wa" if first == "uar" else "uar"
    names = {"uar": "UAR", "wa": "WA"}
    columns = ["%", names[first], by_unit(report), "seeds' sd", "mean of folds", names[second]]
    table = empty_table([*columns, "macro F1"], left=1)
    rows = [(report["system"], report, "bold")]
    rows += [(other["name"], other, "") for other in others(report)]
    for name, figures, style in rows:
        figure = figures[first]
        table.add_row(
            Text(name, style=style),
            Text(percent(figure["mean"]), style=style),
            between(figure),
            percent(figure["std"]),
            percent(figures.get(f"{first}_fold_mean")),
            Text(percent(figures[second]["mean"]), style=style),
            percent(figures["macro_f1"]["mean"]),
        )
    for name, floor in (("majority class", report["majority"]), ("chance", _chance(report))):
        cells = [percent(floor.get(metric)) for metric in (first, second)]
        table.add_row(name, cells[0], "", "", "", cells[1], "")
    return Padding(table, (1, 0, 1, 1))


def _chance(report: Mapping[str, Any]) -> dict[str, float]:
    return {"uar": report["chance_uar"]}


def _test_corpus(one: Mapping[str, Any]) -> RenderableType:
    """The figures of one corpus of the test."""
    columns = ["%", "UAR", "95 % by speaker", "seeds' sd", "WA", "macro F1"]
    table = empty_table(columns, left=1)
    for name, figures in (("system", one), *((other["name"], other) for other in one["others"])):
        style = "bold" if figures is one else ""
        table.add_row(
            Text(name, style=style),
            Text(percent(figures["uar"]["mean"]), style=style),
            between(figures["uar"]),
            percent(figures["uar"]["std"]),
            percent(figures["wa"]["mean"]),
            percent(figures["macro_f1"]["mean"]),
        )
    table.add_row("chance", percent(one["chance_uar"]), "", "", "", "")
    title = (
        f"Tested on {one['name']}, trained on {' and '.join(one['trained_on'])}  "
        f"({plural(one['n_utterances'], 'utterance')}, {plural(one['n_speakers'], 'speaker')})"
    )
    return Group(titled(title, table), Text())


def _setting(report: Mapping[str, Any]) -> Iterable[RenderableType]:
    """What the figures depend on, one line each."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for name, sentence in settings(report):
        grid.add_row(f"  {name}", sentence)
    return [grid]


def _all_classes(report: Mapping[str, Any]) -> Iterable[RenderableType]:
    """Classes of the whole test, or of each test corpus where that is not one task."""
    if not report["cross_corpus"]:
        return [_classes(report, "Classes, in % of the truth")]
    return [
        _classes({**report, **one}, f"Classes of {one['name']}, in % of the truth")
        for one in report["test_corpora"]
    ]


def _classes(report: Mapping[str, Any], title: str) -> RenderableType:
    """Confusion in % of the truth, and each class' recall as a bar."""
    classes = report["classes"]
    shown = 3 if len(classes) > 6 else 9
    columns = ["truth \\ predicted", *(c[:shown] for c in classes), "n", "recall", ""]
    table = empty_table(columns, left=1)
    table.columns[-1].justify = "left"
    n_seeds = max(len(report["seeds"]), 1)
    for k, name in enumerate(classes):
        row = report["confusion"][k]
        total = sum(row)
        cells = [
            Text(f"{100 * x / total:.0f}" if total else "-", style=_shade(j == k, x, total))
            for j, x in enumerate(row)
        ]
        recall = report["per_class_recall"][name]
        table.add_row(name, *cells, str(total // n_seeds), percent(recall), _bar(recall, 16))
    return titled(title, table)


def _shade(diagonal: bool, n: int, total: int) -> str:
    if diagonal:
        return "bold"
    return "red" if total and n / total >= 0.2 else "" if n else "dim"


def _rows(
    title: str, rows: Sequence[Mapping[str, Any]], name: Callable[..., list[str]], side: int = 1
) -> RenderableType:
    """Folds or speakers with their UAR as bars, in `side` tables beside each other."""
    shown = rows[:_MOST_ROWS]
    side = side if len(shown) > 12 else 1
    height = -(-len(shown) // side)
    grid = Table.grid(padding=(0, 2))
    tables = []
    for start in range(0, len(shown), height):
        table = empty_table([*name(None), "n", "WA", "UAR", ""], left=len(name(None)))
        table.columns[-1].justify = "left"
        for row in shown[start : start + height]:
            bar = _bar(row["uar"], _BAR // side)
            table.add_row(*name(row), str(row["n"]), percent(row["wa"]), percent(row["uar"]), bar)
        tables.append(table)
    grid.add_row(*tables)
    if len(rows) <= _MOST_ROWS:
        return titled(title, grid)
    worst, best = (f(rows, key=lambda r: r["uar"] or 0.0) for f in (min, max))
    more = Text(
        f"and {len(rows) - _MOST_ROWS} more in report.json; lowest {percent(worst['uar'])} "
        f"({name(worst)[0]}), highest {percent(best['uar'])} ({name(best)[0]})",
        style="dim",
    )
    return titled(title, grid, more)


def _fold_name(row: Mapping[str, Any] | None) -> list[str]:
    if row is None:
        return ["fold", "test", "dev"]
    return [row["name"], some(row["test_speakers"]), some(row["dev_speakers"])]


def _speaker_name(row: Mapping[str, Any] | None) -> list[str]:
    if row is None:
        return ["speaker", "sex"]
    # The end of a long name tells speakers apart: a corpus may stand before it.
    name = row["speaker"]
    return [name if len(name) <= 12 else f"…{name[-9:]}", row["sex"]]


def _yardsticks(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Published figures; their sources and protocols are listed once, below."""
    table = empty_table(["published", "", "%", "this run", "by", "comparable?"], left=2)
    for column in table.columns[4:]:
        column.justify = "left"
    sources = list(dict.fromkeys((row["source"], row["protocol"]) for row in rows))
    for row in rows:
        spread = f" ± {100 * row['spread']:.1f}" if row["spread"] else ""
        answer = COMPARABLE[row["comparable"]]
        table.add_row(
            row["name"],
            Text(f"[{sources.index((row['source'], row['protocol'])) + 1}]", style="dim"),
            f"{100 * row['value']:.1f}{spread}",
            percent(row["this_run"]),
            f"{row['metric'].upper()}, {row['rule']}",
            f"{answer}: {row['why']}" if row["why"] else answer,
        )
    notes = [
        Text(f"[{i}] {source}: {protocol}", style="dim")
        for i, (source, protocol) in enumerate(sources, start=1)
    ]
    return titled("Yardsticks", table, *notes)


def _cost(report: Mapping[str, Any]) -> Text:
    times = ", ".join(f"{k} {v:.0f} s" for k, v in report["seconds"].items() if v is not None)
    memory = report["peak_memory_mb"]
    parts = [
        f"{report['parameters']:,} parameters",
        times,
        f"{memory:,.0f} MB" if memory is not None else "",
        report["device"] or "",
    ]
    return Text("  " + "; ".join(p for p in parts if p), style="dim")


# ------------------------------------------------------------------------------------------- cells


def empty_table(columns: Sequence[str], left: int) -> Table:
    """An empty table whose first `left` columns are words and whose others are figures."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1), header_style="dim")
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i < left else "right")
    return table


def titled(title: str, *parts: RenderableType) -> Group:
    """Tables and sentences under a heading."""
    head = Text(f"\n  {title}", style="bold")
    # A table's cells have a blank of their own.
    indent = [2 if isinstance(part, Text) else 1 for part in parts]
    return Group(head, *(Padding(p, (0, 0, 0, n)) for p, n in zip(parts, indent, strict=True)))


def _bar(value: float | None, width: int) -> str:
    return "" if value is None else "━" * round(value * width)
