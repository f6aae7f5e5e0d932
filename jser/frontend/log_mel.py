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
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jser.frontend.framing import frame_count, windows

# Audio is cut into blocks of this many frames, so that one compiled shape serves every length.
BLOCK_FRAMES = 64
# What a small batch is made of stays in a core's cache: 128 blocks take four times as long, as the
# system hands out fresh pages for every intermediate result. The numbers are the same.
BATCH_BLOCKS = 8
# So many blocks go into one call of the compiled program, which does as many batches as are filled:
# threads that each wait for a call wait seldom. A multiple of BATCH_BLOCKS; 164 s of sound.
CALL_BLOCKS = 256
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
        samples: float [B, 1 + n], full scale is 1, or int16; ``samples[:, 0]`` is the sample before
            the first frame (0 at the start of a recording) and only feeds the pre-emphasis.
        spec: the front end's specification.

    Returns:
        float32 [B, T, n_mels], natural logarithm of Mel power, ``T = 1 + (n - window) // hop``.
    """
    scale = np.float32(2.0**-15 if samples.dtype == jnp.int16 else 1.0)
    samples = samples.astype(jnp.float32)
    # Scaled afterwards: a power of two changes no digit, while a compiler that fuses a
    # multiplication in front of the difference with it would round integers in another way.
    emphasised = scale * (samples[:, 1:] - spec.pre_emphasis * samples[:, :-1])
    t = 1 + (emphasised.shape[1] - spec.window) // spec.hop
    frames = windows(emphasised, 0, spec.window, spec.hop, t)
    frames = frames * np.hamming(spec.window).astype(np.float32)
    spectrum = jnp.fft.rfft(frames, n=spec.n_fft)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    # HIGHEST: accelerators otherwise multiply in fewer bits than the 1e-4 promise allows.
    mel = jnp.matmul(power, mel_filters(spec), precision=jax.lax.Precision.HIGHEST)
    return jnp.log(jnp.maximum(mel, spec.floor))


@functools.partial(jax.jit, static_argnames=("spec", "batch_blocks"))
def _log_mel_of_blocks(
    samples: jax.Array, starts: jax.Array, n_batches: int, spec: LogMelSpec, batch_blocks: int
) -> jax.Array:
    """Log-Mel of blocks that are cut out of `samples`.

    Args:
        samples: float32 or int16 [n].
        starts: int32 [B], where each block begins, its sample of history first.
        n_batches: of so many batches of `batch_blocks` blocks; the others stay 0.
        spec: the front end's specification.
        batch_blocks: B is a multiple of it.

    Returns:
        float32 [B, BLOCK_FRAMES, n_mels].
    """
    reach = _reach(spec)

    def batch(i: jax.Array, out: jax.Array) -> jax.Array:
        at = jax.lax.dynamic_slice_in_dim(starts, i * batch_blocks, batch_blocks)
        blocks = jax.vmap(lambda start: jax.lax.dynamic_slice_in_dim(samples, start, reach))(at)
        frames = log_mel(blocks, spec)
        return jax.lax.dynamic_update_slice_in_dim(out, frames, i * batch_blocks, 0)

    out = jnp.zeros((len(starts), BLOCK_FRAMES, spec.n_mels), jnp.float32)
    return jax.lax.fori_loop(0, n_batches, batch, out)


def _reach(spec: LogMelSpec) -> int:
    """Samples that a block's frames cover, with the one of history."""
    return 1 + (BLOCK_FRAMES - 1) * spec.hop + spec.window


def log_mel_batch(waveforms: Sequence[np.ndarray], spec: LogMelSpec) -> list[np.ndarray]:
    """Log-Mel spectrograms of recordings of any lengths, batched in one compiled shape.

    Args:
        waveforms: arrays [samples_i], float32, full scale is 1, or int16; the numbers are the same,
            and what is all int16 is not copied as often.
        spec: the front end's specification.

    Returns:
        One float32 array [T_i, n_mels] a recording, ``T_i = n_frames(samples_i, spec)``. A
        recording's numbers do not depend on the others in the call.
    """
    if not all(x.dtype == np.int16 for x in waveforms):
        waveforms = [x * np.float32(2.0**-15) if x.dtype == np.int16 else x for x in waveforms]
    out = [np.empty((n_frames(len(x), spec), spec.n_mels), np.float32) for x in waveforms]
    for pieces in _calls([-(-len(frames) // BLOCK_FRAMES) for frames in out]):
        samples, starts = _laid_out(waveforms, pieces, spec)
        n_batches = -(-sum(piece.n for piece in pieces) // BATCH_BLOCKS)
        blocks = np.asarray(_log_mel_of_blocks(samples, starts, n_batches, spec, BATCH_BLOCKS))
        rows, row = blocks.reshape(-1, spec.n_mels), 0
        for i, first, n in pieces:
            there = out[i][first * BLOCK_FRAMES : (first + n) * BLOCK_FRAMES]
            there[:] = rows[row : row + len(there)]
            row += n * BLOCK_FRAMES
    return out


def prepare(spec: LogMelSpec) -> None:
    """Compile what `log_mel_batch` needs for 16-bit recordings; takes a fifth of a second."""
    log_mel_batch([np.zeros(1, np.int16)], spec)


class _Piece(NamedTuple):
    """`n` blocks of recording `i`, from its block `first` on."""

    i: int
    first: int
    n: int


def _calls(n_blocks: Sequence[int]) -> Iterator[list[_Piece]]:
    """Recordings of so many blocks, divided among calls of CALL_BLOCKS at most."""
    pieces: list[_Piece] = []
    room = CALL_BLOCKS
    for i, n in enumerate(n_blocks):
        first = 0
        while first < n:
            piece = _Piece(i, first, min(room, n - first))
            pieces.append(piece)
            first += piece.n
            room -= piece.n
            if not room:
                yield pieces
                pieces, room = [], CALL_BLOCKS
    if pieces:
        yield pieces


def _laid_out(
    waveforms: Sequence[np.ndarray], pieces: Sequence[_Piece], spec: LogMelSpec
) -> tuple[np.ndarray, np.ndarray]:
    """Samples of the pieces one behind the other, zero outside a recording, and blocks' starts."""
    step, reach = BLOCK_FRAMES * spec.hop, _reach(spec)
    dtype = np.int16 if waveforms[0].dtype == np.int16 else np.float32
    samples = np.zeros(CALL_BLOCKS * reach, dtype)
    starts = np.zeros(CALL_BLOCKS, np.int32)
    at = row = 0
    for i, first, n in pieces:
        size = (n - 1) * step + reach
        # One sample of history, which is 0 in front of the first.
        history = 1 if first else 0
        sound = waveforms[i][first * step - history : first * step - 1 + size]
        samples[at + 1 - history : at + 1 - history + len(sound)] = sound
        starts[row : row + n] = at + step * np.arange(n)
        at += size
        row += n
    return samples, starts


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
