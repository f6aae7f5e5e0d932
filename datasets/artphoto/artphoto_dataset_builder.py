"""ArtPhoto: 806 photographs of an art-sharing site, eight classes by what their artists meant.

Names (Machajdik and Hanbury 2010) are ``amusement_0001.jpg``: the emotion, and a number. Two of the
emotions' words in them are adjectives, content and sad.
"""

from __future__ import annotations

import re
from pathlib import Path

from jser.datasets.mikels import CLASSES, WORDS
from jser.records.builder import PictureBuilder
from jser.records.files import PICTURE_FILES, Skipped, Utterance, code, find_by_name
from jser.records.info import CorpusInfo

LAYOUT = "ArtPhoto's names, for example amusement_0001.jpg"
_NAME = re.compile(r"([a-z]+)_(\d+)")


class ArtPhoto(PictureBuilder):
    """Eight classes, by name."""

    INFO = CorpusInfo(
        name="artphoto",
        classes=CLASSES,
        counts=None,  # 806 in all; no source at hand for its classes.
        speakers=None,
        description="Photographs of an art-sharing site, eight emotions meant by their artists.",
        citation="Machajdik and Hanbury 2010, Affective image classification, Proc. ACM MM, 83-92",
        licence="its photographers'; for research",
        homepage="http://www.imageemotion.org",
        how_to_get="fetch testImages_artphoto.zip from http://www.imageemotion.org and unpack it",
    )

    @classmethod
    def find(cls, corpus_dir: Path) -> list[Utterance | Skipped]:
        """Pictures under `corpus_dir`, named by emotion and number."""
        return find_by_name(corpus_dir, cls._parse, LAYOUT, PICTURE_FILES)

    @classmethod
    def _parse(cls, path: Path) -> Utterance | None:
        match = _NAME.fullmatch(path.stem.lower())
        if match is None:
            return None
        label = WORDS[code(path, "emotion", match[1], WORDS)]
        # The artists are not in the release.
        return Utterance(path, path.stem, "", "", "", label)
