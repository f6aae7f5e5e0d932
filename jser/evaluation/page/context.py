"""What the figures depend on: yardsticks, protocol, certificate, cost, config."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jser.evaluation.certificates import clean
from jser.evaluation.formats import COMPARABLE, percent, settings
from jser.evaluation.page.markup import Element, folded, pairs, section, table, tag
from jser.evaluation.page.results import fold_table
from jser.evaluation.settings import flat

_SEEN = {True: "yes", False: "no", None: "not known"}


def published(row: Mapping[str, Any]) -> str:
    """A yardstick's figure in %, with its deviation where it has one."""
    return percent(row["value"]) + (f" ± {percent(row['spread'])}" if row["spread"] else "")


def comparable(row: Mapping[str, Any]) -> Element:
    """Whether a yardstick may be compared with, and why not."""
    answer = COMPARABLE[row["comparable"]]
    badge = tag("span", answer, class_=f"badge {answer.split()[0]}")
    return tag("span", badge, f" {row['why']}" if row["why"] else None)


def yardsticks(report: Mapping[str, Any]) -> Element | None:
    """Published figures, each with its source, its protocol, and whether it may be compared."""
    rows = report["yardsticks"]
    if not rows:
        return None
    made = []
    for row in rows:
        made.append(
            [
                row["name"],
                row["metric"].upper(),
                published(row),
                percent(row["this_run"]),
                comparable(row),
                row["rule"],
                row["protocol"],
                row["source"],
            ]
        )
    head = ["published", "", "%", "this run, %", "comparable?", "folds made one by", "protocol",
            "source"]  # fmt: skip
    made_table = table(head, made)
    made_table.set("class", "scroll yardsticks")
    return section(
        "yardsticks",
        "Yardsticks",
        tag("p", "Figures that others have published on this corpus. This run's figure beside each "
            "is made by the same metric and rule.", class_="note"),
        made_table,
    )  # fmt: skip


def protocol(report: Mapping[str, Any], certificate: Mapping[str, Any] | None) -> Element:
    """Who was tested by whom, what the parts share, and how the figures were made."""
    rows = [(name, sentence) for name, sentence in settings(report) if name != "to baseline"]
    session = "yes" if report["dev_test_same_session"] else "no"
    more: list[tuple[str, str]] = [
        ("dev and test in one session", session),
        ("near-duplicates in two parts", _near(report.get("near_duplicates"))),
        ("leak", report["leak"] or "none"),
        ("folds missing", ", ".join(report["folds_missing"]) or "none"),
        ("partial corpus", "yes" if report["partial_corpus"] else "no"),
        ("synthetic", "yes" if report["synthetic"] else "no"),
        ("note on the corpus", report["note"] or "none"),
        ("seeds", ", ".join(map(str, report["seeds"]))),
        ("classes", ", ".join(report["classes"])),
        ("mean of folds", f"UAR {percent(report['uar_fold_mean'])}, WA "
         f"{percent(report['wa_fold_mean'])}"),
        ("corpus fingerprint", report["fingerprint"]),
        ("folds hash", report["folds_hash"]),
    ]  # fmt: skip
    return section(
        "protocol",
        "Protocol",
        pairs([*rows, *more]),
        tag("h3", "Folds"),
        fold_table(report),
        *(certificate_parts(certificate) if certificate else []),
    )


def _near(counts: Mapping[str, int] | None) -> str:
    if counts is None:
        return "not looked for"
    named = [f"{pair.replace('_', ' and ')} {n}" for pair, n in counts.items() if n]
    return ", ".join(named) or "none"


def certificate_parts(certificate: Mapping[str, Any], opened: bool = False) -> list[Element]:
    """Properties counted from the records, fold by fold; `opened`: the table is not folded."""
    found = certificate["found"]
    verdict = (
        tag("p", tag("strong", "Shared: "), "; ".join(found), class_="must-read")
        if found
        else tag("p", f"Clean: {clean(certificate)}.", class_="clean")
    )
    rows = []
    for fold in certificate["folds"]:
        counts, speakers = fold["utterances"], fold["speakers"]
        shared = [
            f"{pair.replace('_', ' and ')}: {n} {thing.replace('_', ' ')}"
            for pair, things in fold["shared"].items()
            for thing, n in things.items()
            if n
        ]
        missing = [
            f"{part}: {', '.join(names)}"
            for part, names in fold["classes_missing"].items()
            if names
        ]
        rows.append(
            [
                fold["name"],
                "; ".join(shared) or "nothing",
                *(f"{counts[p]} of {len(speakers[p])}" for p in ("train", "dev", "test")),
                " / ".join(_sexes(fold["sex"][p]) for p in ("train", "dev", "test")),
                f"{fold['sentences_heard']} of {fold['sentences_tested']}",
                f"{fold['dev_rarest_class']} {fold['dev_rarest_count']}",
                "; ".join(missing) or "none",
            ]
        )
    head = ["fold", "shared", "train", "dev", "test", "sex, train / dev / test",
            "test sentences heard", "rarest in dev", "classes missing"]  # fmt: skip
    note = tag("p", "Utterances of speakers; utterances by sex.", class_="note")
    counted = table(head, rows, words=2)
    return [
        tag("h3", "Certificate"),
        verdict,
        *(
            (note, counted)
            if opened
            else (folded("Counted from the records", note, counted, paper=True),)
        ),
    ]


def _sexes(counts: Mapping[str, int]) -> str:
    return " ".join(f"{n} {kind}" for kind, n in sorted(counts.items())) or "none"


def run(report: Mapping[str, Any], config: Mapping[str, Any] | None) -> Element:
    """What it cost, on what it ran, with which settings and packages."""
    memory = report["peak_memory_mb"]
    cost = [
        ("device", report["device"] or "not known"),
        ("parameters", f"{report['parameters']:,}"),
        ("peak memory", f"{memory:,.0f} MB" if memory is not None else "not known"),
        ("members that failed", str(report["failed_members"])),
    ]
    seconds = [
        (name, "" if value is None else f"{value:,.1f}")
        for name, value in report["seconds"].items()
    ]
    versions = sorted(report["versions"].items())
    return section(
        "run",
        "Run",
        tag(
            "div",
            tag("div", tag("h3", "Cost"), pairs(cost)),
            tag(
                "div",
                tag("h3", "Seconds"),
                pairs([(name, value or "–") for name, value in seconds]),
                tag("p", "Compiling lies within the others.", class_="note"),
            ),
            tag("div", tag("h3", "Versions"), pairs(versions)),
            class_="three",
        ),
        folded("Config", table(["field", "value"], _fields(config), words=2), paper=True)
        if config
        else None,
        folded("report.json", tag("pre", json.dumps(report, indent=1), tabindex="0")),
    )


def _fields(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Dotted name and value of every field."""
    found = []
    for name, value in flat(config).items():
        listed = isinstance(value, list | tuple)
        found.append((name, ", ".join(map(str, value)) if listed else str(value)))
    return sorted(found)
