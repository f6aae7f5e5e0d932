"""What is published about a corpus, and what a build of it is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class CorpusInfo:
    """What its authors published about a corpus.

    Attributes:
        name: lower case, as on the command line.
        classes: label names (see `jser.emotions`), in the order of the label indices.
        speakers: speaker -> 'f' or 'm'; None: whoever the recordings name, see `Utterance.sex`.
        counts: class -> number of recordings in the complete corpus; None: not published, or not
            confirmed: recordings are counted and shown, but not checked.
        description: one sentence.
        citation: BibTeX key or reference.
        licence: name of the licence.
        homepage: where it comes from.
        how_to_get: one sentence, shown when no folder is given.
        counts_by_speaker: speaker -> number of recordings, where published.
        some_longer_than: seconds that some recording exceeds; where none does, they have been cut.
        max_seconds: only so much of each recording is kept; None: all.
        synthetic: generated audio, not people.
        note: stands on every result, where the corpus is not what its name suggests.
        collection: corpora of one collection hold the same recordings or the same people, and never
            meet in one experiment; empty: that of the corpus whose builder this one extends.
    """

    name: str
    classes: tuple[str, ...]
    speakers: Mapping[str, str] | None
    counts: Mapping[str, int] | None
    description: str
    citation: str
    licence: str
    homepage: str
    how_to_get: str
    counts_by_speaker: Mapping[str, int] | None = None
    some_longer_than: float | None = None
    max_seconds: float | None = None
    synthetic: bool = False
    note: str | None = None
    # Not part of what decides the records: those that are built stay as they are.
    collection: str = field(default="", repr=False)
