"""Tiny fake FI in the real layout, for tests."""

from __future__ import annotations

from pathlib import Path

from jser.datasets import drawings
from jser.datasets.fi.fi_dataset_builder import COLUMNS, TABLE
from jser.datasets.mikels import CLASSES

SPLITS = ("train", "train", "train", "val", "test")


def make(folder: Path, per_class: int = 2, table: bool = False) -> Path:
    """Write `per_class` pictures an emotion, and the table where it is wanted."""
    lines = [",".join(COLUMNS)]
    for emotion in CLASSES:
        for n in range(per_class):
            picture = f"{emotion}/{emotion}_{n:05d}.jpg"
            drawings.write(folder / picture)
            lines.append(f"{picture},{SPLITS[n % len(SPLITS)]}")
    if table:
        (folder / TABLE).write_text("\n".join(lines) + "\n")
    return folder
