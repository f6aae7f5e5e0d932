"""Augmented copies of recordings, for training members only.

Noise and speed are what SER systems of this line use where they say (Zhang H. et al. 2021 does
not): white noise at a signal-to-noise ratio drawn from a range, and a change of speed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import soxr

from jser.errors import InputError
from jser.frontend.log_mel import LogMelSpec, log_mel_batch

NAMES = ("noise", "speed", "noise_speed")
# Recordings in one call of the front end.
CHUNK = 64


@dataclass(frozen=True)
class CopySpec:
    """One augmented copy of every utterance.

    Attributes:
        name: ``noise``, ``speed`` or ``noise_speed`` (speed, then noise); ``speed:0.9`` plays every
            utterance at that speed.
        snr_db: range from which each utterance's signal-to-noise ratio is drawn, dB.
        speeds: of which each utterance draws one; 1.1 is faster, and higher in pitch.
    """

    name: str
    snr_db: tuple[float, ...] = (15.0, 25.0)
    speeds: tuple[float, ...] = (0.9, 1.1)

    def __post_init__(self) -> None:
        kind, _, factor = self.name.partition(":")
        if kind not in NAMES or (factor and (kind != "speed" or not _is_number(factor))):
            raise InputError(
                f"augment.copies: {self.name!r} is none of {', '.join(NAMES)}, speed:FACTOR"
            )
        if len(self.snr_db) != 2 or self.snr_db[0] > self.snr_db[1]:
            raise InputError(f"augment.snr_db: {self.snr_db} must be (lowest, highest) in dB")
        if factor:
            object.__setattr__(self, "speeds", (float(factor),))
        if not self.speeds or any(not 0.5 <= s <= 2 for s in self.speeds):
            raise InputError(
                f"augment.{'copies' if factor else 'speeds'}: {self.speeds} must lie between 0.5 "
                "and 2"
            )

    def key(self) -> str:
        """Content address of the copy, beside that of the features."""
        text = json.dumps({"version": 1, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def add_noise(x: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    """Add white Gaussian noise to float32 [samples] at a signal-to-noise ratio in dB."""
    power = float(np.mean(np.square(x, dtype=np.float64)))
    noise = rng.standard_normal(len(x), dtype=np.float32)
    return x + noise * np.float32(np.sqrt(power * 10 ** (-snr_db / 10)))


def change_speed(x: np.ndarray, speed: float, sample_rate: int) -> np.ndarray:
    """Play float32 [samples] `speed` times as fast: shorter and higher, by resampling."""
    return soxr.resample(x, sample_rate * speed, sample_rate).astype(np.float32)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def waveforms(
    pcm: Sequence[np.ndarray], keys: Sequence[str], copy: CopySpec, sample_rate: int
) -> Iterator[np.ndarray]:
    """One augmented copy float32 [samples_i] of each recording.

    Args:
        pcm: int16 [samples_i].
        keys: an utterance's own text (its PCM hash), from which its noise and speed are drawn: a
            copy does not depend on what else is in the corpus.
        copy: what to do.
        sample_rate: Hz.
    """
    for recording, key in zip(pcm, keys, strict=True):
        digest = hashlib.sha256(f"{copy.name} {key}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        x = recording.astype(np.float32) / 32768
        if "speed" in copy.name:
            x = change_speed(x, float(rng.choice(copy.speeds)), sample_rate)
        if "noise" in copy.name:
            x = add_noise(x, rng.uniform(copy.snr_db[0], copy.snr_db[1]), rng)
        yield x


def copies(
    pcm: Sequence[np.ndarray], keys: Sequence[str], copy: CopySpec, spec: LogMelSpec
) -> list[np.ndarray]:
    """Log-Mel [T_i, n_mels] of one augmented copy of each recording; see `waveforms`."""
    out: list[np.ndarray] = []
    changed = waveforms(pcm, keys, copy, spec.sample_rate)
    while chunk := list(itertools.islice(changed, CHUNK)):
        out += log_mel_batch(chunk, spec)
    return out
