"""An audit as one HTML page that needs no network: `jser audit CORPUS --html=FILE`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jser.audit.page_counts import class_section, corpora_section, sentence_section
from jser.audit.page_sound import sound_section
from jser.evaluation.formats import percent, plural
from jser.evaluation.page.charts import Bar, bars
from jser.evaluation.page.context import certificate_parts
from jser.evaluation.page.markup import (
    Child,
    Element,
    document,
    figure,
    folded,
    pairs,
    section,
    table,
    tag,
)
from jser.evaluation.page.run_page import masthead

MOST_PAIRS = 50
_BADGE = {"alert": "mind", "warn": "look", "note": "know", "good": "fine"}


def render(audit: Mapping[str, Any]) -> str:
    """The page of what `content.gather` returns."""
    made, balance = audit["protocol"], audit["balance"]
    parts = [
        _findings(audit),
        corpora_section(audit),
        class_section(audit),
        sentence_section(audit),
        _give_aways(audit),
        _twice(audit),
        sound_section(audit),
        protocol_section(made, "near-duplicates", _pair) if made else None,
        _data(audit),
    ]
    marks = []
    if audit["synthetic"]:
        marks.append("SYNTHETIC: made by a generator; says nothing about speech")
    if audit["partial"]:
        marks.append("PARTIAL: recordings of the published corpus are missing")
    if made and made["refused"]:
        marks.append(f"LEAK: training refuses {made['protocol']} on this corpus")
    aside = (
        f"{plural(audit['built']['n_utterances'], 'utterance')}, "
        f"{plural(len(balance['speakers']), 'speaker')}"
    )
    return whole(audit, aside, marks, parts)


def whole(
    audit: Mapping[str, Any], aside: str, marks: Sequence[str], parts: Sequence[Element | None]
) -> str:
    """The page of an audit from its parts, of those that are there."""
    there = [part for part in parts if part is not None]
    title, made = f"Audit of {audit['corpus']}", audit["protocol"]
    protocol = made["protocol"] if made else "the whole corpus"
    return document(
        title,
        masthead(title, protocol, aside, marks, there),
        tag("main", *there, id="main"),
        _foot(audit),
    )


def _foot(audit: Mapping[str, Any]) -> Element:
    """What the page was made from."""
    return tag(
        "footer",
        tag("p", f"Made by jser {audit['jser']} from the records. Corpus fingerprint "
            f"{audit['fingerprint'][:16]}. Nothing on this page is loaded from a network."),
    )  # fmt: skip


def _findings(audit: Mapping[str, Any]) -> Element:
    built, balance = audit["built"], audit["balance"]
    seconds = built["seconds"]["total"]
    long = f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
    if seconds >= 6000:
        long = f"{seconds / 3600:.1f} h"
    tiles: list[tuple[str, str]] = [
        ("recordings", f"{built['n_utterances']:,}"),
        ("published", "unknown" if built["n_expected"] is None else f"{built['n_expected']:,}"),
        ("of speech", long),
        ("speakers", str(len(balance["speakers"]))),
        ("classes", str(len(balance["classes"]))),
        ("sentences", str(len(balance["texts"]) or "unknown")),
        ("there twice", str(len(audit["identical"]))),
        ("near-duplicates", str(len(audit["near_duplicates"]))),
    ]
    return finding_list(tiles, audit["findings"])


def finding_list(
    tiles: Sequence[tuple[str, str]], findings: Sequence[Mapping[str, Any]]
) -> Element:
    """Figures that are looked for first, and the findings in their order."""
    rows = [
        tag(
            "li",
            tag("span", _BADGE[finding["weight"]], class_=f"badge {finding['weight']}"),
            tag("span", finding["text"]),
        )
        for finding in findings
    ]
    return section(
        "findings",
        "Findings",
        tag(
            "dl",
            *(tag("div", tag("dt", name), tag("dd", value)) for name, value in tiles),
            class_="tiles",
        ),
        tag("ul", *rows, class_="findings"),
    )


def _give_aways(audit: Mapping[str, Any]) -> Element | None:
    rows = sorted(audit["give_aways"], key=lambda row: -row["uar"])
    if not rows:
        return None
    drawn = bars(
        [
            Bar(
                row["fact"],
                row["uar"],
                "two" if row["tells"] else "rest",
                said=f"{row['fact']}: recall {percent(row['uar'])} %, p = {row['p']:.3f}",
            )
            for row in rows
        ],
        "Recall of the class from one fact alone. "
        + " ".join(f"{row['fact']}: {percent(row['uar'])} %." for row in rows),
        chance=1 / sum(1 for c in audit["balance"]["classes"].values() if c["utterances"]),
    )
    return section(
        "giveaways",
        "What gives the class away",
        tag(
            "div",
            figure(
                "Recall from one fact alone, %",
                tag(
                    "p",
                    tag("span", tag("i", class_="swatch two"), "beyond chance, p at most 0.01"),
                    tag("span", tag("i", class_="swatch"), "not above chance"),
                    class_="legend",
                ),
                drawn,
                note="Unweighted average recall of a guess by that fact, learned on the other "
                "speakers. Duration and level belong to an emotion; an offset, a bandwidth or a "
                "silence belongs to the recording, and a system may learn it instead.",
                numbers=table(
                    ["fact", "recall, %", "chance", "p", "tells"],
                    [
                        [r["fact"], percent(r["uar"]), percent(r["chance"]), f"{r['p']:.3f}",
                         "yes" if r["tells"] else "no"]
                        for r in rows
                    ],
                ),
            ),
            class_="alone",
        ),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------- twice


def _twice(audit: Mapping[str, Any]) -> Element:
    same, near = audit["identical"], audit["near_duplicates"]
    body: list[Child] = []
    if same:
        listed = [" = ".join(names) for names in same]
        body += [tag("h3", "Identical, sample by sample"), names_of(listed)]
    if near:
        head = ["one", "other", "similarity", "starts later, s", "level, dB", "speaker", "class",
                "corpus"]  # fmt: skip
        rows = [
            [
                pair["first"],
                pair["second"],
                f"{pair['similarity']:.3f}",
                f"{pair['lag_seconds']:+.2f}",
                f"{pair['level_db']:+.1f}",
                "same" if pair["same_speaker"] else "another",
                "same" if pair["same_class"] else "another",
                "same" if pair["same_corpus"] else "another",
            ]
            for pair in near[:MOST_PAIRS]
        ]
        body += [
            tag("h3", "Near-duplicates"),
            tag("p", "One recording at another level, rate, codec or cut. The second starts that "
                "much later in the recording, and is that much louder.", class_="note"),
            table(head, rows, words=2),
            tag("ul", *more_than(len(near), MOST_PAIRS), class_="names"),
        ]  # fmt: skip
    if not same and not near:
        body.append(tag("p", "No recording is there twice, and none at another level, rate, codec "
                        "or cut.", class_="clean"))  # fmt: skip
    elif not near:
        body.append(tag("p", "No near-duplicate beside those.", class_="clean"))
    return section("twice", "The same recording twice", *body)


def names_of(listed: Sequence[str]) -> Element:
    """A list of names, the first of them shown."""
    shown = [tag("li", text) for text in listed[:MOST_PAIRS]]
    return tag("ul", *shown, *more_than(len(listed), MOST_PAIRS), class_="names")


def more_than(n: int, shown: int) -> list[Element]:
    """The end of a list of which so many are shown."""
    return [tag("li", f"and {n - shown} more")] if n > shown else []


# ------------------------------------------------------------------------------- protocol and data


def _pair(pair: Mapping[str, Any]) -> str:
    return f"{pair['first']} ~ {pair['second']} ({pair['similarity']:.2f})"


def protocol_section(
    made: Mapping[str, Any], near_what: str, near_name: Callable[[Mapping[str, Any]], str]
) -> Element:
    """The certificate, and what nearly the same lies in two parts of a fold.

    Args:
        made: the audit's `protocol`.
        near_what: what its `near_duplicates` are called.
        near_name: names one of them.
    """
    seen = {True: "yes", False: "no", None: "not known"}[made["text_seen"]]
    if made["sentences_tested"]:
        seen += f", {made['sentences_heard']} of {made['sentences_tested']} counted fold by fold"
    rows: list[tuple[str, Child]] = [
        ("folds", made["description"]),
        ("training", "refuses it" if made["refused"] else "takes it"),
        ("leak", made["leak"] or "none that it says itself"),
        (f"{near_what} in two parts", str(len(made["near_duplicates"]))),
        ("test sentences heard in training", seen),
        ("dev and test in one session", "yes" if made["dev_test_same_session"] else "no"),
        ("folds hash", made["folds_hash"]),
    ]
    near = [near_name(pair) for pair in made["near_duplicates"][:MOST_PAIRS]]
    return section(
        "protocol",
        f"Protocol {made['protocol']}",
        pairs(rows),
        tag("ul", *(tag("li", name) for name in near), class_="names") if near else None,
        *certificate_parts(made, opened=True),
        _folds(made["folds"], near_what),
    )


def _folds(folds: Sequence[Mapping[str, Any]], near_what: str) -> Element:
    rows = [
        [
            fold["name"],
            " ".join(fold["speakers"]["test"]),
            " ".join(fold["speakers"]["dev"]),
            *(str(fold["near_duplicates"][pair]) for pair in fold["near_duplicates"]),
        ]
        for fold in folds
    ]
    head = ["fold", "test speakers", "dev speakers", f"{near_what}, train and dev",
            "train and test", "dev and test"]  # fmt: skip
    return folded(f"Speakers, and {near_what} by fold", table(head, rows, words=3), paper=True)


def _data(audit: Mapping[str, Any]) -> Element:
    built = audit["built"]
    rates = ", ".join(f"{n} at {rate} Hz" for rate, n in built["sample_rates"].items())
    rows: list[tuple[str, Child]] = [
        ("corpus", audit["corpus"]),
        ("fingerprint", audit["fingerprint"]),
        ("files as they came", rates),
        ("more than one channel", str(len(built["stereo"]))),
        ("left out", "; ".join(f"{n} x {why}" for why, n in built["skipped"].items()) or "none"),
        ("note on the corpus", audit["note"] or "none"),
    ]
    slim = {name: value for name, value in audit.items() if name != "near_duplicates"}
    return section(
        "data",
        "Data",
        pairs(rows),
        folded("audit.json, without pairs", tag("pre", json.dumps(slim, indent=1), tabindex="0")),
    )
