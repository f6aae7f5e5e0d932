"""The part of a page that shows single utterances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jser.evaluation.examples import HOW, Example, Shown
from jser.evaluation.page.markup import Element, section, tag
from jser.evaluation.page.spectrogram import card, heard_seconds, legend


def listening(report: Mapping[str, Any], shown: Shown) -> Element | None:
    """Cards of the examples, class by class, recognised ones left and others right."""
    if not shown.examples:
        return None
    heard = heard_seconds([e.seconds for e in shown.examples if e.waveform is not None])
    parts: list[Element] = []
    by_kind = {(e.choice.truth, e.choice.right): e for e in shown.examples}
    for name in report["classes"]:
        pair = [by_kind.get((name, right)) for right in (True, False)]
        if any(pair):
            parts += [
                card(example, report["classes"], heard) if example else _gap(name, right)
                for example, right in zip(pair, (True, False), strict=True)
            ]
    return section(
        "listening",
        "Look and listen",
        tag("p", HOW, class_="note"),
        *(tag("p", remark, class_="note") for remark in shown.remarks),
        legend(trimmed=any(_trimmed(e) for e in shown.examples)),
        tag("div", *parts, class_="columns cards"),
    )


def _trimmed(example: Example) -> bool:
    steps = example.steps
    return bool(steps.min() > 0 or steps.max() < len(example.log_mel))


def _gap(name: str, right: bool) -> Element:
    words = "No utterance was recognised." if right else "Every utterance was recognised."
    return tag("article", tag("h4", name), tag("p", words, class_="note"), class_="example gap")
