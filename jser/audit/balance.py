"""Who says what in which class: tables of counts, and what gives a class away without a voice.

A *give-away* is one fact of an utterance, such as its sentence or its length. The class is guessed
from that fact alone, by what the other speakers' utterances of that fact are. Recall above chance
need not be a fault, since angry speech is loud; it is what a system has to beat, and where the fact
is none of an emotion's, what it may have learned instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jser.protocols import Records

BINS = 10  # of a fact that is a number: as many utterances in each, as far as that can be
_SMOOTHING = 0.5  # utterances added to each cell
# A recall so many standard errors above chance is called a give-away.
_SURE = 2.0


def tables(corpus: Records, seconds: np.ndarray) -> dict[str, Any]:
    """Counts by class, speaker, sex and sentence, as plain data for JSON.

    Args:
        corpus: the records.
        seconds: duration of each utterance [N].
    """
    classes = list(corpus.classes)
    label = np.asarray(corpus.label)
    speaker, text = np.asarray(corpus.speaker), np.asarray(corpus.text_id)
    sex = np.array([corpus.sex.get(str(s), "?") for s in speaker])

    def by_class(chosen: np.ndarray) -> dict[str, int]:
        counts = np.bincount(label[chosen], minlength=len(classes)).tolist()
        return dict(zip(classes, counts, strict=True))

    everyone, every_text = np.unique(speaker), np.unique(text[text != ""])
    return {
        "classes": {
            name: {
                "utterances": int(here.sum()),
                "seconds": float(seconds[here].sum()),
                "median_seconds": float(np.median(seconds[here])) if here.any() else None,
                "speakers": len(np.unique(speaker[here])),
                "texts": len(np.unique(text[here & (text != "")])),
                "sex": {str(kind): int((here & (sex == kind)).sum()) for kind in np.unique(sex)},
            }
            for k, name in enumerate(classes)
            for here in [label == k]
        },
        "speakers": {
            str(s): {
                "sex": corpus.sex.get(str(s), "?"),
                "utterances": int(here.sum()),
                "seconds": float(seconds[here].sum()),
                "classes": by_class(here),
            }
            for s in everyone
            for here in [speaker == s]
        },
        "texts": {
            str(t): {
                "utterances": int(here.sum()),
                "speakers": len(np.unique(speaker[here])),
                "classes": by_class(here),
            }
            for t in every_text
            for here in [text == t]
        },
        "texts_unknown": int((text == "").sum()),
    }


def give_aways(corpus: Records, facts: Mapping[str, Sequence[Any] | np.ndarray]) -> list[dict]:
    """Recall of a guess from each fact alone, learned on the other speakers.

    Args:
        corpus: the records.
        facts: name -> N values: texts are taken as they are, numbers in bins of equal counts.

    Returns:
        A dict a fact that takes two values or more: `fact`, `uar` (of 0..1), `chance`, `error`
        (standard error over speakers, or None), `tells` (uar is above chance beyond it). Empty
        where there are fewer than two speakers or classes.
    """
    label, speaker = np.asarray(corpus.label), np.asarray(corpus.speaker)
    n_classes = len(corpus.classes)
    who, person = np.unique(speaker, return_inverse=True)
    if len(who) < 2 or len(np.unique(label)) < 2:
        return []
    made = []
    for name, values in facts.items():
        value = _codes(np.asarray(values))
        if len(np.unique(value)) < 2:
            continue
        right = _credit(value, label, person, n_classes)
        made.append(_judged(name, right, label, person))
    return made


def _codes(values: np.ndarray) -> np.ndarray:
    """Values [N] as codes 0, 1, ...: numbers by their quantile."""
    if values.dtype.kind not in "fiu":
        return np.unique(values, return_inverse=True)[1]
    edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
    return np.unique(np.searchsorted(edges, values, side="right"), return_inverse=True)[1]


def _credit(value: np.ndarray, label: np.ndarray, person: np.ndarray, n: int) -> np.ndarray:
    """What the guess of each utterance is worth [N]: 1 right, 0 wrong, a share of a tie."""
    counts = np.zeros((person.max() + 1, value.max() + 1, n))
    np.add.at(counts, (person, value, label), 1.0)
    others = counts.sum(0) - counts  # [speakers, values, classes]
    likely = (others + _SMOOTHING) / (others + _SMOOTHING).sum(1, keepdims=True)
    # A value that no other speaker has says nothing.
    likely = np.where(others.sum(2, keepdims=True) > 0, likely, 1.0)
    # A class that no other speaker has cannot be guessed.
    likely = np.where(others.sum(1, keepdims=True) > 0, likely, 0.0)
    best = np.isclose(likely, likely.max(2, keepdims=True), rtol=1e-9, atol=0)
    return (best / best.sum(2, keepdims=True))[person, value, label]


def _judged(name: str, right: np.ndarray, label: np.ndarray, person: np.ndarray) -> dict[str, Any]:
    present = np.unique(label)
    uar = float(np.mean([right[label == k].mean() for k in present]))
    # Of one speaker's utterances, those of a rare class count for more, as in the whole.
    weight = 1 / (len(present) * np.bincount(label)[label])
    each = np.bincount(person, weight * (right - uar))
    n = len(each)
    error = float(np.sqrt(n / (n - 1) * np.square(each).sum()))
    chance = 1 / len(present)
    return {
        "fact": name,
        "uar": uar,
        "chance": chance,
        "error": error,
        "tells": uar > chance + _SURE * error,
    }
