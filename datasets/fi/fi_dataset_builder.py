"""FI (Flickr and Instagram): photographs from the web, eight classes, labelled by crowd workers.

Layout (You et al. 2016): ``amusement/NAME.jpg``, a folder an emotion, at any depth. The links of
the published lists die, so copies differ in number and no counts are checked. Where a table
``fi.csv`` with the columns picture and split lies in the folder, the corpus is what it lists.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jser.datasets.mikels import CLASSES, WORDS
from jser.errors import InputError
from jser.records.builder import PictureBuilder
from jser.records.files import Skipped, Utterance, split_name
from jser.records.info import CorpusInfo
from jser.records.tables import find_by_table, rows, tables_in

TABLE = "fi.csv"
COLUMNS = ("picture", "split")


class Fi(PictureBuilder):
    """Eight classes, by folder."""

    LAYOUT = "a folder an emotion, for example amusement/NAME.jpg"
    INFO = CorpusInfo(
        name="fi",
        classes=CLASSES,
        counts=None,  # 23,308 published, 23,164 in Zhu et al. 2017: whichever links were alive.
        speakers=None,
        description="Photographs of Flickr and Instagram, eight emotions that crowd workers saw.",
        citation="You et al. 2016, Building a large scale dataset for image emotion, Proc. AAAI",
        licence="its photographers'; the lists are for research",
        homepage="https://qzyou.github.io",
        how_to_get="ask its authors for the lists (https://qzyou.github.io), fetch the pictures",
    )

    @classmethod
    def find(cls, corpus_dir: Path) -> list[Utterance | Skipped]:
        """Pictures in folders named after emotions; of these, those that the table lists."""
        found = super().find(corpus_dir)
        tables = tables_in(corpus_dir, [TABLE])
        if not tables:
            return found
        table: dict[str, Utterance | Skipped] = {}
        for path in tables:
            for line in rows(path, COLUMNS):
                entry = cls.parse(path.parent / line["picture"])
                if entry is None or entry.utterance_id in table:
                    raise InputError(
                        f"{path}: the picture '{line['picture']}' has a second line or is not "
                        "EMOTION/NAME.jpg with one of the eight emotions; correct it"
                    )
                split = split_name(path, line["split"])
                table[entry.utterance_id] = replace(entry, split=split)
        return find_by_table(corpus_dir, table, cls._id, cls.LAYOUT, cls.FILES)

    @classmethod
    def _id(cls, path: Path) -> str | None:
        emotion = WORDS.get(path.parent.name.lower())
        return None if emotion is None else f"{emotion}/{path.stem}"

    @classmethod
    def parse(cls, path: Path) -> Utterance | None:
        """A picture by its folder."""
        name = cls._id(path)
        if name is None:
            return None
        # Who took a picture is not in the release, nor whether two are of one series.
        return Utterance(path, name, "", "", "", name.partition("/")[0])
