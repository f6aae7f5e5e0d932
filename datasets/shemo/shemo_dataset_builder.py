"""ShEMO: Persian radio plays, six emotions by vote of twelve listeners.

File names: ``F03S02.wav`` is sex and number of the speaker, emotion, number of the recording.
"""

from __future__ import annotations

import re
from pathlib import Path

from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo

EMOTIONS = {
    "A": "anger",
    "F": "fear",
    "H": "happiness",
    "N": "neutral",
    "S": "sadness",
    "W": "surprise",
}
_NAME = re.compile(r"([A-Z])(\d\d)([A-Z])(\d+)")


class Shemo(CorpusBuilder):
    """All recordings, six classes."""

    LAYOUT = "ShEMO's file names, for example female/F03S02.wav"
    INFO = CorpusInfo(
        name="shemo",
        classes=tuple(EMOTIONS.values()),
        counts=None,  # 3000 in all; by class the names of the sounds differ from the paper's.
        speakers=None,
        description="Persian radio plays, 87 speakers, six emotions.",
        citation="Mohamad Nezami et al. 2019, Language Resources and Evaluation 53(1): 1-16",
        licence="free for academic purposes, as its authors say",
        homepage="https://github.com/pariajm/sharif-emotional-speech-database",
        how_to_get="fetch female.zip and male.zip as "
        "https://github.com/pariajm/sharif-emotional-speech-database says, and unpack them",
    )

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """A recording by its name, in any folder."""
        match = _NAME.fullmatch(path.stem)
        if match is None:
            return None
        sex, number, emotion, _ = match.groups()
        label = EMOTIONS[code(path, "emotion code", emotion, EMOTIONS)]
        sex = code(path, "sex", sex, "FM")
        speaker = sex + number
        return Utterance(path, path.stem, speaker, speaker, "", label, sex=sex.lower())
