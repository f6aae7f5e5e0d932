"""eNTERFACE'05: 43 subjects, five reactions to each of six emotions.

Folders say what a recording is: ``subject 1/anger/sentence 1/s1_an_1.wav``. File names do not:
some are misspelt, and all of subject 11 are named as subject 12's.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from jser.errors import InputError
from jser.records.builder import CorpusBuilder
from jser.records.files import SUFFIXES, Skipped, Utterance, code
from jser.records.info import CorpusInfo

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
NOT_CUT = "6"  # One recording an emotion, a minute or more each.
SPEAKERS = tuple(str(k) for k in range(1, 45) if str(k) != NOT_CUT)
FFMPEG = "ffmpeg -i X.avi -vn X.wav"
_FOLDERS = re.compile(r".*/subject[ _-]?(\d+)/(.+)")
_WITHIN = re.compile(r"([a-z]+)/sentence[ _-]?(\d+)/[^/]+")


class Enterface(CorpusBuilder):
    """The 1287 recordings that are cut into sentences, six classes."""

    LAYOUT = "eNTERFACE'05's folders, for example subject 1/anger/sentence 1/s1_an_1.wav"
    INFO = CorpusInfo(
        name="enterface",
        classes=CLASSES,
        # Subject 23 lacks three recordings of happiness.
        counts={label: 212 if label == "happiness" else 215 for label in CLASSES},
        speakers=None,  # Sex is not published.
        counts_by_speaker={speaker: 27 if speaker == "23" else 30 for speaker in SPEAKERS},
        description="43 people of many nations, in English, five reactions to six emotions.",
        citation="Martin et al. 2006, The eNTERFACE'05 Audio-Visual Emotion Database, ICDEW",
        licence="MIT, as its authors say",
        homepage="https://enterface.net/enterface05/emotion.html",
        how_to_get="fetch project2_database.zip from "
        "https://enterface.net/enterface05/emotion.html, unpack it and take the sound out of "
        f"every video: {FFMPEG}",
    )

    @classmethod
    def find(cls, corpus_dir: Path) -> list[Utterance | Skipped]:
        """Recordings under `corpus_dir`; raises InputError where there are only videos."""
        suffixes = Counter(path.suffix.lower() for path in corpus_dir.rglob("*"))
        if suffixes[".avi"] and not any(suffixes[sound] for sound in SUFFIXES):
            raise InputError(
                f"{corpus_dir}: {suffixes['.avi']} videos and no sound file; take the sound out of "
                f"every video, under the same name: {FFMPEG}"
            )
        return super().find(corpus_dir)

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """A recording by its folders."""
        match = _FOLDERS.fullmatch(path.absolute().as_posix())
        if match is None:
            return None
        subject, below = match.groups()
        if subject == NOT_CUT:
            return Skipped(path, f"subject {NOT_CUT} is not cut into sentences")
        within = _WITHIN.fullmatch(below)
        if within is None:
            return None
        label, sentence = within.groups()
        code(path, "subject", subject, SPEAKERS)
        code(path, "emotion", label, CLASSES)
        code(path, "sentence", sentence, "12345")
        # Every emotion has its own five reactions.
        text = f"{label}_{sentence}"
        return Utterance(path, f"s{subject}_{text}", subject, subject, text, label)
