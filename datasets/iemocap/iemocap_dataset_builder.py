"""IEMOCAP: five sessions of two actors, labelled turn by turn; five selections of its classes.

Layout (Busso et al. 2008): recordings in ``Session1/sentences/wav/Ses01F_impro01/`` are named
``Ses01F_impro01_M003.wav``: session 01, the woman wears the markers, improvisation 01, turn 003 of
the man. Labels are in ``Session1/dialog/EmoEvaluation/Ses01F_impro01.txt``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from jser.errors import InputError
from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo
from jser.records.tables import find_by_table, find_tables

EMOTIONS = {
    "ang": "anger",
    "dis": "disgust",
    "exc": "excitement",
    "fea": "fear",
    "fru": "frustration",
    "hap": "happiness",
    "neu": "neutral",
    "sad": "sadness",
    "sur": "surprise",
}
UNUSED = {"oth": "another emotion", "xxx": "annotators do not agree"}
SPEAKERS = {f"Ses{session:02d}{sex}": sex.lower() for session in range(1, 6) for sex in "FM"}
LAYOUT = (
    "IEMOCAP's names, for example Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
)
LABELS = "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt and so on; give IEMOCAP_full_release"
# The F or M before the dialogue wears the markers; the one before the number speaks.
_TURN = re.compile(r"Ses(\d\d)[FM]_((impro|script)\w+?)[a-z]?_([FM])\d+")
_LINE = re.compile(r"\[\d+\.\d+ - \d+\.\d+\]\s+(\S+)\s+(\S+)\s+\[.*\]\s*")
FOUR = ("anger", "happiness", "neutral", "sadness")

MERGED = CorpusInfo(
    name="iemocap_5531",
    classes=FOUR,
    counts={"anger": 1103, "happiness": 1636, "neutral": 1708, "sadness": 1084},
    speakers=SPEAKERS,
    description="Four classes of IEMOCAP, happiness with excitement; scripted and improvised.",
    citation="Busso et al. 2008, IEMOCAP, Language Resources and Evaluation 42: 335-359",
    licence="its own: research only, signed for, not passed on",
    homepage="https://sail.usc.edu/iemocap/",
    how_to_get="ask for IEMOCAP_full_release at https://sail.usc.edu/iemocap/ and unpack it",
)


class Iemocap5531(CorpusBuilder):
    """Anger, happiness with excitement, neutral, sadness; all turns."""

    INFO = MERGED
    MERGE: ClassVar[dict[str, str]] = {"excitement": "happiness"}
    IMPROVISED_ONLY: ClassVar[bool] = False

    @classmethod
    def find(cls, corpus_dir: Path) -> list[Utterance | Skipped]:
        """Turns that the evaluation files label with the corpus' classes."""
        lines = [
            (path, match[1], match[2])
            for path in find_tables(corpus_dir, ["EmoEvaluation/Ses*.txt"], LABELS)
            for match in map(_LINE.fullmatch, path.read_text("utf-8", "replace").splitlines())
            if match
        ]
        table = {turn: cls._entry(path, turn, label) for path, turn, label in lines}
        return find_by_table(corpus_dir, table, lambda path: path.stem, LAYOUT)

    @classmethod
    def _entry(cls, labels: Path, turn: str, word: str) -> Utterance | Skipped:
        match = _TURN.fullmatch(turn)
        if match is None:
            raise InputError(f"{labels}: '{turn}' is no turn of IEMOCAP; fetch the file again")
        session, scene, kind, speaker_sex = match.groups()
        folder = turn.rpartition("_")[0]
        root = labels.parent.parent.parent
        path = root / "sentences" / "wav" / folder / f"{turn}.wav"
        code(labels, f"{turn}: emotion", word, [*EMOTIONS, *UNUSED])
        if word in UNUSED:
            return Skipped(path, UNUSED[word])
        label = cls.MERGE.get(EMOTIONS[word], EMOTIONS[word])
        if label not in cls.INFO.classes:
            return Skipped(path, f"{label} is not in {cls.INFO.name}")
        if cls.IMPROVISED_ONLY and kind != "impro":
            return Skipped(path, "scripted")
        speaker = f"Ses{session}{speaker_sex}"
        code(labels, f"{turn}: speaker", speaker, SPEAKERS)
        # A script is read in all sessions; what is improvised is said once.
        text = scene if kind == "script" else ""
        return Utterance(path, turn, speaker, f"Session{int(session)}", text, label)


class Iemocap4490(Iemocap5531):
    """Anger, happiness without excitement, neutral, sadness; all turns."""

    INFO = replace(
        MERGED,
        name="iemocap_4490",
        counts={"anger": 1103, "happiness": 595, "neutral": 1708, "sadness": 1084},
        description="Four classes of IEMOCAP, excitement left out; scripted and improvised.",
    )
    MERGE: ClassVar[dict[str, str]] = {}


class Iemocap2943(Iemocap5531):
    """Anger, happiness with excitement, neutral, sadness; improvised turns."""

    INFO = replace(
        MERGED,
        name="iemocap_2943",
        counts={"anger": 289, "happiness": 947, "neutral": 1099, "sadness": 608},
        description="Four classes of IEMOCAP, happiness with excitement; improvised only.",
    )
    IMPROVISED_ONLY = True


class Iemocap2280(Iemocap4490):
    """Anger, happiness without excitement, neutral, sadness; improvised turns."""

    INFO = replace(
        MERGED,
        name="iemocap_2280",
        counts={"anger": 289, "happiness": 284, "neutral": 1099, "sadness": 608},
        description="Four classes of IEMOCAP, excitement left out; improvised only.",
    )
    IMPROVISED_ONLY = True


class Iemocap7380(Iemocap4490):
    """Six classes, excitement and frustration among them; all turns."""

    INFO = replace(
        MERGED,
        name="iemocap_7380",
        classes=("anger", "excitement", "frustration", "happiness", "neutral", "sadness"),
        counts={
            "anger": 1103,
            "excitement": 1041,
            "frustration": 1849,
            "happiness": 595,
            "neutral": 1708,
            "sadness": 1084,
        },
        description="Six classes of IEMOCAP; scripted and improvised.",
    )
