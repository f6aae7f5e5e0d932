"""Short harmonic tones that stand for speech in the corpora's fake data."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import soundfile


def write(path: Path, pitch: float = 150.0, seconds: float = 0.2, rate: int = 16000) -> None:
    """Write a tone of `pitch` Hz with a little noise, other in every file name.

    The same name and arguments give the same samples; folders in between do not matter.
    """
    seed = int.from_bytes(hashlib.sha256(path.stem.encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    pitch = pitch * rng.uniform(0.9, 1.1)
    tone = sum(np.sin(2 * np.pi * k * pitch * t + rng.uniform(0, 6.28)) / k for k in range(1, 9))
    samples = 0.1 * tone + 0.01 * rng.normal(size=len(t))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.rint(samples * 32767).astype(np.int16), rate)
