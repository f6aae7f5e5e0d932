"""The part of a page that shows each corpus of a test by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jser.evaluation.compare import verdict
from jser.evaluation.formats import between, percent, plural
from jser.evaluation.page import charts
from jser.evaluation.page.charts import Estimate
from jser.evaluation.page.markup import Element, figure, section, table, tag


def test_corpora(report: Mapping[str, Any]) -> Element | None:
    """A figure with its interval for every corpus tested; None where the test is one corpus."""
    if not report["test_corpora"]:
        return None
    shown: list[Element] = []
    for one in report["test_corpora"]:
        shown += _one(one, report)
    warnings = [tag("li", sentence) for sentence in report["warnings"]]
    cross = report["cross_corpus"]
    return section(
        "corpora",
        "Test corpora",
        *shown,
        tag("ul", *warnings, class_="warnings", aria_label="Warnings")
        if warnings and cross
        else None,
    )


def _one(one: Mapping[str, Any], report: Mapping[str, Any]) -> list[Element]:
    trained = " and ".join(one["trained_on"])
    rows = [("system", one), *((other["name"], other) for other in one["others"])]
    estimates = [
        Estimate(
            name,
            figures["uar"]["mean"],
            figures["uar"]["low"],
            figures["uar"]["high"],
            "system" if figures is one else "baseline",
        )
        for name, figures in rows
    ]
    estimates.append(Estimate("chance", one["chance_uar"], kind="floor"))
    words = " ".join(f"{e.name}: {percent(e.value)} %." for e in estimates)
    numbers = table(
        ["%", "UAR", "95 % by speaker", "seeds' sd", "WA", "macro F1"],
        [
            [name, percent(f["uar"]["mean"]), between(f["uar"]), percent(f["uar"]["std"]),
             percent(f["wa"]["mean"]), percent(f["macro_f1"]["mean"])]
            for name, f in rows
        ],
    )  # fmt: skip
    drawn = figure(
        "UAR, %",
        charts.intervals(estimates, f"Tested on {one['name']}. {words}"),
        note=f"Whiskers: {one['interval_method']}.",
        numbers=numbers,
    )
    classes = report["classes"]
    counts = one["confusion"]
    n_seeds = max(len(report["seeds"]), 1)
    summed = f" summed over {n_seeds} seeds" if n_seeds > 1 else ""
    matrix = figure(
        "Confusion",
        charts.confusion(classes, counts),
        note=f"Rows: what was meant; columns: what was answered. % of the row, below it counts"
        f"{summed}.",
        numbers=table(
            ["truth \\ answer", *classes, "recall, %"],
            [
                [name, *map(str, counts[k]), percent(one["per_class_recall"][name])]
                for k, name in enumerate(classes)
            ],
        ),
    )
    against = [
        tag(
            "p",
            tag("b", f"Against {other['name']}: "),
            f"{verdict(other['comparison'])}.",
            class_="against",
        )
        for other in one["others"]
    ]
    return [
        tag("h3", f"Tested on {one['name']}, trained on {trained}"),
        tag(
            "p",
            f"{plural(one['n_utterances'], 'utterance')} of "
            f"{plural(one['n_speakers'], 'speaker')}.",
            class_="note",
        ),
        tag("div", drawn, matrix, class_="columns"),
        *against,
    ]
