"""Tiny fake ArtPhoto in the real layout, for tests."""

from __future__ import annotations

from pathlib import Path

from jser.datasets import drawings

FILE_WORDS = ("amusement", "anger", "awe", "content", "disgust", "excitement", "fear", "sad")


def make(folder: Path, per_class: int = 2) -> Path:
    """Write `per_class` pictures an emotion."""
    for word in FILE_WORDS:
        for n in range(per_class):
            drawings.write(folder / "testImages_artphoto" / f"{word}_{n + 1:04d}.jpg")
    return folder
