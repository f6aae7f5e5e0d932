"""Tiny fake SAVEE in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.savee.savee_dataset_builder import EMOTIONS, SPEAKERS


def make(
    folder: Path,
    speakers: Sequence[str] = tuple(SPEAKERS),
    sentences: int = 15,
    seconds: float = 0.05,
    rate: int = 44100,
) -> Path:
    """Write `sentences` an emotion, twice as many neutral; with all of them it is complete."""
    for speaker in speakers:
        for k, letters in enumerate(EMOTIONS):
            for n in range(2 * sentences if letters == "n" else sentences):
                path = folder / "AudioData" / speaker / f"{letters}{n + 1:02d}.wav"
                # A tone follows from its name: speakers differ by pitch.
                pitch = 100 + 30 * k + 7 * list(SPEAKERS).index(speaker)
                tones.write(path, pitch, seconds, rate)
    return folder
