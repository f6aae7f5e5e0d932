"""Small drawings that stand for photographs in the fake data of corpora of pictures."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image


def draw(name: str, width: int = 96, height: int = 64) -> np.ndarray:
    """Blobs of colour, others for every name: uint8 [height, width, 3].

    The same name and size give the same pixels.
    """
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def write(path: Path, width: int = 96, height: int = 64) -> None:
    """Write the drawing of a file's name, folder and all, as the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw(f"{path.parent.name}/{path.stem}", width, height)).save(path)
