"""Tiny fake IAPS-Subset with the table that its builder reads, for tests."""

from __future__ import annotations

from pathlib import Path

from jser.datasets import drawings
from jser.datasets.iaps_subset.iaps_subset_dataset_builder import COLUMNS, TABLE
from jser.datasets.mikels import CLASSES


def make(folder: Path, per_class: int = 2) -> Path:
    """Write `per_class` pictures an emotion, some with a number behind a point, and the table."""
    lines = [",".join(COLUMNS)]
    for k, emotion in enumerate(CLASSES):
        for n in range(per_class):
            number = f"{1000 + 10 * k + n}" + (".1" if n % 2 else "")
            drawings.write(folder / "IAPS" / f"{number}.jpg")
            lines.append(f"{number},{emotion}")
    (folder / TABLE).write_text("\n".join(lines) + "\n")
    return folder
