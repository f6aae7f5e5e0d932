"""Tiny fake URDU in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from jser.datasets import tones

# Folder -> speaker -> recordings, as published.
PUBLISHED: dict[str, dict[str, int]] = {
    "Angry": {"SM1": 22, "SM2": 28, "SM3": 2, "SM4": 48},
    "Happy": {
        "SF1": 12,
        "SF2": 2,
        "SF3": 2,
        "SF4": 4,
        "SF5": 4,
        "SF6": 14,
        "SF7": 6,
        "SF8": 2,
        "SM17": 2,
        "SM18": 2,
        "SM19": 2,
        "SM3": 2,
        "SM5": 8,
        "SM6": 10,
        "SM7": 28,
    },
    "Neutral": {"SF9": 4, "SM20": 10, "SM21": 4, "SM22": 2, "SM3": 8, "SM5": 72},
    "Sad": {
        "SF10": 2,
        "SF11": 4,
        "SM23": 6,
        "SM24": 38,
        "SM25": 40,
        "SM26": 2,
        "SM27": 4,
        "SM6": 4,
    },
}


def paths(table: Mapping[str, Mapping[str, int]] = PUBLISHED) -> Iterator[Path]:
    """Names below the corpus' folder; by default all."""
    for folder, speakers in table.items():
        number = 0
        for speaker, n in speakers.items():
            for k in range(1, n + 1):
                number += 1
                yield Path(folder, f"{speaker}_F{k}_{folder[0]}0{number}.wav")


def make(
    folder: Path, table: Mapping[str, Mapping[str, int]] = PUBLISHED, seconds: float = 0.05
) -> Path:
    """Write the recordings of `table`; by default the corpus is complete."""
    for k, path in enumerate(paths(table)):
        tones.write(folder / path, 100.0 + k % 100, seconds)
    return folder
