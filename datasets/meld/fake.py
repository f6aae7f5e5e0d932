"""Tiny fake MELD in the real layout, its sound extracted, for tests."""

from __future__ import annotations

import csv
from pathlib import Path

from jser.datasets import tones
from jser.datasets.meld.meld_dataset_builder import EMOTIONS

HEAD = ("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID",
        "Season", "Episode", "StartTime", "EndTime")  # fmt: skip
FOLDERS = {
    "train": "train/train_splits",
    "dev": "dev/dev_splits_complete",
    "test": "test/output_repeated_splits_test",
}
SPEAKERS = ("Rachel", "Ross", "The Doctor")


def make(folder: Path, dialogues: int = 2, seconds: float = 0.05, suffix: str = ".flac") -> Path:
    """Write `dialogues` a part, in which the three say every emotion in turn."""
    for split, where in FOLDERS.items():
        lines: list[tuple[object, ...]] = []
        for d in range(dialogues):
            for n, emotion in enumerate(EMOTIONS):
                # An apostrophe in another code page, as the published tables have some.
                text = f"Oh, it’s {emotion}!" if d else f"Line {n} of the {split} part."
                speaker = SPEAKERS[n % len(SPEAKERS)]
                head = (len(lines) + 1, text, speaker, emotion, "neutral", d, n)
                lines.append((*head, 1, d + 1, "00:00:01,000", "00:00:02,500"))
                path = folder / where / f"dia{d}_utt{n}{suffix}"
                # A tone follows from its name: parts differ by pitch.
                tones.write(path, 100 + 20 * n + 3 * list(FOLDERS).index(split), seconds)
        table = folder / f"{split}_sent_emo.csv"
        with table.open("w", newline="", encoding="cp1252", errors="replace") as file:
            csv.writer(file).writerows([HEAD, *lines])
    return folder
