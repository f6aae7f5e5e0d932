"""The audit of a corpus of pictures, and of a protocol on it, as plain data and as text."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group
from rich.text import Text

import jser
from jser import progress, protocols
from jser.audit import duplicates, kept, look, measures, picture_findings
from jser.audit.look import Look
from jser.evaluation import certificates
from jser.protocols import Protocol
from jser.records import picture_audit, places
from jser.records import pictures as records
from jser.records.pictures import Pictures

# Another number makes cached measures of pictures void.
LOOK_VERSION = 1


@dataclass(frozen=True)
class _Near:
    """Two pictures, by their place in the corpus, and the bits in which their hashes differ."""

    first: int
    second: int
    bits: int


def gather(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    protocol: str | None = None,
    dev_speakers: int = 2,
) -> dict[str, Any]:
    """Audit a built corpus of pictures, and a protocol on it where one is named.

    Args and errors are those of `jser.audit.content.gather`.

    Returns:
        What docs/files.md describes under `jser audit --json`, of pictures.
    """
    root = places.root(data_dir)
    corpus = records.load(name, root)
    # Before anything is measured: a misspelt name is said at once.
    made = protocols.make(protocol, corpus, dev_speakers) if protocol else None
    label = [corpus.classes[k] for k in corpus.label]
    ids = [str(u) for u in corpus.utterance_id]
    audit = {
        "jser": jser.__version__,
        "corpus": corpus.name,
        "fingerprint": corpus.fingerprint,
        "partial": corpus.partial,
        "note": corpus.note,
        "built": corpus.audit,
        "splits": _splits(corpus),
        "look": measures.summary(look.KINDS, _looks(corpus, root), ids, label),
        "protocol": _protocol(corpus, made) if made else None,
    }
    return {**audit, "findings": [asdict(finding) for finding in picture_findings.list_all(audit)]}


def _splits(corpus: Pictures) -> dict[str, dict[str, int]]:
    """The corpus' own split -> class -> pictures; '' where it brings none."""
    return {
        str(split): dict(
            zip(
                corpus.classes,
                np.bincount(
                    corpus.label[corpus.split == split], minlength=len(corpus.classes)
                ).tolist(),
                strict=True,
            )
        )
        for split in np.unique(corpus.split)
    }


def _looks(corpus: Pictures, root: Path) -> list[Look]:
    """Measures of each picture."""
    # A record is the picture at one size and by one way of cutting.
    key = f"look-{corpus.fingerprint[:24]}-{corpus.front_end_hash}-v{LOOK_VERSION}"
    before = kept.read(root, key)
    if before and len(before.get("looks", ())) == len(corpus):
        with contextlib.suppress(TypeError):
            return [Look(**fields) for fields in before["looks"]]
    found = []
    with progress.bar(len(corpus), "look", unit="picture") as tick:
        for rows, pixels in corpus.batches():
            found += [look.measure(one) for one in pixels]
            tick(len(rows))
    kept.write(root, key, {"looks": [asdict(one) for one in found]})
    return found


def _protocol(corpus: Pictures, protocol: Protocol) -> dict[str, Any]:
    """The certificate, and the nearly equal pictures that it does not refuse."""
    certificate = protocols.certificate(corpus, protocol, "shown by jser audit").to_json()
    place = {str(name): row for row, name in enumerate(corpus.utterance_id)}
    pairs = [_Near(place[a], place[b], bits) for a, b, bits in corpus.audit["near_duplicates"]]
    shared = duplicates.across(pairs, protocol, len(corpus))
    for fold, there in zip(certificate["folds"], shared, strict=True):
        fold["near_duplicates"] = {name: len(found) for name, found in there.items()}
    straddling = {p for there in shared for found in there.values() for p in found}
    return {
        **certificate,
        "leak": protocol.leak,
        "refused": bool(certificate["found"]) and protocol.leak is None,
        "near_duplicates": [
            {
                "first": str(corpus.utterance_id[p.first]),
                "second": str(corpus.utterance_id[p.second]),
                "bits": p.bits,
                "same_class": bool(corpus.label[p.first] == corpus.label[p.second]),
            }
            for p in sorted(straddling, key=lambda p: (p.first, p.second))
        ],
    }


def render(audit: Mapping[str, Any]) -> Group:
    """What `gather` returns, for a terminal."""
    parts: list[Any] = [Text(picture_audit.render(audit["built"]))]
    total = audit["built"]["n_utterances"]
    for kind in look.KINDS:
        entry = audit["look"][kind.name]
        if entry["n"]:
            named = ", ".join(measures.shown(kind, entry, 3))
            parts.append(Text(f"{kind.title}: {entry['n']} of {total} ({kind.limit()}): {named}"))
    if audit["protocol"]:
        parts += [Text(), certificates.render_json(audit["protocol"])]
    return Group(*parts)
