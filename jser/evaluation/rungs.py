"""The rungs of the leak ladder: runs of one system on the same utterances under other protocols."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from jser.errors import InputError
from jser.evaluation.compare import across, verdict
from jser.evaluation.formats import between, percent, plural, points


@dataclass(frozen=True)
class Rung:
    """A finished run on the ladder.

    Attributes:
        name: short, unique.
        title: what differs.
        what: a sentence on what the system knows of its test.
        beside: name of the rung that it is compared with, '' for none.
        run: its run directory.
    """

    name: str
    title: str
    what: str
    beside: str
    run: Path


def build(rungs: Sequence[Rung], left_out: Sequence[str]) -> dict[str, Any]:
    """The ladder from its runs' reports: what ladder.json holds.

    Returns:
        `system`, `corpus`, `n_utterances`, `n_speakers`, `seeds`, `chance_uar`, `marks` that hold
        for every rung, `left_out`, and `rungs`: each with `name`, `title`, `what`, `protocol`,
        `normalisation`, `selection`, `text_seen`, `uar`, `wa`, `marks` of its own, `run`, `beside`
        and `comparison` (see `compare.paired`; None for the rung without a partner).
    """
    runs = {rung.name: rung.run for rung in rungs}
    reports = {name: _report(run) for name, run in runs.items()}
    first = next(iter(reports.values()))
    shared = [m for m in first["marks"] if all(m in r["marks"] for r in reports.values())]
    rows = []
    for rung in rungs:
        report = reports[rung.name]
        rows.append(
            {
                "name": rung.name,
                "title": rung.title,
                "what": rung.what,
                "protocol": report["protocol"],
                "normalisation": report["normalisation"],
                "selection": report["selection"],
                "text_seen": report["text_seen"],
                "uar": report["uar"],
                "wa": report["wa"],
                "marks": [m for m in report["marks"] if m not in shared],
                "beside": rung.beside or None,
                "comparison": across(rung.run, runs[rung.beside]) if rung.beside else None,
                "run": str(rung.run),
            }
        )
    return {
        "system": first["system"],
        "corpus": first["corpus"],
        "fingerprint": first["fingerprint"],
        "n_utterances": first["n_utterances"],
        "n_speakers": first["n_speakers"],
        "seeds": first["seeds"],
        "chance_uar": first["chance_uar"],
        "marks": shared,
        "rungs": rows,
        "left_out": list(left_out),
        "device": first["device"],
        "versions": first["versions"],
    }


def _report(run: Path) -> dict[str, Any]:
    path = run / "report.json"
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return report
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: no readable report ({error}); remove it, and the same command makes it again"
        ) from None


def render(ladder: Mapping[str, Any]) -> Group:
    """The ladder as a table for a terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("from the most flattering to the strictest")
    for name in ("UAR, %", "95 % by speaker", "difference", "p", "detectable"):
        table.add_column(name, justify="right", no_wrap=name != "difference")
    for row in ladder["rungs"]:
        compared = row["comparison"]
        cells = ["", "", ""]
        if compared:
            see = compared["smallest_detectable"]
            p = compared["p"]
            cells = [
                points(compared["difference"]),
                f"{p:.3f}" if p >= 0.001 else "< 0.001",
                percent(see) if see is not None else "",
            ]
        style = "bold" if compared is None else ""
        table.add_row(
            Text(row["title"], style=style),
            Text(percent(row["uar"]["mean"]), style=style),
            between(row["uar"]),
            *cells,
        )
    table.add_row("chance", percent(ladder["chance_uar"]), "", "", "", "")
    parts: list[RenderableType] = [
        Text(f"The leak ladder: {ladder['system']} on {ladder['corpus']}", style="bold"),
        Text(f"  {tested(ladder)}", style="dim"),
        *(Text(f"  {mark}", style="bold red") for mark in ladder["marks"]),
        Padding(table, (1, 0, 0, 1)),
        Text(f"  {ABOUT}", style="dim"),
    ]
    for row in ladder["rungs"]:
        if row["comparison"] and row["beside"] != reference(ladder):
            beside = next(r["title"] for r in ladder["rungs"] if r["name"] == row["beside"])
            parts.append(
                Text(f"  {row['title']}, less {beside}: {verdict(row['comparison'])}", style="dim")
            )
    parts += [Text(f"  left out, {sentence}", style="yellow") for sentence in ladder["left_out"]]
    return Group(*parts)


ABOUT = (
    "Differences are to the bold rung, speaker by speaker; a text-disjoint rung's to the rung that "
    "trains on as many utterances."
)


def reference(ladder: Mapping[str, Any]) -> str:
    """Name of the rung without a partner: the one that the others are held against."""
    return next(str(row["name"]) for row in ladder["rungs"] if row["comparison"] is None)


def tested(ladder: Mapping[str, Any]) -> str:
    """How much was tested, on each rung."""
    return ", ".join(
        (
            plural(ladder["n_utterances"], "utterance"),
            plural(ladder["n_speakers"], "speaker"),
            plural(len(ladder["seeds"]), "seed"),
        )
    )
