"""Tiny fake MSP-Podcast in the real layout, for tests."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.msp_podcast.msp_podcast_dataset_builder import EMOTIONS, LABELS, UNUSED

SPLITS = ("Train", "Development", "Test1", "Test2")
HEAD = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")


def make(
    folder: Path,
    letters: Sequence[str] = (*EMOTIONS, *UNUSED),
    speakers_per_split: int = 2,
    seconds: float = 0.05,
    suffix: str = ".csv",
) -> Path:
    """Write each class once a speaker, and a podcast of unknown people in train."""
    lines = []
    who = [
        (split, k, f"{10 * s + k}")
        for s, split in enumerate(SPLITS)
        for k in range(speakers_per_split)
    ]
    for podcast, (split, k, speaker) in enumerate([*who, ("Train", 0, "Unknown")], start=1):
        gender = "Unknown" if speaker == "Unknown" else ("Female", "Male")[k % 2]
        for turn, letter in enumerate(letters):
            name = f"MSP-PODCAST_{podcast:04d}_{turn:04d}.wav"
            tones.write(folder / "Audios" / name, 100 + 20 * turn, seconds)
            lines.append((name, letter, "4.2", "3.0", "4.0", speaker, gender, split))
    (folder / "Labels").mkdir(parents=True, exist_ok=True)
    path = folder / "Labels" / f"{LABELS}{suffix}"
    if suffix == ".csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([HEAD, *lines])
    else:
        table = {line[0]: dict(zip(HEAD[1:], line[1:], strict=True)) for line in lines}
        path.write_text(json.dumps(table))
    return folder
