"""Names of emotions, and maps between the label sets of different corpora."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    "concerned": "concern",
    "content": "contentment",
    "disgusted": "disgust",
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


# --- between corpora ------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelMap:
    """Which word of a corpus is taken for which class where corpora meet.

    Attributes:
        name: as a config has it.
        taken: word -> class; a word that is not there stands for itself.
        why: one sentence.
        lost: one sentence: what a result under this map can no longer tell.
    """

    name: str
    taken: Mapping[str, str]
    why: str
    lost: str

    def of(self, word: str) -> str:
        """The class that a word is taken for."""
        return self.taken.get(word, word)


SHARED = "shared"
LABEL_MAPS = {
    made.name: made
    for made in (
        LabelMap(
            SHARED,
            {},
            "Only classes that all corpora have under the same name: nothing is read into a label.",
            "Utterances of all other classes are left out.",
        ),
        LabelMap(
            "calm_as_neutral",
            {"calm": "neutral"},
            "RAVDESS has calm beside neutral, most corpora neutral alone, and both are speech "
            "without strong feeling.",
            "Calm cannot be told from neutral; in RAVDESS two of three neutral utterances are calm "
            "then, half of those in a strong intensity, which neutral never has.",
        ),
        LabelMap(
            "excitement_as_happiness",
            {"excitement": "happiness"},
            "IEMOCAP has excitement beside happiness, its usual four classes merge them, and acted "
            "happiness in other corpora is mostly lively.",
            "Excitement cannot be told from happiness, which becomes a class of high arousal.",
        ),
    )
}


def label_map(name: str) -> LabelMap:
    """A map by its name, or several by their names with a plus between.

    Raises:
        InputError: there is no such map; suggests the nearest.
    """
    names = [part.strip() for part in name.split("+")]
    for part in names:
        if part not in LABEL_MAPS:
            near = difflib.get_close_matches(part, LABEL_MAPS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"maps are {', '.join(LABEL_MAPS)}"
            raise InputError(f"labels: '{part}' is no map between label sets; {hint}")
    # In one order and once, so that the same choice has one name. The shared one adds nothing.
    several = [LABEL_MAPS[part] for part in sorted(set(names) - {SHARED}) or [SHARED]]
    if len(several) == 1:
        return several[0]
    return LabelMap(
        "+".join(one.name for one in several),
        {word: label for one in several for word, label in one.taken.items()},
        " ".join(one.why for one in several),
        " ".join(one.lost for one in several),
    )


def shared_by(label_sets: Sequence[Sequence[str]], by: LabelMap) -> tuple[str, ...]:
    """Classes that all label sets hold under a map, in the order of the first set."""
    found = tuple(dict.fromkeys(by.of(word) for word in label_sets[0]))
    for words in label_sets[1:]:
        found = shared(found, [by.of(word) for word in words])
    return found
