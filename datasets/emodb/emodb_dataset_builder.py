"""EMO-DB, whole, in four classes, and cut to the first two seconds.

File names (Burkhardt et al. 2005): ``03a01Fa.wav`` is speaker 03, sentence a01, emotion F (Freude,
happiness), version a.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from jser.records import download
from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo

URL = "http://emodb.bilderbar.info/download/download.zip"

# Letters of the German words: Wut, Langeweile, Ekel, Angst, Freude, Trauer, neutral.
EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
COUNTS = {
    "anger": 127,
    "boredom": 81,
    "disgust": 46,
    "fear": 69,
    "happiness": 71,
    "sadness": 62,
    "neutral": 79,
}
SPEAKERS = {
    "03": "m",
    "08": "f",
    "09": "f",
    "10": "m",
    "11": "m",
    "12": "m",
    "13": "f",
    "14": "f",
    "15": "m",
    "16": "f",
}
TEXTS = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")
_NAME = re.compile(r"(\d\d)([a-z]\d\d)([A-Z])([a-z]?)")

WHOLE = CorpusInfo(
    name="emodb",
    classes=tuple(COUNTS),
    counts=COUNTS,
    speakers=SPEAKERS,
    counts_by_speaker=dict(zip(SPEAKERS, (49, 58, 43, 38, 55, 35, 61, 69, 56, 71), strict=True)),
    some_longer_than=2.5,  # Copies cut to 2 s are about.
    description="Ten German actors, ten sentences, seven acted emotions.",
    citation="Burkhardt et al. 2005, A Database of German Emotional Speech, Interspeech",
    licence="CC0 1.0 (audb release); free to use, as its authors say",
    homepage="http://emodb.bilderbar.info/",
    how_to_get=f"fetch {URL} and unpack it",
)
FOUR = ("anger", "happiness", "neutral", "sadness")


class Emodb(CorpusBuilder):
    """All 535 recordings, seven classes."""

    LAYOUT = "EMO-DB's file names, for example wav/03a01Fa.wav (speaker, text, emotion, version)"
    INFO = WHOLE
    SOURCE_URL: ClassVar[str] = URL

    @classmethod
    def fetch(cls, folder: Path) -> Path:
        """Download the corpus; the three EMO-DB corpora share one copy."""
        return download.zip_archive(cls.SOURCE_URL, folder.parent / "emodb", cls.INFO.name)

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """A recording by its name, in any folder."""
        match = _NAME.fullmatch(path.stem)
        if match is None:
            return None
        speaker, text, letter, _ = match.groups()
        label = EMOTIONS[code(path, "emotion code", letter, EMOTIONS)]
        code(path, "speaker", speaker, SPEAKERS)
        code(path, "text", text, TEXTS)
        if label not in cls.INFO.classes:
            return Skipped(path, f"{label} is not in {cls.INFO.name}")
        return Utterance(path, path.stem, speaker, speaker, text, label)


class Emodb4Class(Emodb):
    """Anger, happiness, neutral and sadness: the 339 recordings that many papers use."""

    INFO = replace(
        WHOLE,
        name="emodb_4class",
        classes=FOUR,
        counts={name: COUNTS[name] for name in FOUR},
        counts_by_speaker=dict(
            zip(SPEAKERS, (39, 42, 30, 21, 35, 22, 36, 41, 34, 39), strict=True)
        ),
        description="The anger, happiness, neutral and sadness recordings of EMO-DB.",
    )


class EmodbFirst2s(Emodb):
    """All 535 recordings, each cut to its first two seconds."""

    INFO = replace(
        WHOLE,
        name="emodb_first2s",
        max_seconds=2.0,
        some_longer_than=None,
        note="recordings cut to their first 2 s; not comparable with published EMO-DB figures",
        description="All seven classes of EMO-DB, every recording cut to its first 2 s.",
    )
