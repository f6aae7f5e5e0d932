"""Tiny fake ShEMO in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.shemo.shemo_dataset_builder import EMOTIONS


def make(
    folder: Path,
    speakers: Sequence[str] = ("F01", "F02", "M01", "M02"),
    per_class: int = 2,
    seconds: float = 0.05,
) -> Path:
    """Write `per_class` recordings a speaker and emotion."""
    for speaker in speakers:
        part = {"F": "female", "M": "male"}[speaker[0]]
        for k, letter in enumerate(EMOTIONS):
            for n in range(1, per_class + 1):
                name = f"{speaker}{letter}{n:02d}.wav"
                tones.write(folder / part / name, 100.0 + 40 * k, seconds, rate=44100)
    return folder
