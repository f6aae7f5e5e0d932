"""An audit of pictures as one HTML page that needs no network. It shows none of the pictures: their
licences are not ours to judge.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jser.audit import charts
from jser.audit.look import KINDS
from jser.audit.page import (
    MOST_PAIRS,
    finding_list,
    more_than,
    names_of,
    protocol_section,
    whole,
)
from jser.audit.page_sound import panel
from jser.evaluation.formats import percent, plural
from jser.evaluation.page.markup import (
    Child,
    Element,
    figure,
    folded,
    pairs,
    section,
    table,
    tag,
)


def render(audit: Mapping[str, Any]) -> str:
    """The page of what `pictures.gather` returns."""
    built, made = audit["built"], audit["protocol"]
    parts = [
        _findings(audit),
        _classes(audit),
        _sizes(built),
        _twice(built),
        _look(audit),
        protocol_section(made, "nearly equal pictures", _pair) if made else None,
        _data(audit),
    ]
    marks = []
    if audit["partial"]:
        marks.append("PARTIAL: pictures of the published corpus are missing")
    if made and made["refused"]:
        marks.append(f"LEAK: training refuses {made['protocol']} on this corpus")
    elif made and made["leak"]:
        marks.append(f"LEAK: {made['leak']}")
    aside = f"{plural(built['n_utterances'], 'picture')}, {len(built['classes'])} classes"
    return whole(audit, aside, marks, parts)


def _findings(audit: Mapping[str, Any]) -> Element:
    built = audit["built"]
    sizes = built["shorter_side"]
    tiles = [
        ("pictures", f"{built['n_utterances']:,}"),
        ("published", "unknown" if built["n_expected"] is None else f"{built['n_expected']:,}"),
        ("classes", str(len(built["classes"]))),
        ("median shorter side, pixels", f"{sizes['median']:g}"),
        ("there twice", str(len(built["duplicates"]))),
        ("nearly equal", str(len(built["near_duplicates"]))),
        ("under two labels", str(built["two_labels"])),
        ("damaged, left out", str(len(built["missing"]["broken"]))),
        ("hardly any contrast", str(audit["look"]["blank"]["n"])),
    ]
    return finding_list(tiles, audit["findings"])


def _classes(audit: Mapping[str, Any]) -> Element:
    built, splits = audit["built"], audit["splits"]
    names = list(built["classes"])
    total = max(built["n_utterances"], 1)
    sizes = built.get("size_by_class", {})
    listed = [
        [
            name,
            str(entry["found"]),
            "" if entry["expected"] is None else str(entry["expected"]),
            percent(entry["found"] / total),
            f"{sizes[name]:g}" if sizes.get(name) is not None else "",
            *(str(audit["look"][kind.name]["classes"].get(name, 0)) for kind in KINDS),
        ]
        for name, entry in built["classes"].items()
    ]
    head = ["class", "found", "published", "%", "median shorter side",
            *(kind.title for kind in KINDS)]  # fmt: skip
    rows = [(split or "all", "", counts) for split, counts in splits.items()]
    if len(rows) > 1:
        whole = {name: entry["found"] for name, entry in built["classes"].items()}
        rows = [(split or "in no split", "", counts) for split, counts in splits.items()]
        rows.append(("all", "", whole))
    return section(
        "classes",
        "Classes",
        table(head, listed),
        tag("p", "Where a size or a look goes with a class, a system can learn it in place of what "
            "is shown.", class_="note"),
        tag(
            "div",
            figure(
                "Pictures of each class",
                charts.heat(
                    rows,
                    names,
                    "Pictures by class. "
                    + " ".join(f"{n}: {e['found']}." for n, e in built["classes"].items()),
                ),
                note="By the corpus' own split; at the right all."
                if len(rows) > 1
                else "The corpus brings no split of its own; at the right all.",
                numbers=table(
                    ["split", *names], [[n, *(str(c[k]) for k in names)] for n, _, c in rows]
                ),
            ),
            class_="alone",
        ),
    )  # fmt: skip


def _sizes(built: Mapping[str, Any]) -> Element:
    sizes, side = built["shorter_side"], built["side"]
    small = len(built["enlarged"])
    rows: list[tuple[str, Child]] = [
        ("shorter side", f"{sizes['smallest']} to {sizes['largest']} pixels, median "
         f"{sizes['median']:g}"),
        (f"smaller than {side} pixels", f"{small} of {built['n_utterances']}, enlarged"),
        ("files", ", ".join(f"{n} {name}" for name, n in built["formats"].items())),
        ("kinds of pixels", ", ".join(f"{n} {name}" for name, n in built["modes"].items())),
        ("turned upright as Exif says", str(len(built["rotated"]))),
    ]  # fmt: skip
    if "shapes" in built:
        shapes = ", ".join(f"{n} {name}" for name, n in built["shapes"].items())
        rows.insert(1, ("shapes", f"{shapes}; of each only the middle square is seen"))
    drawn = built.get("sizes")
    return section(
        "sizes",
        "Sizes and files",
        tag(
            "div",
            tag("div", pairs(rows)),
            figure(
                "Shorter side, pixels",
                charts.histogram(
                    drawn["counts"],
                    drawn["edges"],
                    "pixels",
                    f"Shorter side: {built['n_utterances']} pictures from {sizes['smallest']} to "
                    f"{sizes['largest']} pixels; {small} below {side}.",
                    side,
                    above=False,
                ),
                note=f"Pictures by their shorter side; below {side} pixels they are enlarged.",
            )
            if drawn
            else tag("p", "These records are older than the histogram of sizes; build them again "
                     "to have it.", class_="note"),
            class_="columns",
        ),
    )  # fmt: skip


def _twice(built: Mapping[str, Any]) -> Element:
    same, near = built["duplicates"], built["near_duplicates"]
    body: list[Child] = []
    if same:
        listed = [" = ".join(names) for names in same]
        body += [tag("h3", "Identical, pixel by pixel"), names_of(listed)]
    if near:
        body += [
            tag("h3", "Nearly equal"),
            tag("p", "One picture at another size or quality, as far as its difference hash can "
                "tell. Of its 256 bits so many differ.", class_="note"),
            table(
                ["one", "other", "bits"],
                [[a, b, str(bits)] for a, b, bits in near[:MOST_PAIRS]],
                words=2,
            ),
            tag("ul", *more_than(len(near), MOST_PAIRS), class_="names"),
        ]  # fmt: skip
    if not same and not near:
        body.append(
            tag("p", "No picture is there twice, and none at another size or quality.",
                class_="clean")
        )  # fmt: skip
    return section("twice", "The same picture twice", *body)


def _look(audit: Mapping[str, Any]) -> Element:
    total = audit["built"]["n_utterances"]
    panels = [panel(kind, audit["look"][kind.name], total) for kind in KINDS]
    broken = audit["built"]["missing"]["broken"]
    return section(
        "look",
        "How they look",
        tag("p", "Each measure of every picture. The dotted line is where it is worth a look; it "
            "was set by eye.", class_="note"),
        tag("div", *panels, class_="panels"),
        tag("h3", "Damaged, and left out"),
        names_of(broken)
        if broken
        else tag("p", "None: every file of the corpus could be used.", class_="clean"),
    )  # fmt: skip


def _pair(pair: Mapping[str, Any]) -> str:
    return f"{pair['first']} ~ {pair['second']} ({pair['bits']} bits)"


def _data(audit: Mapping[str, Any]) -> Element:
    built = audit["built"]
    rows: list[tuple[str, Child]] = [
        ("corpus", audit["corpus"]),
        ("fingerprint", audit["fingerprint"]),
        ("records", f"the middle square of each, {built['side']} x {built['side']} pixels"),
        ("left out", "; ".join(f"{n} x {why}" for why, n in built["skipped"].items()) or "none"),
        ("note on the corpus", audit["note"] or "none"),
    ]
    long = ("near_duplicates", "duplicates", "enlarged", "rotated")
    slim = {**audit, "built": {name: v for name, v in built.items() if name not in long}}
    return section(
        "data",
        "Data",
        pairs(rows),
        folded("audit.json, without lists of pictures",
               tag("pre", json.dumps(slim, indent=1), tabindex="0")),
    )  # fmt: skip
