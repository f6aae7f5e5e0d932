"""The parts of an audit's page that count: corpora, classes, speakers, sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jser.audit import charts
from jser.evaluation.formats import plural
from jser.evaluation.page.markup import Element, figure, section, table, tag

MOST_ROWS = 60  # of speakers or sentences drawn; the tables have all


def class_section(audit: Mapping[str, Any]) -> Element:
    """Utterances by class and speaker, and how long they are."""
    balance, built = audit["balance"], audit["built"]["classes"]
    names = list(balance["classes"])
    speakers = [(name or "unknown", entry) for name, entry in balance["speakers"].items()]
    rows = [(name, entry["sex"], entry["classes"]) for name, entry in speakers]
    drawn = figure(
        "Utterances of each speaker",
        charts.heat(
            rows[:MOST_ROWS],
            names,
            "Utterances by speaker and class. "
            + " ".join(f"{n}: {entry['utterances']}." for n, entry in speakers[:MOST_ROWS]),
        ),
        note=_drawn_of(len(rows)) or "By class; at the right all.",
        numbers=table(
            ["speaker", "sex", *names, "all", "seconds"],
            [
                [n, e["sex"], *(str(e["classes"][c]) for c in names), str(e["utterances"]),
                 f"{e['seconds']:,.0f}"]
                for n, e in speakers
            ],
            words=2,
        ),
    )  # fmt: skip
    made = []
    for name, entry in balance["classes"].items():
        said = built.get(name, {})
        peak, sex, median = said.get("peak_db"), entry["sex"], entry["median_seconds"]
        made.append(
            [
                name,
                str(entry["utterances"]),
                "" if said.get("expected") is None else str(said["expected"]),
                f"{entry['seconds'] / 60:.1f}",
                "" if median is None else f"{median:.2f}",
                str(entry["speakers"]),
                str(entry["texts"] or "?"),
                str(sex.get("f", 0)),
                str(sex.get("m", 0)),
                "" if peak is None else f"{peak:.1f}",
            ]
        )
    head = ["class", "found", "published", "minutes", "median, s", "speakers", "sentences",
            "of women", "of men", "mean peak, dB"]  # fmt: skip
    lengths = audit["durations"]
    return section(
        "classes",
        "Classes and speakers",
        table(head, made),
        tag(
            "div",
            drawn,
            figure(
                "Duration, s",
                charts.histogram(
                    lengths["counts"], lengths["edges"], "s", _said(lengths, "Duration", "s")
                ),
                note="Utterances by length.",
            ),
            class_="columns wide-left audit",
        ),
    )


def corpora_section(audit: Mapping[str, Any]) -> Element | None:
    """What was taken of each corpus, and how they differ; None of one that is taken whole."""
    made = audit["joined"]
    if made is None:
        return None
    names = list(audit["balance"]["classes"])
    rows = [(part["name"], "", part["classes"]) for part in made["corpora"]]
    head = ["corpus", "taken", "of", "speakers", "minutes", "median, s", "median peak, dB",
            "median bandwidth, Hz"]  # fmt: skip
    listed = []
    for part in made["corpora"]:
        peak, band = part["median_peak_db"], part["median_bandwidth_hz"]
        listed.append(
            [
                part["name"],
                str(part["n_utterances"]),
                str(part["n_whole"]),
                str(part["n_speakers"]),
                f"{part['seconds'] / 60:.1f}",
                f"{part['median_seconds']:.2f}",
                "" if peak is None else f"{peak:.1f}",
                "" if band is None else f"{band:.0f}",
            ]
        )
    return section(
        "corpora",
        "Corpora",
        table(head, listed),
        tag("p", f"Labels: {made['labels']}. {made['why']} {made['lost']}", class_="note"),
        tag(
            "div",
            figure(
                "Utterances of each corpus",
                charts.heat(rows, names, "Utterances by corpus and class."),
                note="By class; at the right all. Where classes are not equally common, what tells "
                "the corpora apart (level, length, bandwidth, language) tells the classes too.",
                numbers=table(
                    ["corpus", *names], [[n, *(str(c[k]) for k in names)] for n, _, c in rows]
                ),
            ),
            class_="alone",
        ),
    )


def _drawn_of(n: int) -> str:
    return f"The first {MOST_ROWS} of {n}; the numbers have all." if n > MOST_ROWS else ""


def _said(drawn: Mapping[str, Any], name: str, unit: str) -> str:
    return (
        f"{name}: {sum(drawn['counts'])} utterances from {drawn['edges'][0]:g} to "
        f"{drawn['edges'][-1]:g} {unit}."
    )


def sentence_section(audit: Mapping[str, Any]) -> Element | None:
    """Utterances by sentence and class; None where no sentence is known."""
    texts = audit["balance"]["texts"]
    if not texts:
        return None
    names = list(audit["balance"]["classes"])
    rows = [(name, "", entry["classes"]) for name, entry in texts.items()]
    unknown = audit["balance"]["texts_unknown"]
    note = _drawn_of(len(rows)) or (
        "Where a sentence belongs to some classes only, words can stand in for an emotion."
    )
    if unknown:
        note += f" Of {plural(unknown, 'utterance')} the sentence is unknown."
    return section(
        "sentences",
        "Sentences",
        tag(
            "div",
            figure(
                "Utterances of each sentence",
                charts.heat(rows[:MOST_ROWS], names, "Utterances by sentence and class."),
                note=note,
                numbers=table(
                    ["sentence", *names, "speakers"],
                    [
                        [n, *(str(e["classes"][c]) for c in names), str(e["speakers"])]
                        for n, e in texts.items()
                    ],
                ),
            ),
            class_="alone",
        ),
    )
