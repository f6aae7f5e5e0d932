"""Spectral contrast and chroma of one short-term power spectrum.

Sources: Jiang D.-N. et al. 2002, Music type classification by spectral contrast feature, ICME
(contrast); Ellis 2007, Chroma feature analysis and synthesis (chroma's bins). The bands, shares and
filters are librosa's, so `librosa.feature` gives the same numbers of the same spectrum.
"""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import librosa
import numpy as np

from jser.frontend.spectral import DB, matmul

CONTRAST_FROM = 200.0
CONTRAST_BANDS = 7
# Share of a band's bins that are its peaks, and its valleys.
QUANTILE = 0.02
EMPTY = 1e-10
PITCH_CLASSES = ("c", "c_sharp", "d", "d_sharp", "e", "f", "f_sharp", "g", "g_sharp", "a",
                 "a_sharp", "b")  # fmt: skip


@functools.lru_cache(maxsize=8)
def contrast_bands(step: float, bins: int) -> list[tuple[int, int, int]]:
    """First bin, last bin + 1 and bins of a peak, of each band: 0-200 Hz, then octaves from there.

    A band begins one bin below its lower edge, and ends before the bin of its upper edge; the last
    one reaches to the end.
    """
    hz = np.arange(bins) * step
    edges = np.concatenate([[0.0], CONTRAST_FROM * 2.0 ** np.arange(CONTRAST_BANDS)])
    found = []
    for k, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = np.flatnonzero((hz >= low) & (hz <= high))
        first, last = int(inside[0]) - (k > 0), int(inside[-1])
        if k == CONTRAST_BANDS - 1:
            last = bins
        size = int(max(1, np.rint(QUANTILE * (last - first + (k < CONTRAST_BANDS - 1)))))
        found.append((first, last, size))
    return found


def contrast(power: jax.Array, step: float) -> list[jax.Array]:
    """Strongest over weakest 2 % of the bins of seven bands, dB, each [...].

    Args:
        power: [..., bins].
        step: Hz between bins.
    """
    found = []
    for first, last, size in contrast_bands(step, power.shape[-1]):
        band = power[..., first:last]
        peak = jax.lax.top_k(band, size)[0].mean(-1)
        valley = -jax.lax.top_k(-band, size)[0].mean(-1)
        found.append(DB * (jnp.log(peak + EMPTY) - jnp.log(valley + EMPTY)))
    return found


@functools.lru_cache(maxsize=8)
def chroma_filters(sample_rate: int, n_fft: int) -> np.ndarray:
    """Weight of each bin for each pitch class of equal temperament at 440 Hz, [bins, 12]."""
    filters = librosa.filters.chroma(sr=sample_rate, n_fft=n_fft, tuning=0.0)
    return np.ascontiguousarray(filters.T.astype(np.float32))


def chroma(power: jax.Array, sample_rate: int, n_fft: int) -> jax.Array:
    """Power [..., bins] by pitch class [..., 12], C first, the strongest 1; of silence 0."""
    found = matmul(power, chroma_filters(sample_rate, n_fft))
    strongest = found.max(-1, keepdims=True)
    return jnp.where(strongest > EMPTY, found / jnp.maximum(strongest, EMPTY), 0)
