"""Tiny fake TESS in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.tess.tess_dataset_builder import EMOTIONS, SPEAKERS

# Folders as published, which spell pleasant surprise in two ways and case as they please.
FOLDERS = {
    ("OAF", "fear"): "OAF_Fear",
    ("OAF", "ps"): "OAF_Pleasant_surprise",
    ("OAF", "sad"): "OAF_Sad",
    ("YAF", "ps"): "YAF_pleasant_surprised",
}


def paths(words: Sequence[str]) -> Iterator[Path]:
    """Names below the corpus' folder, the misspelt one among them."""
    for speaker in SPEAKERS:
        for emotion in EMOTIONS:
            folder = FOLDERS.get((speaker, emotion), f"{speaker}_{emotion}")
            for word in words:
                name = f"{speaker}_{word}_{emotion}.wav"
                name = "OA_bite_neutral.wav" if name == "OAF_bite_neutral.wav" else name
                yield Path(folder, name)


def make(folder: Path, words: Sequence[str] = ("back", "bite"), seconds: float = 0.05) -> Path:
    """Write `words` by both speakers in every emotion; the corpus is partial."""
    for k, path in enumerate(paths(words)):
        tones.write(folder / path, 100.0 + 5 * k, seconds)
    return folder
