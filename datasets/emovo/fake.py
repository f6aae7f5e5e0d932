"""Tiny fake EMOVO in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.emovo.emovo_dataset_builder import EMOTIONS, SPEAKERS, TEXTS


def paths(
    speakers: Sequence[str] = tuple(SPEAKERS), texts: Sequence[str] = TEXTS
) -> Iterator[Path]:
    """Names below the corpus' folder; by default all of them."""
    for speaker in speakers:
        for emotion in EMOTIONS:
            for text in texts:
                yield Path(speaker, f"{emotion}-{speaker}-{text}.wav")


def make(
    folder: Path,
    speakers: Sequence[str] = ("f1", "f2", "m1", "m2"),
    texts: Sequence[str] = ("b1", "n5"),
    seconds: float = 0.05,
) -> Path:
    """Write `texts` by `speakers` in every emotion."""
    for k, path in enumerate(paths(speakers, texts)):
        tones.write(folder / path, 100.0 + 5 * k, seconds, rate=48000)
    return folder
