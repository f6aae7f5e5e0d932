"""Systems on one corpus and protocol in one table: figures, cost, differences, published ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from jser.evaluation.compare import compare_many, verdict
from jser.evaluation.formats import between, by_unit, of_whom, ordinal, percent, points
from jser.evaluation.tables import empty_table, titled, to_text

# Of a run's times: what it takes from built records to the report.
_TIMES = ("load", "features", "readouts", "train", "evaluate")
_OF_A_RUN = (
    "system", "uar", "wa", "macro_f1", "uar_fold_mean", "parameters", "seconds", "peak_memory_mb",
    "device", "configs_scored", "normalisation", "level", "trim_db", "seeds", "failed_members",
)  # fmt: skip


def build(folders: Mapping[str, Path], reports: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The comparison from its runs: what compare.json holds.

    Args:
        folders: name -> run directory, the reference first.
        reports: name -> report.

    Returns:
        `corpus`, `protocol`, `n_utterances`, `n_speakers`, `unit`, `chance_uar`, `marks` that hold
        for every run, `yardsticks` (the first run's; where runs differ in what may be compared,
        `why` says it of each), and `systems`: each with `name`, `run`, the run's own figures,
        `total_seconds`, `marks` of its own, `baseline` (its read-out of the same inputs), and
        `comparison` with the first system (see `compare.compare_many`; None for the first).
    """
    names = list(folders)
    first = reports[names[0]]
    shared = [m for m in first["marks"] if all(m in r["marks"] for r in reports.values())]
    others = compare_many(folders[names[0]], [folders[name] for name in names[1:]])
    rows = []
    for name, comparison in zip(names, [None, *others], strict=True):
        report = reports[name]
        seconds = [report["seconds"].get(part) for part in _TIMES]
        base = report["baseline"]
        rows.append(
            {
                "name": name,
                "run": str(folders[name]),
                **{field: report[field] for field in _OF_A_RUN},
                "total_seconds": sum(s for s in seconds if s is not None),
                "marks": [m for m in report["marks"] if m not in shared],
                "baseline": base and {"name": base["name"], "uar": base["uar"]},
                "comparison": comparison,
            }
        )
    return {
        "corpus": first["corpus"],
        "fingerprint": first["fingerprint"],
        "protocol": first["protocol"],
        "protocol_description": first["protocol_description"],
        "n_utterances": first["n_utterances"],
        "n_speakers": first["n_speakers"],
        "unit": first.get("unit"),
        "things": first.get("things"),
        "chance_uar": first["chance_uar"],
        "marks": shared,
        "systems": rows,
        "yardsticks": _yardsticks(reports),
        "versions": first["versions"],
    }


def _yardsticks(reports: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The first run's rows; where runs differ in what may be compared, `why` says it of each.

    Runs of one protocol normalise differently, or train again on dev. A report of an earlier
    version may lack a figure.
    """
    first, *_ = reports.values()
    found = []
    for row in first["yardsticks"]:
        answers = {
            name: (other["comparable"], other["why"])
            for name, report in reports.items()
            for other in report["yardsticks"]
            if all(other[field] == row[field] for field in ("name", "metric", "source"))
        }
        if len(set(answers.values())) > 1:
            each = [f"{name}: {why or 'comparable'}" for name, (_, why) in answers.items()]
            no = any(comparable is False for comparable, _ in answers.values())
            row = {**row, "comparable": False if no else None, "why": "; ".join(each)}
        found.append(dict(row))
    return found


def cost(row: Mapping[str, Any]) -> str:
    """A run's time as ``7.4 min``; features that lay in the cache are not in it."""
    seconds = row["total_seconds"]
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def render(result: Mapping[str, Any]) -> Group:
    """The comparison as tables for a terminal."""
    table = empty_table(
        ["system", "UAR, %", by_unit(result), "seeds' sd", "WA", "baseline", "to first",
         "parameters", "time"],
        left=1,
    )  # fmt: skip
    for column in table.columns:
        column.no_wrap = True
    system = table.columns[0]
    system.overflow, system.no_wrap, system.min_width = "fold", False, 16
    for k, row in enumerate(result["systems"]):
        uar, compared = row["uar"], row["comparison"]
        table.add_row(
            Text(row["name"], style="" if k else "bold"),
            percent(uar["mean"]),
            between(uar),
            percent(uar["std"]),
            percent(row["wa"]["mean"]),
            percent(row["baseline"]["uar"]["mean"]) if row["baseline"] else "",
            points(compared["difference"]) if compared else "",
            f"{row['parameters']:,}",
            cost(row),
        )
    table.add_row("chance", percent(result["chance_uar"]), *[""] * 7)
    parts: list[RenderableType] = [
        Text(
            f"\n{len(result['systems'])} systems on {result['corpus']}, {result['protocol']}  "
            f"({of_whom(result)})",
            style="bold",
        ),
        *(Text(f"  {mark}", style="bold red") for mark in result["marks"]),
        Text(),
        table,
    ]
    for row in result["systems"]:
        about = f"  {row['name']}: {row['system']}"
        if row["comparison"]:
            about += f"; less the first: {verdict(row['comparison'])}"
        about += f"; {ordinal(row['configs_scored'])} configuration scored here"
        parts.append(Text(about))
        parts += [Text(f"  {row['name']}: {mark}", style="bold red") for mark in row["marks"]]
    if result["yardsticks"]:
        parts += [Text(), titled("Published, each under its own protocol", _published(result))]
    parts.append(Text(f"\n  {ABOUT}"))
    return Group(*parts)


ABOUT = (
    "Baseline: a ridge read-out of whole-utterance statistics of the same inputs. p by the "
    "sign-flip test, corrected by Holm for the number of systems. Detectable: the smallest "
    "difference that this test would have seen with power .8. Time: from built records to the "
    "report, without features that lay in the cache."
)


def _published(result: Mapping[str, Any]) -> Any:
    table = empty_table(["", "published, %", "metric", "protocol", "source"], left=1)
    for y in result["yardsticks"]:
        spread = f" ± {percent(y['spread'])}" if y["spread"] is not None else ""
        table.add_row(
            y["name"], f"{percent(y['value'])}{spread}", y["metric"].upper(), y["protocol"],
            y["source"],
        )  # fmt: skip
    return table


def text(result: Mapping[str, Any], width: int = 140) -> str:
    """`render` without colour."""
    return to_text(render(result), width)
