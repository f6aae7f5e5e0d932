"""The report of a run as one HTML page that needs no network: `RUN/report.html`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jser.evaluation.examples import Shown
from jser.evaluation.formats import percent, tested
from jser.evaluation.page.context import protocol, run, yardsticks
from jser.evaluation.page.corpora_page import test_corpora
from jser.evaluation.page.learning import learning
from jser.evaluation.page.listening import listening
from jser.evaluation.page.markup import Element, document, tag
from jser.evaluation.page.results import classes, result, speakers

_NOTHING = Shown(())


def render(
    report: Mapping[str, Any],
    *,
    certificate: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    metrics: Sequence[Mapping[str, Any]] = (),
    shown: Shown = _NOTHING,
) -> str:
    """The page; what is not given has no part on it.

    Args:
        report: from `report.build`, or report.json.
        certificate: of the protocol, as certificate.json has it.
        config: the resolved config.
        metrics: the lines of metrics.jsonl.
        shown: utterances to look at and to hear.
    """
    whole = [] if report["cross_corpus"] else [result(report), classes(report)]
    parts = [
        *whole,
        test_corpora(report),
        speakers(report) if report["per_speaker"] else None,
        learning(report, metrics),
        listening(report, shown),
        yardsticks(report),
        protocol(report, certificate),
        run(report, config),
    ]
    there = [part for part in parts if part is not None]
    each = [f"{percent(c['uar']['mean'])} % on {c['name']}" for c in report["test_corpora"]]
    uar = ", ".join(each) if report["cross_corpus"] else f"{percent(report['uar']['mean'])} %"
    return document(
        f"{report['system']} on {report['corpus']}: UAR {uar}",
        masthead(
            report["system"],
            f"{report['corpus']}, {report['protocol']}",
            tested(report),
            report["marks"],
            there,
        ),
        tag("main", *there, id="main"),
        tag("footer", tag("p", _foot(report))),
    )


def read_metrics(run_dir: str | Path) -> list[dict[str, Any]]:
    """The lines of RUN/metrics.jsonl that have figures; one that a kill cut off is left out."""
    path = Path(run_dir) / "metrics.jsonl"
    if not path.exists():
        return []
    found = []
    for raw in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(raw)
        except ValueError:
            continue
        if isinstance(row, dict) and "event" not in row:
            found.append(row)
    return found


def masthead(
    name: str, where: str, aside: str, marks: Iterable[str], parts: Iterable[Element]
) -> Element:
    """Title, what was tested, marks before any figure, and the way to each part."""
    links = [tag("a", part[0].text or "", href=f"#{part.get('id')}") for part in parts]
    sentences = []
    for sentence in marks:
        word, colon, rest = sentence.partition(":")
        sentences.append(
            tag("p", tag("strong", word + colon), rest, class_="must-read", role="note")
        )
    return tag(
        "header",
        tag("a", "Skip to the result", href="#main", class_="skip"),
        tag("h1", name),
        tag("p", tag("b", where), f", {aside}", class_="where"),
        *sentences,
        tag("nav", *links, aria_label="Parts of this page"),
    )


def _foot(report: Mapping[str, Any]) -> str:
    return (
        f"Made by jser {report['versions'].get('jser', '')} from report.json. Corpus fingerprint "
        f"{report['fingerprint'][:16]}, folds {report['folds_hash'][:16]}. Nothing on this page is "
        "loaded from a network."
    )
