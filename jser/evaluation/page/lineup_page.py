"""Systems on one corpus and protocol as one HTML page that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jser.evaluation import lineup
from jser.evaluation.compare import verdict
from jser.evaluation.formats import between, by_unit, of_whom, ordinal, percent
from jser.evaluation.page import charts
from jser.evaluation.page.charts import Estimate
from jser.evaluation.page.context import comparable, published
from jser.evaluation.page.markup import Element, document, figure, section, table, tag
from jser.evaluation.page.run_page import masthead


def render_lineup(result: Mapping[str, Any]) -> str:
    """The page of what `lineup.build` returns."""
    made = (_picture(result), _cost(result), _published(result))
    parts = [part for part in made if part is not None]
    tested = of_whom(result)
    title = f"{len(result['systems'])} systems on {result['corpus']}"
    return document(
        title,
        masthead(title, result["protocol_description"], tested, result["marks"], parts),
        tag("main", *parts, id="main"),
        tag(
            "footer",
            tag("p", f"Made by jser {result['versions'].get('jser', '')} from the systems' runs. "
                "Nothing on this page is loaded from a network."),
        ),
    )  # fmt: skip


def _picture(result: Mapping[str, Any]) -> Element:
    rows = []
    for k, row in enumerate(result["systems"]):
        uar, base = row["uar"], row["baseline"]
        rows.append(
            Estimate(
                row["name"], uar["mean"], uar["low"], uar["high"],
                "baseline" if k else "system", row["system"],
            )
        )  # fmt: skip
        if base:
            rows.append(
                Estimate(
                    f"{row['name']}: baseline", base["uar"]["mean"], base["uar"]["low"],
                    base["uar"]["high"], "apart", base["name"],
                )
            )  # fmt: skip
    said = "UAR of each system: " + " ".join(f"{r.name}: {percent(r.value)} %." for r in rows)
    return section(
        "systems",
        "One corpus, one protocol",
        figure(
            "UAR, %",
            charts.intervals(rows, said),
            note="Hollow: a ridge read-out of the same inputs, which a system has to beat.",
            numbers=table(
                ["system", "UAR, %", by_unit(result), "seeds' sd", "WA, %", "to the first"],
                [
                    [
                        row["name"],
                        percent(row["uar"]["mean"]),
                        between(row["uar"]),
                        percent(row["uar"]["std"]),
                        percent(row["wa"]["mean"]),
                        verdict(row["comparison"]) if row["comparison"] else "",
                    ]
                    for row in result["systems"]
                ],
                words=1,
            ),
        ),
        tag("p", lineup.ABOUT, class_="note"),
    )


def _cost(result: Mapping[str, Any]) -> Element:
    marked = [
        tag("li", f"{row['name']}: {mark}") for row in result["systems"] for mark in row["marks"]
    ]
    return section(
        "cost",
        "What they are and what they cost",
        table(
            ["name", "system", "parameters", "time", "peak memory", "device", "scored"],
            [
                [
                    row["name"],
                    row["system"],
                    f"{row['parameters']:,}" if row["parameters"] else "",
                    lineup.cost(row),
                    f"{row['peak_memory_mb']:,.0f} MB" if row["peak_memory_mb"] else "",
                    row["device"] or "",
                    f"{ordinal(row['configs_scored'])} configuration",
                ]
                for row in result["systems"]
            ],
            words=2,
        ),
        tag("ul", *marked, class_="warnings", aria_label="Marks") if marked else None,
    )


def _published(result: Mapping[str, Any]) -> Element | None:
    if not result["yardsticks"]:
        return None
    made = table(
        ["published", "", "%", "comparable?", "protocol", "source"],
        [
            [row["name"], row["metric"].upper(), published(row), comparable(row), row["protocol"],
             row["source"]]
            for row in result["yardsticks"]
        ],
    )  # fmt: skip
    made.set("class", "scroll yardsticks")
    return section("published", "Published, each under its own protocol", made)
