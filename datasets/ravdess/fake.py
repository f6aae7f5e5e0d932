"""Tiny fake RAVDESS in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.ravdess.ravdess_dataset_builder import EMOTIONS, SPEAKERS


def make(
    folder: Path,
    speakers: Sequence[str] = tuple(SPEAKERS),
    seconds: float = 0.05,
    rate: int = 16000,
    intensities: Sequence[str] = ("01", "02"),
) -> Path:
    """Write the speech recordings of `speakers`; with all of them the corpus is complete."""
    for actor in speakers:
        for k, emotion in enumerate(EMOTIONS):
            for intensity in intensities:
                if emotion == "01" and intensity == "02":
                    continue  # There is no strong neutral.
                for statement in ("01", "02"):
                    for repetition in ("01", "02"):
                        name = f"03-01-{emotion}-{intensity}-{statement}-{repetition}-{actor}.wav"
                        path = folder / f"Actor_{actor}" / name
                        tones.write(path, 100.0 + 30 * k, seconds, rate)
    return folder
