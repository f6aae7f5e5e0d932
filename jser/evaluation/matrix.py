"""Corpora against each other: one table of what is learnt on each and tested on each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from jser.evaluation.formats import percent
from jser.evaluation.tables import empty_table, titled, to_text

_FIGURES = ("uar", "wa", "macro_f1")


def build(
    reports: Mapping[str, Mapping[str, Any]], configs: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The matrix of the reports of its runs.

    Args:
        reports: name of a run, a corpus or two with a plus between -> its report.
        configs: name of a run -> its config.

    Returns:
        `corpora`, `classes`, `labels`, `system`, `cells`, `marks` (run -> its marks), `settings`,
        as a dict that `json.dump` takes. A cell has `trained_on`, `tested_on`, `run`, `within` (the
        diagonal), `protocol`, `n_utterances`, `n_speakers`, the three figures with their
        intervals by speaker, `interval_method`, `chance_uar`, `baseline` (its name and UAR) and
        `configs_scored`.
    """
    names = [name for name in reports if "+" not in name]
    cells = []
    for run, report in reports.items():
        if run in names:
            cells.append(_cell(run, report, report, run, [run], within=True))
            continue
        for one in report["test_corpora"]:
            cells.append(_cell(run, report, one, one["name"], one["trained_on"], within=False))
    first = next(iter(reports.values()))
    config = next(iter(configs.values()))
    return {
        "system": first["system"],
        "corpora": names,
        "classes": first["classes"],
        "labels": config["labels"],
        "cells": sorted(
            cells, key=lambda c: (names.index(c["trained_on"]), names.index(c["tested_on"]))
        ),
        "marks": {run: list(report["marks"]) for run, report in reports.items()},
        "warnings": {run: list(report["warnings"]) for run, report in reports.items()},
        "settings": {
            "normalisation": first["normalisation"],
            "level": first["level"],
            "trim_db": first["trim_db"],
            "seeds": first["seeds"],
            "selection": first["selection"],
        },
        "jser": first["versions"].get("jser", ""),
    }


def _cell(
    run: str,
    report: Mapping[str, Any],
    figures: Mapping[str, Any],
    tested_on: str,
    trained_on: list[str],
    within: bool,
) -> dict[str, Any]:
    other = report["baseline"] if within else next(iter(figures["others"]), None)
    return {
        "trained_on": trained_on[0],
        "tested_on": tested_on,
        "run": run,
        "within": within,
        "protocol": report["protocol"],
        "n_utterances": figures["n_utterances"],
        "n_speakers": figures["n_speakers"],
        **{name: dict(figures[name]) for name in _FIGURES},
        "interval_method": figures["interval_method"],
        "chance_uar": figures["chance_uar"],
        "baseline": other and {"name": other["name"], "uar": dict(other["uar"])},
        "configs_scored": report["configs_scored"],
    }


def shown(cell: Mapping[str, Any]) -> str:
    """A cell as ``62.4 [55.0, 69.8]``."""
    uar = cell["uar"]
    if uar["low"] is None:
        return f"{percent(uar['mean'])} [no interval]"
    return f"{percent(uar['mean'])} [{percent(uar['low'])}, {percent(uar['high'])}]"


def against_chance(cell: Mapping[str, Any]) -> str:
    """Where a cell's interval lies to chance."""
    low, high, chance = cell["uar"]["low"], cell["uar"]["high"], cell["chance_uar"]
    if low is None or high is None:
        return "not known"
    return "above" if low > chance else "below" if high < chance else "not told from it"


def settings(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What all figures of the matrix depend on: (name, sentence)."""
    how = result["settings"]
    trim = how["trim_db"]
    within = {c["tested_on"]: c["protocol"] for c in result["cells"] if c["within"]}
    return [
        ("classes", f"{', '.join(result['classes'])} (labels {result['labels']})"),
        (
            "front end",
            f"the same in all cells; level {how['level']}; silence "
            + (f"trimmed at {trim:g} dB below the loudest frame" if trim else "not trimmed"),
        ),
        ("diagonal", "; ".join(f"{name} by {protocol}" for name, protocol in within.items())),
        (
            "off the diagonal",
            "leave_one_corpus_out of the two: all speakers of the one train and tune, all of the "
            "other are tested",
        ),
        ("normalisation", f"{how['normalisation']}; selection {how['selection']}"),
        ("seeds", ", ".join(map(str, how["seeds"]))),
        ("intervals", "95 %, with speakers as the unit, of the speakers tested"),
    ]


def render(result: Mapping[str, Any]) -> Group:
    """The tables of a matrix."""
    names = result["corpora"]
    at = {(c["trained_on"], c["tested_on"]): c for c in result["cells"]}
    table = empty_table(["trained on \\ tested on", *names], left=1)
    for row in names:
        marks = [Text(shown(at[row, column]), "bold" if row == column else "") for column in names]
        table.add_row(row, *marks)
    table.add_row("chance", *(percent(at[name, name]["chance_uar"]) for name in names))
    table.add_row("test speakers", *(str(at[name, name]["n_speakers"]) for name in names))
    parts: list[RenderableType] = [
        Text(f"\n{result['system']}, {len(names)} corpora", style="bold"),
        titled("UAR in % [95 % by speaker]", table),
        titled("Each cell", _each(result)),
        Text(),
        *(Text(f"  {name}: {sentence}") for name, sentence in settings(result)),
    ]
    for run, marks in result["marks"].items():
        parts += [Text(f"  {run}: {mark}", style="bold red") for mark in marks]
    return Group(*parts)


def _each(result: Mapping[str, Any]) -> Any:
    table = empty_table(["trained on", "tested on", "UAR", "chance", "to chance", "WA", "baseline",
                         "n", "k-th"], left=2)  # fmt: skip
    for cell in result["cells"]:
        base = cell["baseline"]
        table.add_row(
            cell["trained_on"],
            cell["tested_on"],
            shown(cell),
            percent(cell["chance_uar"]),
            against_chance(cell),
            percent(cell["wa"]["mean"]),
            percent(base["uar"]["mean"]) if base else "",
            str(cell["n_utterances"]),
            str(cell["configs_scored"]),
        )
    return table


def text(result: Mapping[str, Any], width: int = 100) -> str:
    """`render` without colour."""
    return to_text(render(result), width)
