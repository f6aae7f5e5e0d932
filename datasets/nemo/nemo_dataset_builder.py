"""nEMO: nine Polish actors, ninety sentences, six emotions.

File names: ``EB0_anger_1.wav`` is speaker, emotion, sentence.
"""

from __future__ import annotations

import re
from pathlib import Path

from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo

EMOTIONS = {
    "anger": "anger",
    "fear": "fear",
    "happiness": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
    "surprised": "surprise",
}
SPEAKERS = {
    "EB0": "f",
    "IC0": "f",
    "KD0": "f",
    "KS0": "m",
    "MK0": "f",
    "MP0": "m",
    "SM0": "m",
    "TP0": "m",
    "WR0": "m",
}
TEXTS = tuple(str(k) for k in range(1, 91))
_NAME = re.compile(r"([A-Z]{2}\d)_([a-z]+)_(\d+)")


class Nemo(CorpusBuilder):
    """The 4481 recordings, six classes."""

    LAYOUT = "nEMO's file names, for example samples/EB0_anger_1.wav"
    INFO = CorpusInfo(
        name="nemo",
        classes=tuple(EMOTIONS.values()),
        counts={
            "anger": 749,
            "fear": 736,
            "happiness": 749,
            "neutral": 809,
            "sadness": 769,
            "surprise": 669,
        },
        speakers=SPEAKERS,
        description="Nine Polish actors, ninety sentences, six acted emotions.",
        citation="Christop 2024, nEMO: Dataset of Emotional Speech in Polish, LREC-COLING",
        licence="CC BY-NC-SA 4.0",
        homepage="https://github.com/amu-cai/nEMO",
        how_to_get="clone https://github.com/amu-cai/nEMO",
    )

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """A recording by its name, in any folder."""
        match = _NAME.fullmatch(path.stem)
        if match is None:
            return None
        speaker, emotion, text = match.groups()
        label = EMOTIONS[code(path, "emotion", emotion, EMOTIONS)]
        code(path, "speaker", speaker, SPEAKERS)
        code(path, "sentence", text, TEXTS)
        return Utterance(path, path.stem, speaker, speaker, text, label)
