"""Two runs on the same speakers as one HTML page that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jser.evaluation.compare import verdict
from jser.evaluation.formats import percent, plural, points, settings_that_differ
from jser.evaluation.page.markup import Element, document, figure, pairs, section, table, tag
from jser.evaluation.page.paired_charts import Pair, difference, dumbbells
from jser.evaluation.page.run_page import masthead


def render_comparison(result: Mapping[str, Any]) -> str:
    """The page of what `compare.compare` returns."""
    parts = [_difference(result)]
    if result["per_speaker"]:
        parts.append(_speakers(result))
    if result["parts"]:
        parts.append(_alone(result))
    parts.append(_runs(result))
    change = points(result["difference"])
    return document(
        f"Two runs on {result['corpus']}: {change} points UAR",
        masthead(
            f"Two runs, paired by {result['unit']}",
            f"{result['corpus']}, {result['protocol']}",
            plural(result["n_speakers"], result["unit"]),
            result["marks"],
            parts,
        ),
        tag("main", *parts, id="main"),
        tag(
            "footer",
            tag("p", "Made by jser from both runs' report.json and predictions.csv. Nothing on "
                "this page is loaded from a network."),
        ),
    )  # fmt: skip


def _difference(result: Mapping[str, Any]) -> Element:
    low, high, seen = result["low"], result["high"], result["smallest_detectable"]
    between = (
        tag("p", "95 % interval ", tag("b", f"{points(low)} to {points(high)}"), class_="between")
        if low is not None
        else tag("p", "no interval: too few speakers", class_="between")
    )
    p = result["p"]
    tiles = [
        ("p, sign-flip", f"{p:.3f}" if p >= 0.001 else "< 0.001"),
        ("smallest detectable", percent(seen) if seen is not None else "none"),
        (f"mean of {result['unit']}s", points(result["speaker_difference"])),
        (
            f"{result['unit']}s better with b",
            f"{result['speakers_better']} of {result['n_speakers']}",
        ),
    ]
    remarks = [tag("li", sentence) for sentence in result["remarks"]]
    numbers = [
        ("UAR of a, %", percent(result["a"]["uar"])),
        ("UAR of b, %", percent(result["b"]["uar"])),
        ("b less a, points", points(result["difference"])),
        ("95 % interval", f"{points(low)} to {points(high)}" if low is not None else "none"),
        ("interval method", result["interval_method"]),
        (f"mean of the {result['unit']}s' differences", points(result["speaker_difference"])),
        ("p", f"{p:.4f}"),
        ("test", result["test"]),
        ("smallest detectable, points", percent(seen) if seen is not None else "none"),
    ]
    note = "Points of UAR, b less a."
    if seen is not None:
        note += (
            f" Inside the grey band lie mean differences that these {result['unit']}s would often "
            "have missed (power 0.8)."
        )
    return section(
        "difference",
        "Difference",
        tag(
            "div",
            tag(
                "div",
                tag("p", "UAR, b less a", class_="note"),
                tag("p", points(result["difference"]), tag("small", " points"), class_="number"),
                between,
                class_="headline",
            ),
            tag(
                "dl",
                *(tag("div", tag("dt", name), tag("dd", value)) for name, value in tiles),
                class_="tiles",
            ),
            class_="top",
        ),
        tag("p", f"{verdict(dict(result))}.", class_="against"),
        figure(
            "How sure that is",
            difference(result["difference"], low, high, seen),
            note=note,
            numbers=pairs(numbers),
        ),
        tag("ul", *remarks, class_="warnings", aria_label="Remarks") if remarks else None,
    )


def _speakers(result: Mapping[str, Any]) -> Element:
    rows = sorted(result["per_speaker"], key=lambda r: (-r["difference"], r["speaker"]))
    legend = tag(
        "p",
        tag("span", tag("i", class_="ring"), f"a, {result['a']['system']}"),
        tag("span", tag("i", class_="ring one"), f"b, {result['b']['system']}, where it is better"),
        tag("span", tag("i", class_="ring miss"), "b, where it is worse"),
        class_="legend",
    )
    drawn = figure(
        "UAR of each test speaker, %",
        legend,
        dumbbells(
            [Pair(r["speaker"], r["a"], r["b"]) for r in rows],
            "UAR of each speaker with a and with b. "
            + " ".join(f"{r['speaker']}: {points(r['difference'])}." for r in rows),
        ),
        note="Largest gain first; at the right b less a in points.",
        numbers=table(
            ["speaker", "a, %", "b, %", "b less a"],
            [
                [r["speaker"], percent(r["a"]), percent(r["b"]), points(r["difference"])]
                for r in rows
            ],
        ),
    )
    return section("speakers", "Speakers", tag("div", drawn, class_="alone"))


def _alone(result: Mapping[str, Any]) -> Element:
    return section(
        "parts",
        "Parts alone",
        table(
            ["part", "a, %", "b, %", "b less a, points"],
            [
                [part["name"], percent(part["a"]), percent(part["b"]), verdict(part)]
                for part in result["parts"]
            ],
        ),
    )


def _runs(result: Mapping[str, Any]) -> Element:
    settings = [tag("li", line) for line in settings_that_differ(result)]
    return section(
        "runs",
        "Runs",
        tag("ul", *settings, aria_label="Settings that differ") if settings else None,
        table(
            ["", "system", "UAR, pooled, %", "run"],
            [
                [side, result[side]["system"], percent(result[side]["uar"]), result[side]["run"]]
                for side in ("a", "b")
            ],
            words=2,
        ),
    )
