"""URDU: talk shows, four emotions.

File names: ``SM1_F10_A010.wav`` is speaker (SM a man, SF a woman), the speaker's file, emotion and
number.
"""

from __future__ import annotations

import re
from pathlib import Path

from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo

EMOTIONS = {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness"}
# As published: there is no SM8 to SM16.
COUNTS_BY_SPEAKER = {
    "SF1": 12,
    "SF2": 2,
    "SF3": 2,
    "SF4": 4,
    "SF5": 4,
    "SF6": 14,
    "SF7": 6,
    "SF8": 2,
    "SF9": 4,
    "SF10": 2,
    "SF11": 4,
    "SM1": 22,
    "SM2": 28,
    "SM3": 12,
    "SM4": 48,
    "SM5": 80,
    "SM6": 14,
    "SM7": 28,
    "SM17": 2,
    "SM18": 2,
    "SM19": 2,
    "SM20": 10,
    "SM21": 4,
    "SM22": 2,
    "SM23": 6,
    "SM24": 38,
    "SM25": 40,
    "SM26": 2,
    "SM27": 4,
}
SPEAKERS = {speaker: speaker[1].lower() for speaker in COUNTS_BY_SPEAKER}
_NAME = re.compile(r"(S[FM]\d+)_F\d+_([A-Z])\d+")


class Urdu(CorpusBuilder):
    """The 400 recordings, four classes."""

    LAYOUT = "URDU's file names, for example Angry/SM1_F10_A010.wav"
    INFO = CorpusInfo(
        name="urdu",
        classes=tuple(EMOTIONS.values()),
        counts=dict.fromkeys(EMOTIONS.values(), 100),
        speakers=SPEAKERS,
        counts_by_speaker=COUNTS_BY_SPEAKER,
        description="Urdu talk shows, 29 speakers, four emotions.",
        citation="Latif et al. 2018, Cross Lingual Speech Emotion Recognition: Urdu vs. Western "
        "Languages, FIT: 88-93",
        licence="research only, as its authors say",
        homepage="https://github.com/siddiquelatif/URDU-Dataset",
        how_to_get="clone https://github.com/siddiquelatif/URDU-Dataset",
    )

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """A recording by its name, in any folder."""
        match = _NAME.fullmatch(path.stem)
        if match is None:
            return None
        speaker, emotion = match.groups()
        label = EMOTIONS[code(path, "emotion code", emotion, EMOTIONS)]
        code(path, "speaker", speaker, SPEAKERS)
        return Utterance(path, path.stem, speaker, speaker, "", label)
