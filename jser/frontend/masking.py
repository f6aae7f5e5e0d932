"""Augmentation on the fly: stripes of SpecAugment, and noise in the Mel power domain.

Pure functions of a key, for the training step alone; dev and test never pass through here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from jser.frontend.log_mel import LogMelSpec, mel_filters
from jser.frontend.segments import DB

# Stripes in each direction, as in SpecAugment's policies LD and SM.
STRIPES = 2


def stripes(
    key: jax.Array, extent: jax.Array, size: int, share: jax.Array | float, n: int = STRIPES
) -> jax.Array:
    """Random stripes along one axis: bool [B, size], True where masked.

    Args:
        key: a random key.
        extent: int [B], true positions of each row.
        size: positions.
        share: widest stripe, as a share of the extent; 0 masks nothing. May be traced.
        n: stripes a row; they may overlap.
    """
    width_key, start_key = jax.random.split(key)
    shape = (len(extent), n)
    whole = extent[:, None].astype(jnp.float32)
    width = jnp.floor(jax.random.uniform(width_key, shape) * (jnp.floor(share * whole) + 1))
    start = jnp.floor(jax.random.uniform(start_key, shape) * (whole - width + 1))
    place = jnp.arange(size)
    inside = (place >= start[..., None]) & (place < (start + width)[..., None])
    return inside.any(1)


def spec_augment(
    key: jax.Array,
    x: jax.Array,
    length: jax.Array,
    bands: int,
    time: jax.Array | float,
    frequency: jax.Array | float,
) -> jax.Array:
    """Mask stripes of time and of frequency (Park et al. 2019), without warping time.

    Masked values become their own mean over the row's true steps, so a mask tells nothing of the
    scale, be it of pictures, of maps or of standardised features.

    Args:
        key: a random key.
        x: [B, S, D], zero on padding, where it stays zero.
        length: int [B].
        bands: D is laid out as bands x maps; a frequency stripe covers all maps of its bands.
        time: widest stripe of time, as a share of the row's length.
        frequency: widest stripe of frequency, as a share of the bands.
    """
    time_key, frequency_key = jax.random.split(key)
    steps = x.shape[1]
    masked_time = stripes(time_key, length, steps, time)
    masked_bands = stripes(frequency_key, jnp.full(len(x), bands), bands, frequency)
    masked = (
        masked_time[:, :, None] | jnp.repeat(masked_bands, x.shape[2] // bands, axis=1)[:, None, :]
    )
    mean = x.sum(1, keepdims=True) / jnp.maximum(length, 1)[:, None, None]
    true = (jnp.arange(steps) < length[:, None])[:, :, None]
    return jnp.where(masked & true, mean, x)


# --- noise ----------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4)
def _white(spec: LogMelSpec) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By band [M]: power of white noise of variance 1; weights to a signal's power; looks.

    Pre-emphasis is |1 - c exp(-jw)|^2 in power. The weights undo it: a weighted sum of a frame's
    Mel power is the mean square of its waveform (Parseval), as well as the filters can say it.
    """
    filters = mel_filters(spec).astype(np.float64)
    omega = 2 * np.pi * np.arange(len(filters)) / spec.n_fft
    emphasis = np.abs(1 - spec.pre_emphasis * np.exp(-1j * omega)) ** 2
    energy = np.sum(np.hamming(spec.window) ** 2)
    power = energy * emphasis @ filters
    heard = filters.sum(1) > 0
    wanted = (2 / (spec.n_fft * energy) / emphasis)[heard]
    weights, _ = optimize.nnls(filters[heard] / wanted[:, None], np.ones(len(wanted)))
    # Neighbouring bins of a zero-filled Hamming window are not independent.
    window = np.pad(np.hamming(spec.window), (0, spec.n_fft - spec.window)) ** 2
    bins = np.abs(np.fft.fft(window / window.sum())) ** 2
    between = bins[np.abs(np.subtract.outer(np.arange(len(filters)), np.arange(len(filters))))]
    part = emphasis[:, None] * filters
    looks = part.sum(0) ** 2 / np.maximum(np.einsum("fm,fg,gm->m", part, between, part), 1e-30)
    return tuple(a.astype(np.float32) for a in (power, weights, np.maximum(looks, 1.0)))  # type: ignore[return-value]


def mel_noise(
    key: jax.Array,
    static: jax.Array,
    length: jax.Array,
    snr_db: jax.Array,
    spec: LogMelSpec | None = None,
) -> jax.Array:
    """White noise at a signal-to-noise ratio, added to the Mel power of static log-Mel.

    An approximation to `augment.add_noise`, which needs the waveform. In one bin of the spectrum
    the power of signal plus noise is ``|a + n|^2`` with a complex Gaussian n: its mean is the sum
    of both powers, which is exact here too, and its fluctuation shrinks in a band by the number of
    its independent bins. What is lost: the noise of neighbouring frames and bands is independent
    here, where real frames overlap by more than half, and the signal's power is estimated from its
    bands (tested: mean of the log within 0.5 dB of real noise).

    Args:
        key: a random key.
        static: [B, T, M], natural logarithm of Mel power, of one level or another.
        length: int [B], true frames.
        snr_db: [B], over the whole utterance.
        spec: the front end.

    Returns:
        [B, T, M]; frames behind the end are without meaning.
    """
    unit, weights, looks = _white(spec or LogMelSpec())
    signal = jnp.exp(static)
    true = (jnp.arange(static.shape[1]) < length[:, None]).astype(static.dtype)
    mean_square = jnp.einsum("btm,m,bt->b", signal, weights, true) / jnp.maximum(length, 1)
    noise = (mean_square * 10 ** (-snr_db / 10))[:, None, None] * unit
    real, imaginary = jax.random.normal(key, (2, *static.shape)) * jnp.sqrt(noise / 2)
    cell = jnp.square(jnp.sqrt(signal) + real) + jnp.square(imaginary)
    mean = signal + noise
    return jnp.log(jnp.maximum(mean + (cell - mean) / jnp.sqrt(looks), 1e-30))


@dataclass(frozen=True)
class OnTheFly:
    """What a training step does to its inputs before anything else.

    Attributes:
        bands: a step's D values are bands x maps.
        masks: `spec_augment` by ``hyper.time_mask`` and ``hyper.frequency_mask``.
        snr_db: range of the noise added to a share ``hyper.noise_share`` of the rows, which must be
            static log-Mel on a scale of `range_db` to 0..1; None: no noise.
        range_db: of that scale.
    """

    bands: int
    masks: bool = False
    snr_db: tuple[float, float] | None = None
    range_db: tuple[float, float] = (0.0, 1.0)

    def __call__(
        self, key: jax.Array, x: jax.Array, length: jax.Array, hyper: Mapping[str, jax.Array]
    ) -> jax.Array:
        """Rows [B, S, D] with true steps int [B], disturbed; padding stays zero."""
        mask_key, noise_key, snr_key, share_key = jax.random.split(key, 4)
        if self.snr_db is not None:
            low, high = self.range_db
            snr = jax.random.uniform(
                snr_key, (len(x),), minval=self.snr_db[0], maxval=self.snr_db[1]
            )
            noisy = mel_noise(noise_key, (x * (high - low) + low) / DB, length, snr)
            noisy = (noisy * DB - low) / (high - low)
            chosen = jax.random.bernoulli(share_key, hyper["noise_share"], (len(x),))
            true = jnp.arange(x.shape[1]) < length[:, None]
            x = jnp.where((chosen[:, None] & true)[:, :, None], noisy, x)
        if self.masks:
            x = spec_augment(
                mask_key, x, length, self.bands, hyper["time_mask"], hyper["frequency_mask"]
            )
        return x
