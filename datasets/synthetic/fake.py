"""Tiny part of the synthetic corpus, for tests: the real synthesiser, fewer utterances."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import soundfile

from jser.datasets.synthetic import speech


def make(
    folder: Path, speakers: Sequence[str] = ("f1", "f2", "m1", "m2"), sentences: int = 2
) -> Path:
    """Write the first `sentences` of `speakers` with every emotion; the corpus is partial."""
    folder.mkdir(parents=True, exist_ok=True)
    for speaker in speakers:
        for emotion in speech.EMOTIONS:
            for k in range(sentences):
                path = folder / f"{speaker}_s{k + 1}_{emotion}.wav"
                soundfile.write(path, speech.utterance(speaker, emotion, k), speech.RATE)
    return folder
