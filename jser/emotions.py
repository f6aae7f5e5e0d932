"""Names of emotions, and maps between the label sets of different corpora."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from jser.errors import InputError

# One spelling a emotion in the whole project: nouns in lower case. A corpus' own order of classes
# is its builder's affair; this order is only that of listings.
LABELS = (
    "neutral",
    "calm",
    "happiness",
    "surprise",
    "sadness",
    "fear",
    "anger",
    "disgust",
    "boredom",
    "excitement",
    "frustration",
    "contempt",
    "aggressiveness",
    "cheerfulness",
    "intoxication",
    "nervousness",
    "tiredness",
    "apology",
    "assertiveness",
    "concern",
    "encouragement",
    "amusement",
    "awe",
    "contentment",
)

# What corpora, papers and manifests write for them.
SYNONYMS = {
    "afraid": "fear",
    "aggressive": "aggressiveness",
    "amused": "amusement",
    "angry": "anger",
    "anxiety": "fear",
    "anxious": "fear",
    "apologetic": "apology",
    "assertive": "assertiveness",
    "bored": "boredom",
    "cheerful": "cheerfulness",
    "content": "contentment",
    "disgusted": "disgust",
    "concerned": "concern",
    "encouraging": "encouragement",
    "excited": "excitement",
    "fearful": "fear",
    "frustrated": "frustration",
    "happy": "happiness",
    "intoxicated": "intoxication",
    "joy": "happiness",
    "nervous": "nervousness",
    "sad": "sadness",
    "surprised": "surprise",
    "tired": "tiredness",
}


def canonical(word: str) -> str:
    """The project's name of an emotion: ``Angry`` -> ``anger``.

    Raises:
        InputError: the word is neither a label nor a known synonym of one.
    """
    name = word.strip().lower()
    name = SYNONYMS.get(name, name)
    if name in LABELS:
        return name
    near = difflib.get_close_matches(name, [*LABELS, *SYNONYMS], n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(LABELS)}"
    raise InputError(f"'{word}' is no known emotion; {hint}")


def shared(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Classes that both label sets hold, in the order of the first."""
    return tuple(name for name in first if name in second)


def index_map(source: Sequence[str], target: Sequence[str]) -> np.ndarray:
    """Class indices of one label set in another.

    Returns:
        int32 [len(source)]: index in `target` of each class of `source`, -1 where it has none.
    """
    place = {name: k for k, name in enumerate(target)}
    return np.array([place.get(name, -1) for name in source], np.int32)
