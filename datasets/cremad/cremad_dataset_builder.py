"""CREMA-D, labelled by what was acted and by what listeners heard.

File names: ``1001_DFA_ANG_XX.wav`` is actor, sentence, emotion, level (low, medium, high, or XX
where none was asked for). Listeners' votes are in ``processedResults/summaryTable.csv``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from jser.errors import InputError, one_line
from jser.records import tables
from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo

EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
VOTES = {word[0]: label for word, label in EMOTIONS.items()}
TEXTS = ("DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")
LEVELS = ("LO", "MD", "HI", "XX", "X")  # One file was published as ..._X.wav until 2022.
# Sex of actors 1001 to 1091, ten a word, from the release's VideoDemographics.csv.
SEX = (
    "mfffmfffff mffmmmmfmf fmmffmmfff mmmmmmfmmm mmfmmffmfm "
    "mfffffmfmf fmfmmmmmmm mfffffmffm mfmfmmmmfm f"
)
SPEAKERS = dict(zip((str(k) for k in range(1001, 1092)), SEX.replace(" ", ""), strict=True))
NO_SOUND = "1076_MTI_SAD_XX"
TABLE = "summaryTable.csv"
_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})")
_POINTER = b"version https://git-lfs"

ACTED = CorpusInfo(
    name="cremad",
    classes=tuple(EMOTIONS.values()),
    # 1271 of each were published, neutral 1087; one of sadness has no sound.
    counts={
        "anger": 1271,
        "disgust": 1271,
        "fear": 1271,
        "happiness": 1271,
        "neutral": 1087,
        "sadness": 1270,
    },
    speakers=SPEAKERS,
    description="91 North American actors, twelve sentences, six acted emotions.",
    citation="Cao et al. 2014, IEEE Transactions on Affective Computing 5(4): 377-390",
    licence="Open Database License 1.0, contents under the Database Contents License 1.0",
    homepage="https://github.com/CheyneyComputerScience/CREMA-D",
    how_to_get="clone https://gitlab.com/cs-cooper-lab/crema-d-mirror with git-lfs installed",
)


class Cremad(CorpusBuilder):
    """The emotions that the actors were asked for."""

    LAYOUT = "CREMA-D's file names, for example AudioWAV/1001_DFA_ANG_XX.wav"
    INFO = ACTED

    @classmethod
    def find(cls, corpus_dir: Path) -> list[Utterance | Skipped]:
        """Recordings under `corpus_dir`; raises InputError where all are git-lfs pointers."""
        found = super().find(corpus_dir)
        if all(_is_pointer(entry.path) for entry in found):
            raise InputError(
                f"{corpus_dir}: its {len(found)} sound files are git-lfs pointers, lines of text "
                f"in place of the sound; fetch it with `git lfs pull`, or {cls.INFO.how_to_get}"
            )
        return found

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """A recording by its name, as acted."""
        match = _NAME.fullmatch(path.stem)
        if match is None:
            return None
        actor, text, emotion, level = match.groups()
        label = EMOTIONS[code(path, "emotion code", emotion, EMOTIONS)]
        code(path, "actor", actor, SPEAKERS)
        code(path, "sentence", text, TEXTS)
        code(path, "level", level, LEVELS)
        name = f"{actor}_{text}_{emotion}_{'XX' if level == 'X' else level}"
        if name == NO_SOUND:
            return Skipped(path, f"no sound in {NO_SOUND}, as its authors say")
        return Utterance(path, name, actor, actor, text, label)


class CremadPerceived(Cremad):
    """The emotion that most listeners heard in the voice alone; ties are left out."""

    INFO = replace(
        ACTED,
        name="cremad_perceived",
        counts=None,
        description="CREMA-D's recordings, labelled by the vote of listeners to the voice alone.",
        how_to_get=f"{ACTED.how_to_get}, and give the folder that holds AudioWAV and "
        f"processedResults/{TABLE}",
    )

    @classmethod
    def find(cls, corpus_dir: Path) -> list[Utterance | Skipped]:
        """As acted, but with the listeners' labels; raises InputError without their table."""
        found = super().find(corpus_dir)
        votes = _voice_votes(corpus_dir, cls.INFO.how_to_get)
        return [cls._heard(e, votes) if isinstance(e, Utterance) else e for e in found]

    @staticmethod
    def _heard(acted: Utterance, votes: dict[str, str]) -> Utterance | Skipped:
        vote = votes.get(acted.utterance_id)
        if vote is None:
            return Skipped(acted.path, f"no votes of listeners in {TABLE}")
        if ":" in vote:
            return Skipped(acted.path, "tie between listeners' votes")
        return replace(acted, label=VOTES[vote])


def _voice_votes(corpus_dir: Path, how_to_get: str) -> dict[str, str]:
    """Utterance -> letters of the emotions with most votes: ``A``, or ``A:N`` where two tie."""
    expected = f"CREMA-D's processedResults/{TABLE}; {how_to_get}"
    path = tables.find_tables(corpus_dir, [TABLE], expected)[0]
    votes = {}
    for row in tables.rows(path, ("FileName", "VoiceVote")):
        name, vote = row["FileName"], row["VoiceVote"]
        for letter in vote.split(":"):
            code(path, f"vote on {one_line(name)}", letter, VOTES)
        votes[name] = vote
    return votes


def _is_pointer(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except OSError:  # Decoding says what is wrong with it.
        return False
