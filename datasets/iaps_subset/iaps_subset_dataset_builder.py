"""IAPS-Subset: 395 pictures of the IAPS in the eight classes of Mikels et al. 2005.

Pictures have their IAPS numbers for names, ``1050.jpg`` or ``2345.1.jpg``. Labels come from a table
that the pictures' user writes: ``iaps_subset.csv`` with the columns picture and emotion.
"""

from __future__ import annotations

import re
from pathlib import Path

from jser.datasets.mikels import CLASSES, WORDS
from jser.errors import InputError
from jser.records.builder import PictureBuilder
from jser.records.files import PICTURE_FILES, Skipped, Utterance, code
from jser.records.info import CorpusInfo
from jser.records.tables import find_by_table, find_tables, rows

TABLE = "iaps_subset.csv"
COLUMNS = ("picture", "emotion")
EXAMPLE = f"{TABLE} with the columns {','.join(COLUMNS)}, a line such as 1050,fear"
_NUMBER = re.compile(r"(\d{4}(?:\.\d)?)(?:\.(?:jpe?g|bmp|png|tiff?))?", re.IGNORECASE)


class IapsSubset(PictureBuilder):
    """Eight classes, as a table gives them; pictures without a line are left out."""

    INFO = CorpusInfo(
        name="iaps_subset",
        classes=CLASSES,
        counts=None,  # 395 in all by later papers; no source at hand for its classes.
        speakers=None,
        description="Pictures of the IAPS, eight emotions by ratings.",
        citation="Mikels et al. 2005, Emotional category data on images from the IAPS, Behavior "
        "Research Methods 37(4): 626-630",
        licence="the IAPS' own: for academic research on request, not passed on, not published",
        homepage="https://csea.phhp.ufl.edu",
        how_to_get=f"ask for the IAPS at https://csea.phhp.ufl.edu, and write {EXAMPLE}",
    )

    @classmethod
    def find(cls, corpus_dir: Path) -> list[Utterance | Skipped]:
        """Pictures that the table names, in whatever folder they lie."""
        table: dict[str, Utterance | Skipped] = {}
        for path in find_tables(corpus_dir, [TABLE], EXAMPLE, PICTURE_FILES):
            for line in rows(path, COLUMNS):
                match = _NUMBER.fullmatch(line["picture"])
                if match is None or match[1] in table:
                    raise InputError(
                        f"{path}: the picture '{line['picture']}' is no number of the IAPS, such "
                        "as 1050 or 2345.1, or has a second line; correct it"
                    )
                number = match[1]
                word = code(path, f"{number}: emotion", line["emotion"].lower(), WORDS)
                table[number] = Utterance(
                    path.parent / f"{number}.jpg", number, "", "", "", WORDS[word]
                )
        return find_by_table(corpus_dir, table, lambda path: path.stem, EXAMPLE, PICTURE_FILES)
