"""Tiny fake eNTERFACE'05 in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.enterface.enterface_dataset_builder import CLASSES, NOT_CUT, SPEAKERS

ROOT = "enterface database"


def paths(subjects: Sequence[str] = SPEAKERS) -> Iterator[Path]:
    """Names below the corpus' folder as published, wrong ones among them; by default all."""
    for subject in subjects:
        named = {"11": "12"}.get(subject, subject)
        for label in CLASSES:
            if subject == NOT_CUT:
                yield Path(ROOT, f"subject {subject}", label, f"s{subject}_{label[:2]}.wav")
                continue
            sentences = 2 if (subject, label) == ("23", "happiness") else 5
            for k in range(1, sentences + 1):
                name = f"s{named}_{label[:2]}_{k}.wav"
                name = "s16_su_3avi.wav" if name == "s16_su_3.wav" else name
                yield Path(ROOT, f"subject {subject}", label, f"sentence {k}", name)


def make(folder: Path, subjects: Sequence[str] = ("1", "6", "11"), seconds: float = 0.05) -> Path:
    """Write the sound of the recordings of `subjects`."""
    for k, path in enumerate(paths(subjects)):
        tones.write(folder / path, 100.0 + 3 * k, seconds, rate=48000)
    return folder
