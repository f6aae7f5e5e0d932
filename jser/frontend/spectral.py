"""Descriptors of one short-term power spectrum: auditory bands, MFCC, shape, balance.

Sources, each beside its function: the definitions are those of the GeMAPS paper (Eyben et al.
2016, IEEE Trans. Affective Computing 7(2)) and of Eyben's thesis on which openSMILE's sets stand
(Real-time Speech and Music Classification, Springer 2016), computed here anew.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import librosa
import numpy as np

# Power below which a band counts as empty: about -100 dB of a full-scale tone in a 25 ms window.
FLOOR = 1e-6
ROLLOFFS = (0.25, 0.5, 0.75, 0.9)
DB = 10 / np.log(10)


@functools.lru_cache(maxsize=8)
def mel_bands(sample_rate: int, n_fft: int, bands: int, f_min: float, f_max: float) -> np.ndarray:
    """Triangular filters of height 1, evenly spaced on O'Shaughnessy's Mel scale, [bins, bands]."""
    filters = librosa.filters.mel(
        sr=sample_rate, n_fft=n_fft, n_mels=bands, fmin=f_min, fmax=f_max, htk=True, norm=None
    )
    return np.ascontiguousarray(filters.T.astype(np.float32))


@functools.lru_cache(maxsize=8)
def equal_loudness(bands: int, f_min: float, f_max: float) -> np.ndarray:
    """Weight [bands] of a band's power for equal loudness at about 40 dB (Hermansky 1990, eq. 7).

    Hermansky, Perceptual linear predictive (PLP) analysis of speech, J. Acoust. Soc. Am. 87(4).
    """
    centres = librosa.mel_frequencies(bands + 2, fmin=f_min, fmax=f_max, htk=True)[1:-1]
    w = (2 * np.pi * centres) ** 2
    weight = (w + 56.8e6) * w**2 / ((w + 6.3e6) ** 2 * (w + 0.38e9))
    return weight.astype(np.float32)


@functools.lru_cache(maxsize=8)
def cosines(bands: int, count: int) -> np.ndarray:
    """Orthonormal DCT-II as a matrix [bands, count]: log bands to cepstral coefficients."""
    k = np.arange(count)
    basis = np.cos(np.pi / bands * (np.arange(bands)[:, None] + 0.5) * k) * np.sqrt(2 / bands)
    basis[:, 0] /= np.sqrt(2)
    return basis.astype(np.float32)


def matmul(x: jax.Array, matrix: np.ndarray) -> jax.Array:
    """Product in full float32: accelerators otherwise multiply in fewer bits."""
    return jnp.matmul(x, matrix, precision=jax.lax.Precision.HIGHEST)


def shape(power: jax.Array, hz: np.ndarray) -> list[jax.Array]:
    """Moments of the power spectrum taken as a distribution over frequency.

    Args:
        power: [..., bins].
        hz: frequency of each bin.

    Returns:
        centroid in Hz, spread (standard deviation) in Hz, skewness, kurtosis, each [...].
    """
    share = power / (power.sum(-1, keepdims=True) + 1e-12)
    khz = (hz / 1000).astype(np.float32)
    centroid = (share * khz).sum(-1)
    away = khz - centroid[..., None]
    second = away * away
    variance = (share * second).sum(-1)
    spread = jnp.sqrt(variance)
    safe = jnp.maximum(spread, 1e-3)
    skewness = (share * second * away).sum(-1) / safe**3
    kurtosis = (share * second * second).sum(-1) / safe**4
    return [1000 * centroid, 1000 * spread, skewness, kurtosis]


def slope(level: jax.Array, hz: np.ndarray, low: float, high: float) -> jax.Array:
    """Slope of the regression of a spectrum in dB on frequency between two edges, dB per kHz."""
    inside = (hz >= low) & (hz <= high)
    khz = np.where(inside, hz / 1000, 0.0)
    centred = np.where(inside, khz - khz[inside].mean(), 0.0)
    weights = (centred / (centred**2).sum()).astype(np.float32)
    return (level * weights).sum(-1)


def band_power(power: jax.Array, hz: np.ndarray, low: float, high: float) -> jax.Array:
    """Sum of the bins with ``low <= hz < high``."""
    first, last = np.searchsorted(hz, [low, high])
    return power[..., first:last].sum(-1)


def rolloff(power: jax.Array, hz: np.ndarray) -> list[jax.Array]:
    """Lowest frequency in Hz below which 25, 50, 75 and 90 % of the power lie."""
    cumulated = jnp.cumsum(power, axis=-1)
    total = cumulated[..., -1:]
    step = float(hz[1] - hz[0])
    return [(cumulated < q * total).sum(-1).astype(jnp.float32) * step for q in ROLLOFFS]


def alpha_ratio(power: jax.Array, hz: np.ndarray) -> jax.Array:
    """Energy of 50 to 1000 Hz over that of 1 to 5 kHz, dB (GeMAPS)."""
    low, high = band_power(power, hz, 50, 1000), band_power(power, hz, 1000, 5000)
    return DB * (jnp.log(low + FLOOR) - jnp.log(high + FLOOR))


def hammarberg(power: jax.Array, hz: np.ndarray) -> jax.Array:
    """Strongest bin of 0 to 2 kHz over the strongest of 2 to 5 kHz, dB (Hammarberg 1980)."""
    first, middle, last = np.searchsorted(hz, [0, 2000, 5000])
    low, high = power[..., first:middle].max(-1), power[..., middle:last].max(-1)
    return DB * (jnp.log(low + FLOOR) - jnp.log(high + FLOOR))


def entropy(power: jax.Array) -> jax.Array:
    """Shannon entropy of the power over the bins, divided by that of white noise: 0..1."""
    share = power / (power.sum(-1, keepdims=True) + 1e-12)
    return -(share * jnp.log(share + 1e-12)).sum(-1) / np.log(power.shape[-1])


def flatness(power: jax.Array) -> jax.Array:
    """Geometric over arithmetic mean of the bins, dB: 0 for white noise, lower for tones."""
    return DB * (jnp.log(power + 1e-10).mean(-1) - jnp.log(power.mean(-1) + 1e-10))


def sharpness(loudness: jax.Array, hz: np.ndarray) -> jax.Array:
    """Psychoacoustic sharpness of specific loudness, after Zwicker and Fastl.

    Args:
        loudness: [..., bands], auditory spectrum.
        hz: centre of each band.

    Returns:
        [...] in acum up to the scale of our loudness: 0.11 sum(L g z) / sum(L), with the critical
        band rate z in Bark (Traunmueller 1990) and g(z) = 1 up to 16 Bark, then rising.
    """
    bark = 26.81 * hz / (1960 + hz) - 0.53
    g = np.where(bark <= 16, 1.0, 0.066 * np.exp(0.171 * np.maximum(bark, 0)))
    weights = (0.11 * g * bark).astype(np.float32)
    return (loudness * weights).sum(-1) / (loudness.sum(-1) + 1e-6)


def flux(power: jax.Array, before: jax.Array) -> jax.Array:
    """Root mean square change of the magnitude spectrum, each normalised to sum 1, times bins."""
    now = jnp.sqrt(power)
    then = jnp.sqrt(before)
    now = now / (now.sum(-1, keepdims=True) + 1e-3)
    then = then / (then.sum(-1, keepdims=True) + 1e-3)
    return jnp.sqrt(jnp.square(now - then).mean(-1)) * power.shape[-1]
