"""Tiny fake nEMO in the real layout, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jser.datasets import tones
from jser.datasets.nemo.nemo_dataset_builder import EMOTIONS, SPEAKERS

COLUMNS = ("file_id", "emotion", "raw_text", "normalized_text", "speaker_id", "gender", "age")


def make(
    folder: Path,
    speakers: Sequence[str] = ("EB0", "IC0", "KS0", "MP0"),
    texts: Sequence[str] = ("1", "2"),
    seconds: float = 0.05,
) -> Path:
    """Write `texts` by `speakers` in every emotion, and their table; the corpus is partial."""
    rows = [COLUMNS]
    for speaker in speakers:
        for k, emotion in enumerate(EMOTIONS):
            for text in texts:
                name = f"{speaker}_{emotion}_{text}.wav"
                tones.write(folder / "samples" / name, 100.0 + 40 * k, seconds)
                sex = {"f": "female", "m": "male"}[SPEAKERS[speaker]]
                rows.append((name, emotion, f"Zdanie {text}.", f"zdanie {text}", speaker, sex, "9"))
    (folder / "data.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    return folder
