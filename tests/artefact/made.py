"""What tests of artefacts share: made speech, and the settings of a picture."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Picture:
    """The fields of `jser.models.stems.pictures.PictureSpec`."""

    net: str
    taps: tuple[str, ...]
    scale: int
    picture: str = "utterance"
    pooled: bool = True
    input_size: int = 64
    window: int = 64
    shift: int = 32
    pool: tuple[str, ...] = ("mean", "std", "max")
    channels: int = 3
    range_db: tuple[float, float] = (-60.0, 30.0)
    delta_db: float = 6.0


def spoken(b, n, seed=0):
    """Gliding tones with overtones, pauses and a little noise, float32 [b, n] at 16 kHz."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / 16000
    rows = []
    for row in range(b):
        f0 = 120 + 60 * row + 30 * np.sin(9 * t + row)
        phase = 2 * np.pi * np.cumsum(f0) / 16000
        tones = sum(np.sin(k * phase) / k for k in range(1, 15))
        voiced = np.sin(12 * t + row) > -0.4
        rows.append(0.2 * tones * voiced + 0.003 * rng.standard_normal(n))
    return np.array(rows, np.float32)
