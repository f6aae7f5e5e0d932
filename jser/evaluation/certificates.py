"""A protocol's certificate as a table that a person can read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from jser.evaluation.tables import to_text
from jser.protocols import Certificate

PAIRS = ("train_dev", "train_test", "dev_test")
THINGS = ("speakers", "sessions", "recordings", "utterance_ids")


def render(certificate: Certificate) -> Group:
    """What the parts of each fold hold, and what they share."""
    return render_json(certificate.to_json())


def render_json(tree: Mapping[str, Any]) -> Group:
    """The same of a certificate as JSON has it, with the near-duplicates that an audit adds."""
    table = Table(title=f"{tree['corpus']}: {tree['description']}")
    for column in ("fold", "train", "dev", "test", "test speakers", "shared", "sentences heard"):
        table.add_column(column)
    for fold in tree["folds"]:
        counts, speakers = fold["utterances"], fold["speakers"]
        shared = [
            f"{pair.replace('_', '/')} {fold['shared'][pair][thing]} {thing.replace('_', ' ')}"
            for pair in PAIRS
            for thing in THINGS
            if fold["shared"][pair].get(thing)
        ]
        shared += [
            f"{pair.replace('_', '/')} {n} near-duplicate{'s' * (n != 1)}"
            for pair, n in fold.get("near_duplicates", {}).items()
            if n
        ]
        table.add_row(
            fold["name"],
            *(f"{counts[part]} of {len(speakers[part])} spk" for part in ("train", "dev", "test")),
            " ".join(speakers["test"]),
            "; ".join(shared) or "nothing",
            f"{fold['sentences_heard']} of {fold['sentences_tested']}",
        )
    verdict = f"LEAK: {'; '.join(tree['found'])}" if tree["found"] else "clean: nothing is shared"
    if tree["dev_test_same_session"]:
        verdict += "; dev and test speakers share a session"
    return Group(table, Text(verdict))


def text(certificate: Certificate, width: int = 100) -> str:
    """The same as plain text."""
    return to_text(render(certificate), width)
