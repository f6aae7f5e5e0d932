"""MSP-Podcast: turns of published podcasts, eight classes, with its own train, dev and test parts.

Layout (Lotfian and Busso 2019; releases of the 1.x series and 2.0): recordings
``Audios/MSP-PODCAST_0001_0008.wav`` (podcast 0001, turn 0008); labels in
``Labels/labels_consensus.csv`` or ``.json``. Classes, speakers and parts grow from release to
release, so no counts are checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from jser.errors import InputError
from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code, split_name
from jser.records.info import CorpusInfo
from jser.records.tables import find_by_table, find_tables, rows

EMOTIONS = {
    "A": "anger",
    "S": "sadness",
    "H": "happiness",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "N": "neutral",
}
UNUSED = {"O": "another emotion", "X": "annotators do not agree"}
SEX = {"female": "f", "male": "m"}
UNKNOWN = ("", "unknown")
COLUMNS = ("FileName", "EmoClass", "SpkrID", "Gender", "Split_Set")
LABELS = "labels_consensus"
LAYOUT = "MSP-Podcast's names, for example Audios/MSP-PODCAST_0001_0008.wav"
_NAME = re.compile(r"MSP-(?:PODCAST|Podcast)_(\d+)_\w+")


class MspPodcast(CorpusBuilder):
    """Eight classes; turns without agreement or with another emotion are left out."""

    INFO = CorpusInfo(
        name="msp_podcast",
        classes=tuple(EMOTIONS.values()),
        counts=None,
        speakers=None,
        description="Turns of published podcasts, eight perceived emotions.",
        citation="Lotfian and Busso 2019, IEEE Trans. Affective Computing 10(4): 471-483",
        licence="its own: academic licence signed with UT Dallas, not passed on",
        homepage="https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html",
        how_to_get="ask for a licence at the homepage, and unpack Audios and Labels",
    )

    @classmethod
    def find(cls, corpus_dir: Path) -> list[Utterance | Skipped]:
        """Turns in the consensus table, in whatever folder their recordings lie."""
        # The first will do: a release holds the same table in both forms.
        path = find_tables(corpus_dir, [f"{LABELS}.csv", f"{LABELS}.json"], f"{LABELS}.csv")[0]
        table = {Path(line["FileName"]).stem: cls._entry(path, line) for line in _lines(path)}
        return find_by_table(corpus_dir, table, lambda path: path.stem, LAYOUT)

    @classmethod
    def _entry(cls, labels: Path, line: Mapping[str, str]) -> Utterance | Skipped:
        path = labels.parent.parent / "Audios" / line["FileName"]
        name = path.stem
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(f"{labels}: '{line['FileName']}' is no name of MSP-Podcast")
        letter = code(labels, f"{name}: EmoClass", line["EmoClass"], [*EMOTIONS, *UNUSED])
        if letter in UNUSED:
            return Skipped(path, UNUSED[letter])
        label = EMOTIONS[letter]
        if label not in cls.INFO.classes:
            return Skipped(path, f"{label} is not in {cls.INFO.name}")
        gender = line["Gender"].lower()
        code(labels, f"{name}: Gender", gender, [*SEX, *UNKNOWN])
        known = line["SpkrID"].lower() not in UNKNOWN
        return Utterance(
            path,
            name,
            # Nobody knows how many people the unknown ones are: they are no speaker.
            line["SpkrID"] if known else "",
            match[1],
            "",
            label,
            SEX.get(gender, "") if known else "",
            split_name(labels, line["Split_Set"]),
        )


class MspPodcast4Class(MspPodcast):
    """Anger, happiness, neutral and sadness."""

    INFO = replace(
        MspPodcast.INFO,
        name="msp_podcast_4class",
        classes=("anger", "happiness", "neutral", "sadness"),
        description="The anger, happiness, neutral and sadness turns of MSP-Podcast.",
    )


def _lines(path: Path) -> Iterator[Mapping[str, str]]:
    if path.suffix == ".csv":
        yield from rows(path, COLUMNS)
        return
    try:
        content = json.loads(path.read_text("utf-8"))
        for name, line in content.items():
            yield {"FileName": name} | {column: str(line[column]) for column in COLUMNS[1:]}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(
            f"{path}: is not MSP-Podcast's table of consensus labels ({error!r}); fetch it again"
        ) from error
