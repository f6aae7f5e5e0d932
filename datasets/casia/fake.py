"""Tiny fake CASIA in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.casia.casia_dataset_builder import EMOTIONS

FOLDERS = ("liuchanhg", "wangzhe", "zhaoquanyin", "ZhaoZuoxiang")


def make(
    folder: Path,
    speakers: Sequence[str] = FOLDERS,
    sentences: int = 50,
    seconds: float = 0.05,
) -> Path:
    """Write `sentences` a speaker and emotion; with all of them the corpus is complete."""
    for speaker in speakers:
        for k, emotion in enumerate(EMOTIONS):
            for n in range(sentences):
                path = folder / speaker / emotion / f"{201 + n}.wav"
                # A tone follows from its name: speakers differ by pitch.
                tones.write(path, 100 + 30 * k + 7 * FOLDERS.index(speaker), seconds)
    return folder
