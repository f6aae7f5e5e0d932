"""Tiny fake ESD in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.esd.esd_dataset_builder import EMOTIONS, SPEAKERS, TEXTS


def paths(
    speakers: Sequence[str] = tuple(SPEAKERS), texts: Sequence[int] = range(1, TEXTS + 1)
) -> Iterator[Path]:
    """Names below the corpus' folder; by default all, in folders as one release has them."""
    for speaker in speakers:
        for k, emotion in enumerate(EMOTIONS):
            for text in texts:
                part = "evaluation" if text <= 20 else "test" if text <= 50 else "train"
                name = f"{speaker}_{k * TEXTS + text:06d}.wav"
                yield Path(speaker, emotion, part, name)


def make(
    folder: Path,
    speakers: Sequence[str] = ("0001", "0011", "0012", "0015", "0016"),
    texts: Sequence[int] = (1, 350),
    seconds: float = 0.05,
) -> Path:
    """Write `texts` by `speakers` in every emotion, and the transcripts."""
    for speaker in speakers:
        lines = []
        for k, path in enumerate(paths((speaker,), texts)):
            tones.write(folder / path, 100.0 + 10 * k, seconds)
            lines.append(f"{path.stem}\ttext\t{path.parts[1]}\n")
        (folder / speaker / f"{speaker}.txt").write_text("".join(lines))
    return folder
