"""ABC, the Airplane Behaviour Corpus: acted passengers of a flight, six classes.

The naming of its files is not published, so labels come from a table that its owner writes:
``abc.csv`` with the columns file, speaker, sex and emotion.
"""

from __future__ import annotations

from pathlib import Path

from jser.errors import InputError
from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo
from jser.records.tables import find_by_table, find_tables, rows

EMOTIONS = {
    "aggressive": "aggressiveness",
    "cheerful": "cheerfulness",
    "intoxicated": "intoxication",
    "nervous": "nervousness",
    "neutral": "neutral",
    "tired": "tiredness",
}
TABLE = "abc.csv"
COLUMNS = ("file", "speaker", "sex", "emotion")
EXAMPLE = f"{TABLE} with the columns {','.join(COLUMNS)}, a line such as wav/x1.wav,s1,f,cheerful"


class Abc(CorpusBuilder):
    """Six classes, as a table gives them."""

    INFO = CorpusInfo(
        name="abc",
        classes=tuple(EMOTIONS.values()),
        counts=None,  # 430 recordings by all accounts; no source at hand for its classes.
        speakers=None,
        description="Eight German speakers acting airplane passengers, six classes.",
        citation="Schuller et al. 2007, Audiovisual Behavior Modeling, Proc. ICASSP, II-733",
        licence="not public: between you and its owners",
        homepage="none: held by its authors (Schuller et al., TU Munich)",
        how_to_get=f"ask its authors, and write {EXAMPLE}",
    )

    @classmethod
    def find(cls, corpus_dir: Path) -> list[Utterance | Skipped]:
        """Recordings that the table names, in whatever folder they lie."""
        table: dict[str, Utterance | Skipped] = {}
        for path in find_tables(corpus_dir, [TABLE], EXAMPLE):
            for line in rows(path, COLUMNS):
                stem = Path(line["file"]).stem
                if not stem or stem in table:
                    raise InputError(
                        f"{path}: the file '{line['file']}' has no name or a second line; names "
                        "without folder and suffix must be unique"
                    )
                label = EMOTIONS[code(path, f"{stem}: emotion", line["emotion"], EMOTIONS)]
                code(path, f"{stem}: sex", line["sex"], ("f", "m", ""))
                speaker = line["speaker"]
                table[stem] = Utterance(
                    path.parent / line["file"], stem, speaker, speaker, "", label, line["sex"]
                )
        return find_by_table(corpus_dir, table, lambda path: path.stem, EXAMPLE)
