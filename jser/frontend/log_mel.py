"""Log-Mel spectrogram with its first and second regression deltas: the three channels.

One implementation serves record building, augmentation, prediction and export. Frames are not
centred, so frame t covers samples ``t * hop`` to ``t * hop + window`` and nothing outside the
recording is invented.

Source: the front end of Zhang et al. 2018 (IEEE T-MM 20(6)) and its descendants: 25 ms Hamming
window, 10 ms hop, 64 Mel bands from 20 to 8000 Hz, deltas by regression over two frames each way.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jser.frontend.framing import cut, frame_count, windows

# Audio is cut into blocks of this many frames, so that one compiled shape serves every length.
BLOCK_FRAMES = 64
# What a small batch is made of stays in a core's cache: 128 blocks take four times as long, as the
# system hands out fresh pages for every intermediate result. The numbers are the same.
BATCH_BLOCKS = 8
DELTA_REACH = 2
# Slaney's Mel scale: linear up to a corner, and 27 Mels for a factor of 6.4 above it.
_CORNER_HZ = 1000.0
_HZ_A_MEL = 200.0 / 3
_LOG_A_MEL = np.log(6.4) / 27.0


@dataclasses.dataclass(frozen=True)
class LogMelSpec:
    """Everything that decides the numbers of a log-Mel spectrogram.

    Attributes:
        sample_rate: Hz.
        window: window length in samples (400 = 25 ms).
        hop: step between frames in samples (160 = 10 ms).
        n_fft: FFT length in samples; the window is zero-filled to it.
        n_mels: number of Mel bands (librosa's Slaney scale and area normalisation).
        f_min: lower edge of the first band, Hz.
        f_max: upper edge of the last band, Hz.
        pre_emphasis: y[n] = x[n] - pre_emphasis * x[n-1]; the first sample is kept.
        floor: power below which the logarithm is cut off.
    """

    sample_rate: int = 16000
    window: int = 400
    hop: int = 160
    n_fft: int = 512
    n_mels: int = 64
    f_min: float = 20.0
    f_max: float = 8000.0
    pre_emphasis: float = 0.97
    floor: float = 1e-6

    def hash(self) -> str:
        """First 16 hex digits of the sha256 of the specification; lies with the records."""
        # The leading version changes when the computation changes and the fields do not.
        text = "log_mel/1 " + json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def n_frames(n_samples: int, spec: LogMelSpec) -> int:
    """Number of frames T of `n_samples` samples: at least one; short audio is zero-filled."""
    return frame_count(n_samples, spec.window, spec.hop)


def _mels(hz: float) -> float:
    if hz < _CORNER_HZ:
        return hz / _HZ_A_MEL
    return _CORNER_HZ / _HZ_A_MEL + float(np.log(hz / _CORNER_HZ)) / _LOG_A_MEL


def _edges(spec: LogMelSpec) -> np.ndarray:
    """Edges and centres of the bands, Hz, float64 [n_mels + 2], evenly spaced in Mels."""
    mels = np.linspace(_mels(spec.f_min), _mels(spec.f_max), spec.n_mels + 2)
    above = np.exp(_LOG_A_MEL * (mels - _CORNER_HZ / _HZ_A_MEL)) * _CORNER_HZ
    return np.where(mels < _CORNER_HZ / _HZ_A_MEL, mels * _HZ_A_MEL, above)


@functools.lru_cache(maxsize=8)
def mel_filters(spec: LogMelSpec) -> np.ndarray:
    """Mel filter bank [n_fft // 2 + 1, n_mels], float32: triangles of equal area.

    The numbers are librosa's to the last bit. They are made here because librosa's filters bring
    scipy.signal and numba with them, whose import takes as long as 200 recordings.

    Source: Slaney, Auditory Toolbox, 1998, as in librosa.filters.mel.
    """
    edges = _edges(spec)
    bins = np.fft.rfftfreq(spec.n_fft, 1.0 / spec.sample_rate)
    above = bins - edges[:, None]
    width = np.diff(edges)[:, None]
    triangles = np.minimum(above[:-2] / width[:-1], -above[2:] / width[1:])
    # Rounded before the area too: so are librosa's.
    heights = np.maximum(0.0, triangles).astype(np.float32)
    area = (edges[2:] - edges[:-2])[:, None] / 2.0
    return np.ascontiguousarray((heights / area).astype(np.float32).T)


def band_centres(spec: LogMelSpec) -> np.ndarray:
    """Centre frequency of each Mel band, Hz, [n_mels]: where its filter peaks."""
    return _edges(spec)[1:-1]


def log_mel(samples: jax.Array, spec: LogMelSpec) -> jax.Array:
    """Log-Mel spectrogram of audio that carries one sample of history in front.

    Args:
        samples: float [B, 1 + n], full scale is 1; ``samples[:, 0]`` is the sample before the
            first frame (0 at the start of a recording) and only feeds the pre-emphasis.
        spec: the front end's specification.

    Returns:
        float32 [B, T, n_mels], natural logarithm of Mel power, ``T = 1 + (n - window) // hop``.
    """
    samples = samples.astype(jnp.float32)
    emphasised = samples[:, 1:] - spec.pre_emphasis * samples[:, :-1]
    t = 1 + (emphasised.shape[1] - spec.window) // spec.hop
    frames = windows(emphasised, 0, spec.window, spec.hop, t)
    frames = frames * np.hamming(spec.window).astype(np.float32)
    spectrum = jnp.fft.rfft(frames, n=spec.n_fft)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    # HIGHEST: accelerators otherwise multiply in fewer bits than the 1e-4 promise allows.
    mel = jnp.matmul(power, mel_filters(spec), precision=jax.lax.Precision.HIGHEST)
    return jnp.log(jnp.maximum(mel, spec.floor))


_log_mel_compiled = jax.jit(log_mel, static_argnames="spec")


def log_mel_batch(waveforms: Sequence[np.ndarray], spec: LogMelSpec) -> list[np.ndarray]:
    """Log-Mel spectrograms of recordings of any lengths, batched in one compiled shape.

    Args:
        waveforms: float32 arrays [samples_i], full scale is 1.
        spec: the front end's specification.

    Returns:
        One float32 array [T_i, n_mels] a recording, ``T_i = n_frames(samples_i, spec)``. A
        recording's numbers do not depend on the others in the call.
    """
    lengths = [n_frames(len(x), spec) for x in waveforms]
    blocks = cut(waveforms, lengths, block=BLOCK_FRAMES, hop=spec.hop, before=1, after=spec.window)
    parts = []
    for start in range(0, len(blocks), BATCH_BLOCKS):
        batch = blocks[start : start + BATCH_BLOCKS]
        if len(batch) < BATCH_BLOCKS:
            batch = np.pad(batch, ((0, BATCH_BLOCKS - len(batch)), (0, 0)))
        parts.append(_log_mel_compiled(batch, spec))
    if not parts:
        return []
    frames = np.concatenate([np.asarray(part) for part in parts]).reshape(
        -1, BLOCK_FRAMES, spec.n_mels
    )
    out = []
    row = 0
    for t in lengths:
        n = -(-t // BLOCK_FRAMES)
        out.append(frames[row : row + n].reshape(-1, spec.n_mels)[:t].copy())
        row += n
    return out


def deltas(x: jax.Array, length: jax.Array | int) -> jax.Array:
    """Regression deltas over two frames each way, ``d_t = sum_n n (x_{t+n} - x_{t-n}) / 10``.

    Args:
        x: [T, M]; rows from `length` on are padding and are not read.
        length: number of true frames, at least 1. The first and the last true frame are
            repeated outside.

    Returns:
        [T, M]; rows from `length` on are without meaning.
    """
    t = jnp.arange(x.shape[0])
    total = jnp.zeros_like(x)
    for n in range(1, DELTA_REACH + 1):
        after = jnp.take(x, jnp.clip(t + n, 0, length - 1), axis=0)
        before = jnp.take(x, jnp.clip(t - n, 0, length - 1), axis=0)
        total = total + n * (after - before)
    return total / (2 * sum(n * n for n in range(1, DELTA_REACH + 1)))


def three_channels(static: jax.Array, length: jax.Array | int) -> jax.Array:
    """Static log-Mel [T, M] -> [T, M, 3]: static, delta, delta-delta."""
    first = deltas(static, length)
    return jnp.stack([static, first, deltas(first, length)], axis=-1)
