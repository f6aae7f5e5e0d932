"""JL corpus: four speakers of New Zealand English, five primary and five secondary emotions.

File names: ``female1_angry_10a_2.wav`` is speaker, emotion, sentence, session (a or b), repetition.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo

PRIMARY = {
    "angry": "anger",
    "excited": "excitement",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
}
SECONDARY = {
    "anxious": "fear",  # As everywhere in jser.
    "apologetic": "apology",
    "assertive": "assertiveness",
    "concerned": "concern",
    "encouraging": "encouragement",
}
EMOTIONS = PRIMARY | SECONDARY
SPEAKERS = {"female1": "f", "female2": "f", "male1": "m", "male2": "m"}
TEXTS = tuple(str(k) for k in range(1, 16))
_NAME = re.compile(r"((?:fe)?male\d)_([a-z]+)_(\d+)([a-z])_(\d)")


class Jl(CorpusBuilder):
    """The five primary emotions, 1200 recordings."""

    LAYOUT = "the JL corpus' file names, for example female1_angry_10a_1.wav"
    INFO = CorpusInfo(
        name="jl",
        classes=tuple(PRIMARY.values()),
        counts=dict.fromkeys(PRIMARY.values(), 240),
        speakers=SPEAKERS,
        counts_by_speaker=dict.fromkeys(SPEAKERS, 300),
        description="Four speakers of New Zealand English, 15 sentences, five acted emotions.",
        citation="James, Tian and Watson 2018, An Open Source Emotional Speech Corpus for Human "
        "Robot Interaction Applications, Interspeech",
        licence="CC0",
        homepage="https://www.kaggle.com/datasets/tli725/jl-corpus",
        how_to_get="fetch https://www.kaggle.com/datasets/tli725/jl-corpus and unpack it",
    )

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """A recording by its name; emotions of `jl_all` only are skipped and counted."""
        match = _NAME.fullmatch(path.stem)
        if match is None:
            return None
        speaker, emotion, text, session, repetition = match.groups()
        label = EMOTIONS[code(path, "emotion", emotion, EMOTIONS)]
        code(path, "speaker", speaker, SPEAKERS)
        code(path, "sentence", text, TEXTS)
        code(path, "session", session, "ab")
        code(path, "repetition", repetition, "12")
        if label not in cls.INFO.classes:
            return Skipped(path, f"{label} is not in {cls.INFO.name}")
        return Utterance(path, path.stem, speaker, speaker + session, text, label)


class JlAll(Jl):
    """All ten emotions, 2400 recordings."""

    INFO = replace(
        Jl.INFO,
        name="jl_all",
        classes=tuple(EMOTIONS.values()),
        counts=dict.fromkeys(EMOTIONS.values(), 240),
        counts_by_speaker=dict.fromkeys(SPEAKERS, 600),
        description="Four speakers of New Zealand English, 15 sentences, ten acted emotions.",
    )
