"""CASIA: four Mandarin speakers, 50 sentences, six emotions; the part that is passed around.

Names are ``liuchanhg/angry/201.wav``: speaker, emotion, sentence. Copies that are sorted by emotion
are named ``201-angry-liuchanhg.wav``.
"""

from __future__ import annotations

import re
from pathlib import Path

from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo

EMOTIONS = {
    "angry": "anger",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprise": "surprise",
}
# As the folders are spelt, in lower case.
SPEAKERS = {"liuchanhg": "f", "wangzhe": "m", "zhaoquanyin": "f", "zhaozuoxiang": "m"}
SPELLINGS = {"liuchang": "liuchanhg", "liuchanhui": "liuchanhg"}
_NUMBER = re.compile(r"\d{1,3}")
_WHOLE = re.compile(r"(\d{1,3})-(\w+)-(\w+)")


class Casia(CorpusBuilder):
    """1200 recordings, six classes: all speakers say all sentences in all emotions."""

    LAYOUT = "CASIA's names, for example liuchanhg/angry/201.wav or 201-angry-liuchanhg.wav"
    INFO = CorpusInfo(
        name="casia",
        classes=tuple(EMOTIONS.values()),
        counts=dict.fromkeys(EMOTIONS.values(), 200),
        speakers=SPEAKERS,
        counts_by_speaker=dict.fromkeys(SPEAKERS, 300),
        description="Four Mandarin speakers, 50 sentences, six acted emotions.",
        citation="Institute of Automation, Chinese Academy of Sciences: CASIA-CESC",
        licence="its own: the Institute of Automation licenses it",
        homepage="http://shachi.org/resources/27",
        how_to_get="ask the Institute of Automation, Chinese Academy of Sciences, and unpack it",
    )

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """A recording in folders by speaker and emotion, or with both in its name."""
        if whole := _WHOLE.fullmatch(path.stem):
            number, emotion, speaker = whole.groups()
        elif _NUMBER.fullmatch(path.stem):
            number, emotion, speaker = path.stem, path.parent.name, path.parent.parent.name
        else:
            return None
        speaker, emotion = speaker.lower(), emotion.lower()
        speaker = code(path, "speaker", SPELLINGS.get(speaker, speaker), SPEAKERS)
        label = EMOTIONS[code(path, "emotion", emotion, EMOTIONS)]
        return Utterance(path, f"{speaker}-{emotion}-{number}", speaker, speaker, number, label)
