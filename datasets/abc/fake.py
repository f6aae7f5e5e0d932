"""Tiny fake ABC with the table that its builder reads, for tests."""

from __future__ import annotations

from pathlib import Path

from jser.datasets import tones
from jser.datasets.abc.abc_dataset_builder import COLUMNS, EMOTIONS, TABLE


def make(folder: Path, speakers: int = 8, per_class: int = 1, seconds: float = 0.05) -> Path:
    """Write `per_class` recordings a speaker and class, women and men in turn."""
    lines = [",".join(COLUMNS)]
    for s in range(speakers):
        for k, emotion in enumerate(EMOTIONS):
            for n in range(per_class):
                name = f"s{s + 1}_{k}{n}.wav"
                tones.write(folder / "wav" / name, 100 + 30 * k, seconds)
                lines.append(f"wav/{name},s{s + 1},{'fm'[s % 2]},{emotion}")
    (folder / TABLE).write_text("\n".join(lines) + "\n")
    return folder
