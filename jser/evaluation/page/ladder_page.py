"""The leak ladder as one HTML page that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jser.evaluation import rungs
from jser.evaluation.compare import verdict
from jser.evaluation.formats import between, percent
from jser.evaluation.page import charts
from jser.evaluation.page.charts import Estimate
from jser.evaluation.page.markup import Element, document, figure, section, table, tag
from jser.evaluation.page.run_page import masthead


def render_ladder(ladder: Mapping[str, Any]) -> str:
    """The page of what `rungs.build` returns."""
    parts = [_picture(ladder), _prices(ladder)]
    return document(
        f"The leak ladder on {ladder['corpus']}",
        masthead(
            "The leak ladder",
            f"{ladder['system']} on {ladder['corpus']}",
            rungs.tested(ladder),
            ladder["marks"],
            parts,
        ),
        tag("main", *parts, id="main"),
        tag(
            "footer",
            tag("p", f"Made by jser {ladder['versions'].get('jser', '')} from the rungs' runs. "
                "Nothing on this page is loaded from a network."),
        ),
    )  # fmt: skip


def _picture(ladder: Mapping[str, Any]) -> Element:
    bold = rungs.reference(ladder)
    rows = [
        Estimate(
            row["title"],
            row["uar"]["mean"],
            row["uar"]["low"],
            row["uar"]["high"],
            "system" if row["name"] == bold else "apart" if row["marks"] else "baseline",
            row["what"],
        )
        for row in ladder["rungs"]
    ]
    said = "UAR of one system: " + " ".join(f"{r.name}: {percent(r.value)} %." for r in rows)
    return section(
        "ladder",
        "One system, one corpus",
        figure(
            "UAR under each protocol, %",
            charts.intervals(rows, said),
            note="The same recordings are tested on every rung. From the most flattering to the "
            "strictest; hollow: the protocol or the normalisation lets the system know its test.",
            numbers=table(
                ["rung", "protocol", "UAR, %", "95 % by speaker", "WA, %"],
                [
                    [
                        row["title"],
                        row["protocol"],
                        percent(row["uar"]["mean"]),
                        between(row["uar"]),
                        percent(row["wa"]["mean"]),
                    ]
                    for row in ladder["rungs"]
                ],
                words=2,
            ),
        ),
    )


def _prices(ladder: Mapping[str, Any]) -> Element:
    title = {row["name"]: row["title"] for row in ladder["rungs"]}
    rows = []
    for row in ladder["rungs"]:
        compared = row["comparison"]
        rows.append(
            [
                row["title"],
                row["what"],
                f"less {title[row['beside']]}: {verdict(compared)}" if compared else "",
            ]
        )
    left = [tag("li", f"Left out, {sentence}") for sentence in ladder["left_out"]]
    return section(
        "prices",
        "What each step is worth",
        table(["rung", "what the system knows of its test", "difference"], rows, words=3),
        tag("p", rungs.ABOUT, class_="note"),
        tag("ul", *left, class_="warnings", aria_label="Left out") if left else None,
    )
