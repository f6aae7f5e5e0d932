"""TESS: two actresses, 200 words, seven emotions.

File names: ``OAF_back_angry.wav`` is speaker (OAF is 64, YAF 26 years old), word, emotion; ``ps``
is pleasant surprise.
"""

from __future__ import annotations

import re
from pathlib import Path

from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo

EMOTIONS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "ps": "surprise",
    "sad": "sadness",
}
SPEAKERS = {"OAF": "f", "YAF": "f"}
MISSPELT = {"OA": "OAF"}  # OA_bite_neutral.wav, as published
_NAME = re.compile(r"([A-Z]{2,3})_([A-Za-z]+)_([a-z]+)")


class Tess(CorpusBuilder):
    """The 2800 recordings, seven classes."""

    LAYOUT = "TESS' file names, for example OAF_angry/OAF_back_angry.wav"
    INFO = CorpusInfo(
        name="tess",
        classes=tuple(EMOTIONS.values()),
        counts=dict.fromkeys(EMOTIONS.values(), 400),
        speakers=SPEAKERS,
        counts_by_speaker=dict.fromkeys(SPEAKERS, 1400),
        description='Two Toronto actresses, "Say the word ..." with 200 words, seven emotions.',
        citation="Pichora-Fuller and Dupuis 2020, Toronto emotional speech set (TESS), Borealis",
        licence="CC BY-NC-ND 4.0",
        homepage="https://doi.org/10.5683/SP2/E8H2MF",
        how_to_get="fetch it from https://doi.org/10.5683/SP2/E8H2MF and unpack it",
    )

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """A recording by its name, in any folder."""
        match = _NAME.fullmatch(path.stem)
        if match is None:
            return None
        prefix, word, emotion = match.groups()
        label = EMOTIONS[code(path, "emotion", emotion, EMOTIONS)]
        speaker = code(path, "speaker", MISSPELT.get(prefix, prefix), SPEAKERS)
        return Utterance(path, f"{speaker}_{word}_{emotion}", speaker, speaker, word.lower(), label)
