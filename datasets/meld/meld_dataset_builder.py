"""MELD: utterances of the series Friends, seven classes, with its own train, dev and test parts.

Labels are in ``train_sent_emo.csv``, ``dev_sent_emo.csv`` and ``test_sent_emo.csv`` (Poria et al.
2019); recordings are ``dia12_utt3`` in a folder of each part, as wav or flac made of the published
mp4. Dialogues are numbered anew in each part.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo
from jser.records.tables import find_by_table, find_tables, rows

EMOTIONS = {
    "neutral": "neutral",
    "joy": "happiness",
    "surprise": "surprise",
    "anger": "anger",
    "sadness": "sadness",
    "disgust": "disgust",
    "fear": "fear",
}
# Of 13708 labelled utterances, less the two neutral ones of UNUSABLE.
COUNTS = {
    "neutral": 6434,
    "happiness": 2308,
    "surprise": 1636,
    "anger": 1607,
    "sadness": 1002,
    "disgust": 361,
    "fear": 358,
}
# Damaged in the release, and not in it.
UNUSABLE = ("train_dia125_utt3", "dev_dia110_utt7")
# Of the hundreds of others the table does not say it.
FRIENDS = {"Rachel": "f", "Monica": "f", "Phoebe": "f", "Joey": "m", "Chandler": "m", "Ross": "m"}
# Folder names of the release, and the plain ones.
FOLDERS = {
    "train_splits": "train",
    "dev_splits_complete": "dev",
    "output_repeated_splits_test": "test",
    "train": "train",
    "dev": "dev",
    "val": "dev",
    "test": "test",
}
TABLES = ("train_sent_emo.csv", "dev_sent_emo.csv", "test_sent_emo.csv")
COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
LAYOUT = "MELD's names in a folder by part, for example train_splits/dia0_utt0.flac"
_NAME = re.compile(r"dia\d+_utt\d+")


class Meld(CorpusBuilder):
    """13706 utterances, seven classes."""

    INFO = CorpusInfo(
        name="meld",
        classes=tuple(COUNTS),
        counts=COUNTS,
        speakers=None,
        description="Utterances of the series Friends, seven perceived emotions.",
        citation="Poria et al. 2019, MELD, Proc. ACL, 527-536",
        licence="GPL-3.0 for what its authors made; the series is its owners'",
        homepage="https://affective-meld.github.io/",
        how_to_get="fetch MELD.Raw.tar.gz, named at the homepage, and extract its sound as the "
        "README of jser.datasets.meld shows",
    )

    @classmethod
    def find(cls, corpus_dir: Path) -> list[Utterance | Skipped]:
        """Utterances in the three tables, with recordings in a folder of each part."""
        table: dict[str, Utterance | Skipped] = {}
        seen = set()
        for path in find_tables(corpus_dir, TABLES, " and ".join(TABLES)):
            if path.name in seen:
                continue  # Some unpackings hold the tables twice.
            seen.add(path.name)
            split = path.name.partition("_")[0]
            for line in rows(path, COLUMNS):
                entry = cls._entry(path, split, line)
                table[f"{split}_{entry.path.stem}"] = entry
        return find_by_table(corpus_dir, table, lambda path: _key(path, corpus_dir), LAYOUT)

    @classmethod
    def _entry(cls, labels: Path, split: str, line: dict[str, str]) -> Utterance | Skipped:
        dialogue, number = line["Dialogue_ID"], line["Utterance_ID"]
        path = labels.parent / split / f"dia{dialogue}_utt{number}.wav"
        name = f"{split}_{path.stem}"
        if name in UNUSABLE:
            return Skipped(path, "published without usable sound")
        label = EMOTIONS[code(labels, f"{path.stem}: Emotion", line["Emotion"], EMOTIONS)]
        speaker = line["Speaker"]
        # The words, whatever their case and punctuation; hashed, for they may be long.
        words = " ".join(re.findall(r"\w+", line["Utterance"].lower()))
        text = hashlib.sha256(words.encode()).hexdigest()[:16] if words else ""
        session = f"{split}_dia{dialogue}"
        sex = FRIENDS.get(speaker, "")
        return Utterance(path, name, speaker, session, text, label, sex, split)


def _key(path: Path, corpus_dir: Path) -> str | None:
    """``test_dia1_utt2`` for a recording whose nearest folder of `FOLDERS` is of the test part."""
    if not _NAME.fullmatch(path.stem):
        return None
    for folder in reversed(path.relative_to(corpus_dir).parts[:-1]):
        if folder.lower() in FOLDERS:
            return f"{FOLDERS[folder.lower()]}_{path.stem}"
    return None
