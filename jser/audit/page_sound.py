"""The part of an audit's page that says how the recordings sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jser.audit import charts
from jser.audit.measures import WORST, Kind, shown
from jser.audit.sound import KINDS
from jser.evaluation.page.markup import Element, folded, section, tag


def sound_section(audit: Mapping[str, Any]) -> Element:
    """What was measured of every recording, kind by kind, with the worst by name."""
    if audit["sound"] is None:
        missing = tag("p", f"Not listened to: {audit['sound_missing']}.", class_="note")
        return section("sound", "How it sounds", missing)
    total = audit["built"]["n_utterances"]
    panels = [panel(kind, audit["sound"][kind.name], total) for kind in KINDS]
    return section(
        "sound",
        "How it sounds",
        tag("p", "Each measure of every recording. The dotted line is where it is worth a look.",
            class_="note"),
        tag("div", *panels, class_="panels"),
    )  # fmt: skip


def panel(kind: Kind, entry: Mapping[str, Any], total: int) -> Element:
    """One measure: its histogram, how many are worth a look, and the worst by name."""
    drawn = entry["histogram"]
    edges = [edge * kind.scale for edge in drawn["edges"]]
    unit = kind.unit.split()[0]
    threshold = None if kind.two_sided else entry["threshold"] * kind.scale
    state = tag(
        "span", f"{entry['n']} of {total}", class_=f"badge {'warn' if entry['n'] else 'good'}"
    )
    worst = [tag("li", name) for name in shown(kind, entry)]
    by_class = ", ".join(f"{name} {n}" for name, n in entry["classes"].items())
    return tag(
        "figure",
        tag(
            "figcaption",
            tag("h3", kind.title, " ", state),
            tag("p", f"{kind.why[0].upper()}{kind.why[1:]}. In {kind.unit}.", class_="note"),
        ),
        charts.histogram(
            drawn["counts"], edges, unit, f"{kind.title}: {entry['n']} of {total}, {kind.limit()}.",
            threshold, kind.above,
        ),
        folded(
            f"The worst {len(worst)}" if entry["n"] > WORST else "By name",
            tag("p", f"{kind.limit().capitalize()}; by class: {by_class}.", class_="note"),
            tag("ul", *worst, class_="names"),
            paper=True,
        )
        if worst
        else None,
    )  # fmt: skip
