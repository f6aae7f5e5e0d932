"""Tiny fake EMO-DB in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.emodb.emodb_dataset_builder import EMOTIONS, TEXTS, Emodb


def make(
    folder: Path,
    speakers: Sequence[str] = ("03", "08", "09", "10"),
    per_class: int = 2,
    seconds: float = 0.2,
    suffix: str = ".wav",
) -> Path:
    """Write `per_class` recordings a speaker and emotion; the corpus is partial."""
    for speaker in speakers:
        for k, letter in enumerate(EMOTIONS):
            for n in range(per_class):
                name = f"{speaker}{TEXTS[n % len(TEXTS)]}{letter}{chr(97 + n // len(TEXTS))}"
                tones.write(folder / "wav" / (name + suffix), 100.0 + 40 * k, seconds)
    return folder


def make_complete(folder: Path, seconds: float = 0.05, longest: float = 2.6) -> Path:
    """Write 535 recordings with the published counts by class and by speaker.

    The first of each speaker lasts `longest` seconds: a corpus of short ones only is refused.
    """
    letters = {label: letter for letter, label in EMOTIONS.items()}
    assert Emodb.INFO.counts is not None
    assert Emodb.INFO.counts_by_speaker is not None
    queue = [letters[label] for label, n in Emodb.INFO.counts.items() for _ in range(n)]
    for speaker, total in Emodb.INFO.counts_by_speaker.items():
        # Every tenth of the queue or so, so that a speaker holds most classes.
        step = max(1, len(queue) // total)
        mine = [queue.pop(k * (step - 1) % len(queue)) for k in range(total)]
        for n, letter in enumerate(mine):
            name = f"{speaker}{TEXTS[n % len(TEXTS)]}{letter}{chr(97 + n // len(TEXTS))}"
            tones.write(folder / "wav" / f"{name}.wav", seconds=seconds if n else longest)
    return folder
