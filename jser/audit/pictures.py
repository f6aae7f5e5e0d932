"""The audit of a corpus of pictures, and of a protocol on it, as plain data and as text."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.text import Text

import jser
from jser import protocols
from jser.evaluation import certificates
from jser.records import picture_audit
from jser.records import pictures as records


def gather(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    protocol: str | None = None,
    dev_speakers: int = 2,
) -> dict[str, Any]:
    """Audit a built corpus of pictures, and a protocol on it where one is named.

    Args and errors are those of `jser.audit.content.gather`.

    Returns:
        `jser`, `corpus`, `fingerprint`, `partial`, `note`, `built` (the sidecar's audit) and
        `protocol` (the certificate, or None).
    """
    corpus = records.load(name, data_dir)
    certificate = None
    if protocol:
        made = protocols.make(protocol, corpus, dev_speakers)
        certificate = protocols.certificate(corpus, made, "shown by jser audit").to_json()
    return {
        "jser": jser.__version__,
        "corpus": corpus.name,
        "fingerprint": corpus.fingerprint,
        "partial": corpus.partial,
        "note": corpus.note,
        "built": corpus.audit,
        "protocol": certificate,
    }


def render(audit: Mapping[str, Any]) -> Group:
    """What `gather` returns, for a terminal."""
    parts: list[Any] = [Text(picture_audit.render(audit["built"]))]
    if audit["protocol"]:
        parts += [Text(), certificates.render_json(audit["protocol"])]
    return Group(*parts)
