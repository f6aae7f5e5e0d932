"""Tiny fake JL corpus in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.jl.jl_dataset_builder import EMOTIONS, SPEAKERS, TEXTS

FOLDER = Path("Raw JL corpus (unchecked and unannotated)", "JL(wav+txt)")


def paths(texts: Sequence[str] = TEXTS) -> Iterator[Path]:
    """Names below the corpus' folder; by default all."""
    for speaker in SPEAKERS:
        for emotion in EMOTIONS:
            for text in texts:
                for session in "ab":
                    for repetition in "12":
                        yield FOLDER / f"{speaker}_{emotion}_{text}{session}_{repetition}.wav"


def make(folder: Path, texts: Sequence[str] = ("1",), seconds: float = 0.05) -> Path:
    """Write `texts` by every speaker in every emotion, and their prompts; partial by default."""
    for k, path in enumerate(paths(texts)):
        tones.write(folder / path, 100.0 + k, seconds)
        (folder / path).with_suffix(".txt").write_text("a sentence\n")
    return folder
