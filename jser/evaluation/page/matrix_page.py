"""Corpora against each other as one HTML page that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jser.evaluation.formats import percent, plural
from jser.evaluation.matrix import against_chance, settings, shown
from jser.evaluation.page import charts
from jser.evaluation.page.charts import Estimate
from jser.evaluation.page.markup import Element, document, figure, pairs, section, table, tag
from jser.evaluation.page.matrix_chart import Square, squares
from jser.evaluation.page.run_page import masthead


def render_matrix(result: Mapping[str, Any]) -> str:
    """The page of what `matrix.build` returns."""
    parts = [_matrix(result), _cells(result), _runs(result)]
    names = result["corpora"]
    return document(
        f"{result['system']}: {' against '.join(names)}",
        masthead(
            "Corpora against each other",
            result["system"],
            f"{len(names)} corpora, {len(result['classes'])} classes",
            list(dict.fromkeys(mark for marks in result["marks"].values() for mark in marks)),
            parts,
        ),
        tag("main", *parts, id="main"),
        tag(
            "footer",
            tag("p", f"Made by jser {result['jser']} from the reports of the runs. Nothing on this "
                "page is loaded from a network."),
        ),
    )  # fmt: skip


def _matrix(result: Mapping[str, Any]) -> Element:
    names = result["corpora"]
    at = {(c["trained_on"], c["tested_on"]): c for c in result["cells"]}
    drawn = [
        [
            Square(
                at[row, column]["uar"]["mean"],
                at[row, column]["uar"]["low"],
                at[row, column]["uar"]["high"],
                at[row, column]["chance_uar"],
                _said(at[row, column]),
                row == column,
            )
            for column in names
        ]
        for row in names
    ]
    head = ["trained on \\ tested on, UAR in %", *names]
    rows = [[row, *(shown(at[row, column]) for column in names)] for row in names]
    rows.append(["chance", *(percent(at[name, name]["chance_uar"]) for name in names)])
    return section(
        "matrix",
        "Matrix",
        figure(
            "UAR, %",
            squares(names, drawn, " ".join(_said(cell) for cell in result["cells"])),
            note="Rows: trained on; columns: tested on. The darker, the further above chance, "
            "which stands in each cell. The diagonal, framed, is within a corpus by its own "
            "protocol.",
            numbers=table(head, rows),
        ),
        pairs(settings(result)),
    )


def _said(cell: Mapping[str, Any]) -> str:
    how = "within the corpus" if cell["within"] else f"trained on {cell['trained_on']}"
    return (
        f"{cell['tested_on']}, {how}: UAR {shown(cell)} %, chance {percent(cell['chance_uar'])}, "
        f"{plural(cell['n_speakers'], 'speaker')}."
    )


def _cells(result: Mapping[str, Any]) -> Element:
    """Intervals of all cells, test corpus by test corpus."""
    drawn = []
    for name in result["corpora"]:
        mine = [c for c in result["cells"] if c["tested_on"] == name]
        mine.sort(key=lambda c: not c["within"])
        rows = [
            Estimate(
                "within" if c["within"] else f"trained on {c['trained_on']}",
                c["uar"]["mean"],
                c["uar"]["low"],
                c["uar"]["high"],
                "system" if c["within"] else "baseline",
            )
            for c in mine
        ]
        rows.append(Estimate("chance", mine[0]["chance_uar"], kind="floor"))
        numbers = table(
            ["trained on", "UAR, %", "chance", "to chance", "WA, %", "baseline, UAR in %", "n",
             "k-th configuration scored"],
            [
                [c["trained_on"], shown(c), percent(c["chance_uar"]), against_chance(c),
                 percent(c["wa"]["mean"]),
                 f"{percent(c['baseline']['uar']['mean'])} ({c['baseline']['name']})"
                 if c["baseline"] else "",
                 str(c["n_utterances"]), str(c["configs_scored"])]
                for c in mine
            ],
        )  # fmt: skip
        words = " ".join(f"{row.name}: {percent(row.value)} %." for row in rows)
        drawn.append(
            figure(
                f"Tested on {name}",
                charts.intervals(rows, f"Tested on {name}. {words}"),
                note=f"UAR in %. Whiskers: {mine[0]['interval_method']}.",
                numbers=numbers,
            )
        )
    return section("cells", "Each corpus", tag("div", *drawn, class_="columns"))


def _runs(result: Mapping[str, Any]) -> Element:
    rows = [
        [run, "; ".join(marks) or "none", "; ".join(result["warnings"][run]) or "none"]
        for run, marks in result["marks"].items()
    ]
    return section("runs", "Runs", table(["run", "marks", "warnings"], rows, words=3))
