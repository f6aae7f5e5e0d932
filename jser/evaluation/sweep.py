"""A sweep as tables: what each fold chose, what tuning was worth, every trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jser.evaluation.formats import between, by_unit, ordinal, percent, plural, shown, tested
from jser.evaluation.tables import empty_table, titled, to_text

# Budgets of which the expected best is shown, as far as there are so many trials.
BUDGETS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
MOST_COLUMNS = 3  # of fields; more stand in one
_MOST_ROWS = 30  # of trials on a terminal; all are in sweep.txt and sweep.json

HOW = {
    "random": "random search: the expected best of n trials is an estimate for n random draws",
    "qmc": "a Sobol sequence, which is random search spread more evenly: the expected best of n "
    "trials is about that of n random draws",
    "tpe": "TPE, which learns from its trials: the expected best of n draws from them says what "
    "was seen here, not what another search would find",
    "list": "a list of trials: the expected best of n draws from it says what choosing among n of "
    "them would give",
}


def distribution(d: Mapping[str, Any]) -> str:
    """A field's distribution in words."""
    if d["kind"] == "Choice":
        return ", ".join(shown(value) for value in d["values"])
    log = " (log)" if d["log"] else ""
    whole = "whole, " if d["kind"] == "Integer" else ""
    return f"{whole}{shown(d['low'])} to {shown(d['high'])}{log}"


def said(result: Mapping[str, Any]) -> str:
    """What was scored, for the ledger's sake."""
    report = result["report"]
    return (
        f"one configuration scored ({ordinal(report['configs_scored'])} here, of "
        f"{report['configs_total']} so far), chosen among {result['tried']} tried per fold on dev"
    )


def states(result: Mapping[str, Any]) -> str:
    """How trials ended."""
    all_states = [t["state"] for fold in result["folds"] for t in fold["trials"]]
    parts = [
        f"{all_states.count(name)} {name}"
        for name in ("complete", "pruned", "failed")
        if name in all_states
    ]
    return f"{plural(len(all_states), 'trial')}: {', '.join(parts)}"


def mean_best(result: Mapping[str, Any]) -> list[float]:
    """The expected best of n = 1, 2, ... trials, mean over folds."""
    curves = [fold["best_of"] for fold in result["folds"]]
    return [sum(at) / len(at) for at in zip(*curves, strict=True)]


def importance(result: Mapping[str, Any]) -> dict[str, float]:
    """Each field's share of what makes trials differ, mean over the folds where it is known."""
    known = [fold["importance"] for fold in result["folds"] if fold["importance"]]
    if not known:
        return {}
    mean = {f: sum(own.get(f, 0.0) for own in known) / len(known) for f in result["fields"]}
    return dict(sorted(mean.items(), key=lambda item: -item[1]))


def render(result: Mapping[str, Any], most: int | None = _MOST_ROWS) -> Group:
    """The tables of a finished sweep.

    Args:
        result: from `sweep.run.run`.
        most: trials that are shown of a fold; None: all.
    """
    report, fields = result["report"], list(result["fields"])
    uar = report["uar"]
    parts: list[RenderableType] = [
        Text(f"\nsweep {result['name']}: {report['system']} on {report['corpus']}, "
             f"{report['protocol']}  ({tested(report)})", style="bold"),
        *(Text(f"  {mark}", style="bold red") for mark in report["marks"]),
        Text(f"  UAR {percent(uar['mean'])} %, {by_unit(report)} {between(uar)}; {said(result)}"),
        Text(f"  {states(result)}; {result['seconds']:.0f} s of training; sampler "
             f"{result['sampler']}, pruner {result['pruner']}", style="dim"),
        Text(f"  the winners' run: {result['best']}", style="dim"),
    ]  # fmt: skip
    chosen = empty_table(["fold", *_columns(fields), "trial", "dev UAR, %"], left=1)
    _words(chosen, fields)
    for fold, values, dev in zip(result["folds"], result["chosen"], result["dev_uar"], strict=True):
        chosen.add_row(fold["name"], *_cells(values, fields), str(fold["chosen"]), percent(dev))
    parts.append(titled("Chosen in each fold by its own dev speakers", chosen))
    space = empty_table(["field", "tried", "importance, %"], left=2)
    shares = importance(result)
    for field in fields:
        share = percent(shares[field]) if field in shares else ""
        space.add_row(field, distribution(result["fields"][field]), share)
    parts.append(titled("Space", space))
    parts.append(titled("Expected best dev UAR of n trials, %, mean of folds", _budgets(result),
                        Text(HOW[result["sampler"]], style="dim")))  # fmt: skip
    parts += [_trials(fold, fields, most) for fold in result["folds"]]
    return Group(*parts)


def _columns(fields: Sequence[str]) -> list[str]:
    """A column a field, or of many fields one."""
    return list(fields) if len(fields) <= MOST_COLUMNS else ["values"]


def _words(table: Table, fields: Sequence[str]) -> None:
    """The column of many fields is of words, and the only one that gives way."""
    if len(fields) > MOST_COLUMNS:
        for column in table.columns:
            column.no_wrap = True
        table.columns[1].justify, table.columns[1].no_wrap = "left", False


def _cells(values: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    """A trial's values; empty where it has none."""
    cells = [shown(values[f]) if values else "" for f in fields]
    if len(fields) <= MOST_COLUMNS:
        return cells
    named = zip(fields, cells, strict=True)
    return [", ".join(f"{f.removeprefix('hyper.')} {x}" for f, x in named) if values else ""]


def _budgets(result: Mapping[str, Any]) -> RenderableType:
    curve = mean_best(result)
    ends = sorted({n for n in (*BUDGETS, len(curve)) if n <= len(curve)})
    table = empty_table(["n", *map(str, ends)], left=1)
    table.add_row("best", *(percent(curve[n - 1]) for n in ends))
    return table


def _trials(fold: Mapping[str, Any], fields: Sequence[str], most: int | None) -> RenderableType:
    table = empty_table(
        ["trial", *_columns(fields), "dev UAR, %", "state", "epochs", "seconds"], left=1
    )
    _words(table, fields)
    best_first = sorted(fold["trials"], key=lambda t: (t["dev_uar"] is None, -(t["dev_uar"] or 0)))
    for t in best_first[:most]:
        seconds = "" if t["seconds"] is None else f"{t['seconds']:.1f}"
        table.add_row(
            Text(str(t["number"]), style="bold" if t["number"] == fold["chosen"] else ""),
            *_cells(t["values"], fields),
            percent(t["dev_uar"]), t["state"], str(t["epochs"] or ""), seconds,
        )  # fmt: skip
    left = 0 if most is None else len(best_first) - most
    more = [Text(f"and {left} more in sweep.txt", style="dim")] if left > 0 else []
    return titled(f"Trials of fold {fold['name']}", table, *more)


def text(result: Mapping[str, Any], width: int = 140) -> str:
    """All tables without colour."""
    return to_text(render(result, most=None), width)
