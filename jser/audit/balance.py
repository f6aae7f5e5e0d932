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
# Labels are dealt anew among each speaker's utterances so many times; a fact is called a give-away
# where so small a share of the deals does as well. The spread over speakers would be too small a
# measure, since all speakers are guessed from almost the same counts.
_DEALS = 199
_SURE = 0.01


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
        A dict a fact that takes two values or more: `fact`, `uar` (of 0..1), `chance` (mean of what
        dealt labels give), `p` (share of deals that do as well), `tells` (p is at most 0.01). Empty
        where there are fewer than two speakers or classes.
    """
    label, speaker = np.asarray(corpus.label), np.asarray(corpus.speaker)
    n_classes = len(corpus.classes)
    who, person = np.unique(speaker, return_inverse=True)
    if len(who) < 2 or len(np.unique(label)) < 2:
        return []
    dealt = _deals(label, person)
    made = []
    for name, values in facts.items():
        value = _codes(np.asarray(values))
        if len(np.unique(value)) < 2:
            continue
        uar = _recall(value, label, person, n_classes)
        by_chance = np.array([_recall(value, deal, person, n_classes) for deal in dealt])
        # Deals that differ by rounding alone do as well.
        p = float((1 + (by_chance >= uar - 1e-12).sum()) / (1 + len(by_chance)))
        made.append(
            {
                "fact": name,
                "uar": uar,
                "chance": float(by_chance.mean()),
                "p": p,
                "tells": p <= _SURE,
            }
        )
    return made


def _deals(label: np.ndarray, person: np.ndarray) -> list[np.ndarray]:
    """Labels [N] dealt anew among the utterances of each speaker, the same every time."""
    rng = np.random.default_rng(0)
    place = np.argsort(person, kind="stable")
    made = []
    for _ in range(_DEALS):
        deal = np.empty_like(label)
        deal[place] = label[np.lexsort((rng.random(len(label)), person))]
        made.append(deal)
    return made


def _codes(values: np.ndarray) -> np.ndarray:
    """Values [N] as codes 0, 1, ...: numbers by their quantile."""
    if values.dtype.kind not in "fiu":
        return np.unique(values, return_inverse=True)[1]
    edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
    return np.unique(np.searchsorted(edges, values, side="right"), return_inverse=True)[1]


def _recall(value: np.ndarray, label: np.ndarray, person: np.ndarray, n: int) -> float:
    """Unweighted average recall of the guess of each class from values [N]; a tie is shared."""
    values = int(value.max()) + 1
    pair, which = np.unique(person * values + value, return_inverse=True)
    whose, what = pair // values, pair % values
    own = np.bincount(which * n + label, minlength=len(pair) * n).reshape(-1, n)
    everyone = np.bincount(value * n + label, minlength=values * n).reshape(-1, n)
    of_person = np.bincount(person * n + label, minlength=(person.max() + 1) * n).reshape(-1, n)
    others = everyone[what] - own  # [pairs, K]
    of_class = everyone.sum(0) - of_person[whose]
    likely = (others + _SMOOTHING) / (of_class + _SMOOTHING * values)
    # A value that no other speaker has says nothing, and a class that none has cannot be guessed.
    likely = np.where(others.sum(1, keepdims=True) > 0, likely, 1.0)
    likely = np.where(of_class > 0, likely, 0.0)
    best = np.isclose(likely, likely.max(1, keepdims=True), rtol=1e-9, atol=0)
    right = (best / best.sum(1, keepdims=True))[which, label]
    return float(np.mean([right[label == k].mean() for k in np.unique(label)]))
