"""Several corpora, or a part of one, as an audit shows them: what was taken of which."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jser.audit.sound import Sound
from jser.evaluation import corpora
from jser.records.corpus import Corpus
from jser.records.selection import MARK, Origin, Selection


def parts(
    corpus: Corpus, seconds: np.ndarray, sounds: Sequence[Sound] | None
) -> dict[str, Any] | None:
    """What was joined, and how each corpus differs from the others; None of a built corpus.

    A difference of length, level or bandwidth tells corpora apart, and where their classes are not
    equally common, the classes too.

    Args:
        corpus: the records.
        seconds: duration of each utterance [N].
        sounds: measures of each, where there are any.

    Returns:
        What `evaluation.corpora.joined` returns; each of its `corpora` has also `classes` (class
        -> utterances), `seconds`, `median_seconds`, and `median_peak_db` and `median_bandwidth_hz`
        (None without sounds).
    """
    made = corpora.joined(corpus)
    if made is None or not isinstance(corpus, Selection):
        return None
    for part in made["corpora"]:
        rows = np.flatnonzero(corpus.corpus_of == part["name"]).tolist()
        heard = [sounds[i] for i in rows] if sounds else []
        part |= {
            "classes": {name: sum(words.values()) for name, words in part["taken"].items()},
            "seconds": float(seconds[rows].sum()),
            "median_seconds": float(np.median(seconds[rows])),
            "median_peak_db": statistics.median(s.peak_db for s in heard) if heard else None,
            "median_bandwidth_hz": (
                statistics.median(s.bandwidth_hz for s in heard) if heard else None
            ),
        }
    return made


def built(corpus: Corpus, seconds: np.ndarray) -> dict[str, Any]:
    """The sidecar's audit; of a selection, those of its corpora merged, as far as it was taken.

    What the sidecars note by file and not by utterance (rates, files left out) is of all of them.

    Args:
        corpus: the records.
        seconds: duration of each utterance [N].
    """
    if not isinstance(corpus, Selection):
        return corpus.audit
    several = len(corpus.origins) > 1
    sides = [_Side(origin, corpus, several) for origin in corpus.origins]
    classes = {name: _class(name, sides) for name in corpus.classes}
    expected = [entry["expected"] for entry in classes.values()]
    return {
        "name": corpus.name,
        "n_utterances": len(corpus.label),
        "n_expected": None if None in expected else sum(expected),
        "classes": classes,
        "seconds": {
            "total": float(seconds.sum()),
            "shortest": float(seconds.min()),
            "median": float(np.median(seconds)),
            "longest": float(seconds.max()),
        },
        "missing": {
            "classes": _merged(side.missing_classes() for side in sides),
            "speakers": _merged(side.named("missing", "speakers") for side in sides),
            "broken": [
                side.prefix + text for side in sides for text in side.audit["missing"]["broken"]
            ],
        },
        "skipped": _merged(side.named("skipped") for side in sides),
        "near_silent": _merged(side.taken_of("near_silent") for side in sides),
        "clipped": _merged(side.taken_of("clipped") for side in sides),
        "stereo": [name for side in sides for name in side.taken_of("stereo")],
        "sample_rates": dict(
            sorted(sum((Counter(side.audit["sample_rates"]) for side in sides), Counter()).items())
        ),
    }


def _merged(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


class _Side:
    """One corpus of a selection: its sidecar's audit, under the names that it has here."""

    def __init__(self, origin: Origin, corpus: Selection, several: bool) -> None:
        self.origin = origin
        self.prefix = f"{origin.name}{MARK}" if several else ""
        audit: Any = corpus.audit[origin.name]
        self.audit: dict[str, Any] = audit
        self.ids = set(map(str, corpus.utterance_id[corpus.corpus_of == origin.name]))

    def named(self, *path: str) -> dict[str, Any]:
        """An entry, name -> value, with the corpus before the name."""
        entry: Any = self.audit
        for step in path:
            entry = entry[step]
        return {self.prefix + name: value for name, value in entry.items()}

    def taken_of(self, entry: str) -> dict[str, Any]:
        """Of an entry by utterance, those that were taken."""
        values = self.audit[entry]
        pairs = values.items() if isinstance(values, Mapping) else ((name, 1) for name in values)
        return {
            self.prefix + name: value for name, value in pairs if self.prefix + name in self.ids
        }

    def missing_classes(self) -> dict[str, int]:
        """Class of the corpus -> how many recordings of it are missing, of those taken."""
        words = {word for taken in self.origin.taken.values() for word in taken}
        return {
            self.prefix + word: n
            for word, n in self.audit["missing"]["classes"].items()
            if word in words
        }

    def words(self, name: str) -> list[Mapping[str, Any]]:
        """What is noted of the corpus' classes that stand for one here."""
        return [self.audit["classes"][word] for word in self.origin.taken[name]]


def _class(name: str, sides: Sequence[_Side]) -> dict[str, Any]:
    noted = [entry for side in sides for entry in side.words(name)]
    heard = [(e["peak_db"], e["found"]) for e in noted if e["peak_db"] is not None]
    n = sum(found for _, found in heard)
    published = [entry["expected"] for entry in noted]
    return {
        "found": sum(entry["found"] for entry in noted),
        "expected": None if None in published else sum(published),
        "peak_db": sum(peak * found for peak, found in heard) / n if n else None,
    }
