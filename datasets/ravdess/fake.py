"""Tiny fake RAVDESS in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.ravdess.ravdess_dataset_builder import EMOTIONS, SONG, SPEAKERS


def make(
    folder: Path,
    speakers: Sequence[str] = tuple(SPEAKERS),
    seconds: float = 0.05,
    rate: int = 16000,
    intensities: Sequence[str] = ("01", "02"),
    channel: str = "01",
) -> Path:
    """Write what `speakers` say (channel 01) or sing (02); with all of them it is complete."""
    for actor in speakers:
        if channel == "02" and actor == "18":
            continue  # Does not sing.
        for k, (emotion, label) in enumerate(EMOTIONS.items()):
            if channel == "02" and label not in SONG:
                continue
            for intensity in intensities:
                if emotion == "01" and intensity == "02":
                    continue  # There is no strong neutral.
                for statement in ("01", "02"):
                    for repetition in ("01", "02"):
                        code = f"{emotion}-{intensity}-{statement}-{repetition}-{actor}"
                        path = folder / f"Actor_{actor}" / f"03-{channel}-{code}.wav"
                        tones.write(path, 100.0 + 30 * k, seconds, rate)
    return folder
