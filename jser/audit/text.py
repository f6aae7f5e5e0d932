"""An audit as tables for a terminal of 100 columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from jser.audit.measures import shown
from jser.audit.sound import KINDS
from jser.evaluation import certificates
from jser.evaluation.formats import percent, plural
from jser.evaluation.tables import to_text

_STYLE = {"alert": "bold red", "warn": "yellow", "note": "", "good": "green"}
_SIGN = {"alert": "!!", "warn": "! ", "note": "- ", "good": "ok"}
_MOST_SPEAKERS, _MOST_TEXTS, _MOST_PAIRS, _WORST = 40, 20, 12, 3


def render(audit: Mapping[str, Any]) -> Group:
    """The tables of what `content.gather` returns: findings first."""
    parts: list[RenderableType] = [_title(audit), _findings(audit), *_corpora(audit)]
    parts += [
        _speakers(audit),
        _classes(audit),
        *_texts(audit),
        *_give_aways(audit),
        *_twice(audit),
        *_sound(audit),
    ]
    if audit["protocol"]:
        parts += [Text(), certificates.render_json(audit["protocol"])]
    return Group(*parts)


def text(audit: Mapping[str, Any], width: int = 100) -> str:
    """`render` without colour."""
    return to_text(render(audit), width)


def _title(audit: Mapping[str, Any]) -> Text:
    built, balance = audit["built"], audit["balance"]
    seconds = built["seconds"]
    published = "" if built["n_expected"] is None else f" of {built['n_expected']}"
    title = Text("\n")
    title.append(audit["corpus"], style="bold")
    title.append(
        f"  {built['n_utterances']}{published} recordings, "
        f"{plural(len(balance['speakers']), 'speaker')}, {seconds['total'] / 60:,.1f} min; "
        f"{seconds['shortest']:.2f} to {seconds['longest']:.2f} s, median {seconds['median']:.2f}"
    )
    return title


def _findings(audit: Mapping[str, Any]) -> Group:
    table = _table(["", ""], left=2)
    table.show_header = False
    for finding in audit["findings"]:
        style = _STYLE[finding["weight"]]
        table.add_row(
            Text(_SIGN[finding["weight"]], style=style), Text(finding["text"], style=style)
        )
    return _section("Findings", table)


def _corpora(audit: Mapping[str, Any]) -> list[RenderableType]:
    if audit["joined"] is None:
        return []
    parts = audit["joined"]["corpora"]
    table = _table(["", *(part["name"] for part in parts)], left=1)
    for column in table.columns[1:]:
        column.overflow = "fold"
    rows: list[tuple[str, Callable[[Mapping[str, Any]], str]]] = [
        ("utterances taken", lambda p: f"{p['n_utterances']} of {p['n_whole']}"),
        ("speakers", lambda p: str(p["n_speakers"])),
        ("minutes", lambda p: f"{p['seconds'] / 60:.1f}"),
        ("median s", lambda p: f"{p['median_seconds']:.2f}"),
        ("median peak, dB", lambda p: _known(p["median_peak_db"], ".1f")),
        ("median bandwidth, Hz", lambda p: _known(p["median_bandwidth_hz"], ".0f")),
    ]
    for name, cell in rows:
        table.add_row(name, *map(cell, parts))
    table.add_section()
    for name in audit["balance"]["classes"]:
        table.add_row(name, *(str(part["classes"][name]) for part in parts))
    return [_section("Corpora", table)]


def _known(value: float | None, how: str) -> str:
    return "" if value is None else format(value, how)


def _speakers(audit: Mapping[str, Any]) -> Group:
    classes = list(audit["balance"]["classes"])
    table = _table(["speaker", "sex", *classes, "all", "min"], left=2)
    entries = audit["balance"]["speakers"]
    for name, entry in list(entries.items())[:_MOST_SPEAKERS]:
        counts = [str(entry["classes"][c] or "-") for c in classes]
        table.add_row(
            name or "unknown",
            entry["sex"],
            *counts,
            str(entry["utterances"]),
            f"{entry['seconds'] / 60:.1f}",
        )
    table.add_section()
    total = [audit["balance"]["classes"][c] for c in classes]
    table.add_row(
        "all",
        "",
        *(str(c["utterances"]) for c in total),
        str(sum(c["utterances"] for c in total)),
        f"{sum(c['seconds'] for c in total) / 60:.1f}",
    )
    return _section("Utterances of each speaker", table, *_rest(len(entries) - _MOST_SPEAKERS))


def _rest(n: int) -> list[Text]:
    return [Text(f"and {n} more; --json=FILE has all", style="dim")] if n > 0 else []


def _classes(audit: Mapping[str, Any]) -> Group:
    table = _table(
        ["class", "found", "published", "min", "median s", "speakers", "sentences", "women / men",
         "peak dB"], left=1,
    )  # fmt: skip
    built = audit["built"]["classes"]
    for name, entry in audit["balance"]["classes"].items():
        said, peak = built.get(name, {}), built.get(name, {}).get("peak_db")
        sex = entry["sex"]
        table.add_row(
            name,
            str(entry["utterances"]),
            "" if said.get("expected") is None else str(said["expected"]),
            f"{entry['seconds'] / 60:.1f}",
            "" if entry["median_seconds"] is None else f"{entry['median_seconds']:.2f}",
            str(entry["speakers"]),
            str(entry["texts"] or "?"),
            f"{sex.get('f', 0)} / {sex.get('m', 0)}" + (f" / ? {sex['?']}" if "?" in sex else ""),
            "" if peak is None else f"{peak:.1f}",
        )
    return _section("Classes", table)


def _texts(audit: Mapping[str, Any]) -> list[RenderableType]:
    texts = audit["balance"]["texts"]
    if not texts:
        return []
    classes = list(audit["balance"]["classes"])
    table = _table(["sentence", *classes, "speakers"], left=1)
    for name, entry in list(texts.items())[:_MOST_TEXTS]:
        counts = [str(entry["classes"][c] or "-") for c in classes]
        table.add_row(name, *counts, str(entry["speakers"]))
    unknown = audit["balance"]["texts_unknown"]
    notes = [Text(f"of {plural(unknown, 'utterance')} the sentence is unknown")] if unknown else []
    return [_section("Sentences", table, *_rest(len(texts) - _MOST_TEXTS), *notes)]


def _give_aways(audit: Mapping[str, Any]) -> list[RenderableType]:
    rows = audit["give_aways"]
    if not rows:
        return []
    table = _table(["from this alone", "recall, %", "chance", "p", ""], left=1)
    table.columns[-1].justify = "left"
    for row in sorted(rows, key=lambda r: -r["uar"]):
        table.add_row(
            row["fact"],
            percent(row["uar"]),
            percent(row["chance"]),
            f"{row['p']:.3f}",
            Text("tells the class", style="yellow") if row["tells"] else "",
        )
    note = Text(
        "the class guessed from what the other speakers' utterances of that fact are; p: share of "
        "200 deals of the labels, speaker by speaker, that do as well",
        "dim",
    )
    return [_section("What gives the class away", table, note)]


def _twice(audit: Mapping[str, Any]) -> list[RenderableType]:
    same, near = audit["identical"], audit["near_duplicates"]
    if not same and not near:
        return []
    table = _table(["recording", "is", "similarity", "starts, s", "level, dB"], left=2)
    for names in same[:_MOST_PAIRS]:
        for name in names[1:]:
            table.add_row(names[0], name, "identical", "", "")
    for pair in near[:_MOST_PAIRS]:
        table.add_row(
            pair["first"],
            pair["second"],
            f"{pair['similarity']:.2f}",
            f"{pair['lag_seconds']:+.2f}",
            f"{pair['level_db']:+.1f}",
        )
    rest = max(len(same) - _MOST_PAIRS, 0) + max(len(near) - _MOST_PAIRS, 0)
    return [_section("The same recording twice", table, *_rest(rest))]


def _sound(audit: Mapping[str, Any]) -> list[RenderableType]:
    if audit["sound"] is None:
        return []
    table = _table(["sound", "n", "counted where it is", "worst"], left=1)
    for column in table.columns[2:]:
        column.justify = "left"
    for kind in KINDS:
        entry = audit["sound"][kind.name]
        table.add_row(
            kind.title, str(entry["n"]), kind.limit(), "\n".join(shown(kind, entry, _WORST)) or "-"
        )
    return [_section("How it sounds", table)]


def _table(columns: Sequence[str], left: int) -> Table:
    """An empty table whose first `left` columns are words and whose others are figures."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i < left else "right")
    return table


def _section(title: str, *parts: RenderableType) -> Group:
    return Group(Text(f"\n  {title}", style="bold"), *(Padding(p, (0, 0, 0, 1)) for p in parts))
