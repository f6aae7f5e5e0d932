"""EMOVO: six Italian actors, fourteen sentences, seven emotions.

File names: ``dis-f1-b1.wav`` is emotion (disgusto, gioia, neutro, paura, rabbia, sorpresa,
tristezza), speaker, sentence.
"""

from __future__ import annotations

import re
from pathlib import Path

from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo

EMOTIONS = {
    "dis": "disgust",
    "gio": "happiness",
    "neu": "neutral",
    "pau": "fear",
    "rab": "anger",
    "sor": "surprise",
    "tri": "sadness",
}
SPEAKERS = {"f1": "f", "f2": "f", "f3": "f", "m1": "m", "m2": "m", "m3": "m"}
# Short, long, nonsense, questions.
TEXTS = ("b1", "b2", "b3", "l1", "l2", "l3", "l4", "n1", "n2", "n3", "n4", "n5", "d1", "d2")
_NAME = re.compile(r"([a-z]{3})-([a-z]\d)-([a-z]\d)")


class Emovo(CorpusBuilder):
    """The 588 recordings, seven classes."""

    LAYOUT = "EMOVO's file names, for example f1/dis-f1-b1.wav"
    INFO = CorpusInfo(
        name="emovo",
        classes=tuple(EMOTIONS.values()),
        counts=dict.fromkeys(EMOTIONS.values(), 84),
        speakers=SPEAKERS,
        counts_by_speaker=dict.fromkeys(SPEAKERS, 98),
        description="Six Italian actors, fourteen sentences, seven acted emotions.",
        citation="Costantini et al. 2014, EMOVO Corpus: an Italian Emotional Speech Database, LREC",
        licence="not stated where we looked; ask its authors",
        homepage="http://www.lrec-conf.org/proceedings/lrec2014/summaries/591.html",
        how_to_get="fetch it from its authors, or from https://dagshub.com/kingabzpro/EMOVO, "
        "and unpack it",
    )

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """A recording by its name, in any folder."""
        match = _NAME.fullmatch(path.stem)
        if match is None:
            return None
        emotion, speaker, text = match.groups()
        label = EMOTIONS[code(path, "emotion code", emotion, EMOTIONS)]
        code(path, "speaker", speaker, SPEAKERS)
        code(path, "sentence", text, TEXTS)
        return Utterance(path, path.stem, speaker, speaker, text, label)
