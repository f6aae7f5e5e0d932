"""ESD: ten speakers of English and ten of Mandarin, 350 texts each, five emotions.

File names: ``0011_000351.wav`` is speaker and number; numbers run through the 350 texts in neutral,
then angry, happy, sad and surprise. Folders name the emotion again: ``0011/Angry/...``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from jser.errors import InputError
from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo

TEXTS = 350
# Folder -> class, in the order of the numbers.
EMOTIONS = {
    "Neutral": "neutral",
    "Angry": "anger",
    "Happy": "happiness",
    "Sad": "sadness",
    "Surprise": "surprise",
}
MANDARIN = dict(zip((f"{k:04d}" for k in range(1, 11)), "fffmmmfmfm", strict=True))
ENGLISH = dict(zip((f"{k:04d}" for k in range(11, 21)), "mmmmfffffm", strict=True))
SPEAKERS = MANDARIN | ENGLISH
_NAME = re.compile(r"(\d{4})_(\d{6})")


class EsdEnglish(CorpusBuilder):
    """The English half, 17500 recordings."""

    LAYOUT = "ESD's file names, for example 0011/Angry/0011_000351.wav"
    INFO = CorpusInfo(
        name="esd_english",
        classes=tuple(EMOTIONS.values()),
        counts=dict.fromkeys(EMOTIONS.values(), TEXTS * len(ENGLISH)),
        speakers=ENGLISH,
        counts_by_speaker=dict.fromkeys(ENGLISH, TEXTS * len(EMOTIONS)),
        description="Ten speakers of English, 350 texts, five acted emotions.",
        citation="Zhou et al. 2022, Emotional voice conversion: Theory, databases and ESD, "
        "Speech Communication 137: 1-18",
        licence="research only, by a form to be signed",
        homepage="https://github.com/HLTSingapore/Emotional-Speech-Data",
        how_to_get="fetch it as https://github.com/HLTSingapore/Emotional-Speech-Data says",
    )

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """A recording by its name; the other language's are skipped and counted."""
        match = _NAME.fullmatch(path.stem)
        if match is None:
            return None
        speaker, number = match.groups()
        code(path, "speaker", speaker, SPEAKERS)
        index, text = divmod(int(number) - 1, TEXTS)
        if not 0 <= index < len(EMOTIONS):
            raise InputError(f"{path.name}: number {number} is none of 000001 to 001750")
        folder = list(EMOTIONS)[index]
        others = [part for part in path.parts if part in EMOTIONS and part != folder]
        if others:
            raise InputError(
                f"{path.name}: lies in {others[-1]}, but its number is of {folder}; put it there"
            )
        if speaker not in cls.INFO.speakers:  # type: ignore[operator]
            return Skipped(path, f"speaker of the language that is not in {cls.INFO.name}")
        return Utterance(path, path.stem, speaker, speaker, f"{text + 1:03d}", EMOTIONS[folder])


class EsdMandarin(EsdEnglish):
    """The Mandarin half, 17500 recordings."""

    INFO = replace(
        EsdEnglish.INFO,
        name="esd_mandarin",
        speakers=MANDARIN,
        counts_by_speaker=dict.fromkeys(MANDARIN, TEXTS * len(EMOTIONS)),
        description="Ten speakers of Mandarin, 350 texts, five acted emotions.",
    )
