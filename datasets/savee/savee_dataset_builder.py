"""SAVEE: four English men, seven classes.

Names in the release are ``AudioData/DC/a01.wav``: speaker DC, anger, sentence 1. Copies that lie in
one folder are named ``DC_a01.wav``.
"""

from __future__ import annotations

import re
from pathlib import Path

from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo

EMOTIONS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}
SPEAKERS = {"DC": "m", "JE": "m", "JK": "m", "KL": "m"}
# The first sentences of each emotion but neutral are the same three.
COMMON = ("01", "02", "03")
_NAME = re.compile(r"(?:([A-Z]{2})_)?([a-z]{1,2})(\d\d)")


class Savee(CorpusBuilder):
    """All 480 recordings, seven classes."""

    LAYOUT = "SAVEE's names, for example AudioData/DC/a01.wav or DC_a01.wav"
    INFO = CorpusInfo(
        name="savee",
        classes=tuple(EMOTIONS.values()),
        counts={name: 120 if name == "neutral" else 60 for name in EMOTIONS.values()},
        speakers=SPEAKERS,
        counts_by_speaker=dict.fromkeys(SPEAKERS, 120),
        description="Four English men, 15 sentences an emotion, seven acted emotions.",
        citation="Haq and Jackson 2010, in Machine Audition, IGI Global, 398-423",
        licence="its own: free for research, after registration",
        homepage="http://kahlan.eps.surrey.ac.uk/savee/",
        how_to_get="register at http://kahlan.eps.surrey.ac.uk/savee/ and unpack AudioData.zip",
    )

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """A recording in a folder by speaker, or with the speaker in its name."""
        match = _NAME.fullmatch(path.stem)
        if match is None:
            return None
        speaker, letters, number = match.groups()
        speaker = code(path, "speaker", speaker or path.parent.name, SPEAKERS)
        label = EMOTIONS[code(path, "emotion code", letters, EMOTIONS)]
        name = f"{speaker}_{letters}{number}"
        return Utterance(path, name, speaker, speaker, _sentence(letters, number), label)


def _sentence(letters: str, number: str) -> str:
    if letters == "n":
        return ""  # The common and the emotions' own sentences again, in an order not known here.
    return f"common{number}" if number in COMMON else f"{letters}{number}"
