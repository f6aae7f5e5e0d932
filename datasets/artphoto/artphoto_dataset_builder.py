"""ArtPhoto: 806 photographs of an art-sharing site, eight classes by what their artists meant.

Names (Machajdik and Hanbury 2010) are ``amusement_0001.jpg``: the emotion, and a number. Two of the
emotions' words in them are adjectives, content and sad.
"""

from __future__ import annotations

import re
from pathlib import Path

from jser.datasets.mikels import CLASSES, WORDS
from jser.records.builder import PictureBuilder
from jser.records.files import Utterance, code
from jser.records.info import CorpusInfo

_NAME = re.compile(r"([a-z]+)_(\d+)")


class ArtPhoto(PictureBuilder):
    """Eight classes, by name."""

    LAYOUT = "ArtPhoto's names, for example amusement_0001.jpg"
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
    def parse(cls, path: Path) -> Utterance | None:
        """A picture, named by emotion and number."""
        match = _NAME.fullmatch(path.stem.lower())
        if match is None:
            return None
        label = WORDS[code(path, "emotion", match[1], WORDS)]
        # The artists are not in the release.
        return Utterance(path, path.stem, "", "", "", label)
