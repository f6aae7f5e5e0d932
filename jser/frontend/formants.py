"""Formants by linear prediction, and the harmonics' levels against the first one.

Sources: selective linear prediction, Makhoul 1975, Linear prediction: a tutorial review, Proc. IEEE
63(4), section IV-D; H1-H2 and H1-A3, Hanson 1997, J. Acoust. Soc. Am. 101(1), as GeMAPS has them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jser.frontend.spectral import DB, FLOOR, matmul

HIGHEST = 5500.0
ORDER = 11
FORMANTS = 3
LOWEST = 150.0
PRE_EMPHASIS = 0.97
# White noise, -40 dB, added to what is predicted: it keeps the recursion stable in float32.
NOISE = 1e-4
# A resonance is looked for in the harmonics this far around its frequency.
AROUND = 0.2


def predict(auto: jax.Array, order: int) -> jax.Array:
    """Levinson's recursion: autocorrelation -> predictor, both [..., order + 1], with a_0 = 1.

    An empty frame (autocorrelation 0) gives a_k = 0 for k > 0.
    """
    error = jnp.where(auto[..., 0] > 0, auto[..., 0], 1)
    a = [jnp.ones_like(error)]
    for i in range(1, order + 1):
        reach = sum((a[j] * auto[..., i - j] for j in range(i)), jnp.zeros_like(error))
        k = -reach / error
        padded = [*a, jnp.zeros_like(error)]
        a = [padded[j] + k * padded[i - j] for j in range(i + 1)]
        error = error * jnp.maximum(1 - k * k, 1e-6)
    return jnp.stack(a, axis=-1)


def formants(power: jax.Array, hz: np.ndarray) -> tuple[jax.Array, jax.Array]:
    """The first resonances of the spectral envelope.

    The power spectrum up to 5.5 kHz, pre-emphasised, is modelled by an all-pole envelope of order
    11; its maxima above 150 Hz, placed by a parabola through the logarithm, are the formants, and
    the curvature there gives the bandwidth of a single resonance of that sharpness.

    Args:
        power: [..., bins].
        hz: frequency of each bin, evenly spaced from 0.

    Returns:
        frequency [..., 3] and bandwidth [..., 3] in Hz; a formant that the envelope does not show
        (two have merged) is given the frequency of a neutral tube, 500, 1500 and 2500 Hz, or that
        of the one below where this is higher, and a bandwidth of 500 Hz.
    """
    step = float(hz[1])
    last = int(HIGHEST / step)
    edge = 2 * np.pi * hz[: last + 1] / (2 * hz[-1])
    tilt = 1 + PRE_EMPHASIS**2 - 2 * PRE_EMPHASIS * np.cos(edge)
    weight = tilt * np.where((np.arange(last + 1) == 0) | (np.arange(last + 1) == last), 1, 2)
    angle = np.pi * np.arange(last + 1)[:, None] * np.arange(ORDER + 1) / last
    auto = matmul(power[..., : last + 1], (weight[:, None] * np.cos(angle)).astype(np.float32))
    auto = auto * (1 + NOISE * (np.arange(ORDER + 1) == 0)).astype(np.float32)
    a = predict(auto, ORDER)
    real = matmul(a, np.cos(angle).T.astype(np.float32))
    imaginary = matmul(a, np.sin(angle).T.astype(np.float32))
    envelope = -jnp.log(jnp.square(real) + jnp.square(imaginary) + 1e-9)
    left, middle, right = envelope[..., :-2], envelope[..., 1:-1], envelope[..., 2:]
    place = hz[1:last].astype(np.float32)
    peak = (middle > left) & (middle >= right) & (place >= LOWEST)
    bend = jnp.where(peak, left - 2 * middle + right, -1)
    place = place + step * jnp.where(peak, 0.5 * (left - right) / bend, 0)
    # log 1 / ((f - F)^2 + (B / 2)^2) has the second derivative -8 / B^2 at F.
    width = step * jnp.sqrt(8 / jnp.maximum(-bend, 1e-3))
    which = jnp.cumsum(peak, axis=-1) * peak
    frequency, bandwidth = [], []
    below = jnp.zeros(power.shape[:-1])
    for k in range(1, FORMANTS + 1):
        mine = which == k
        there = mine.any(-1)
        found = jnp.where(mine, place, 0).sum(-1)
        below = jnp.where(there, found, jnp.maximum(1000.0 * k - 500.0, below))
        frequency.append(below)
        bandwidth.append(jnp.where(there, jnp.minimum((mine * width).sum(-1), 1000.0), 500.0))
    return jnp.stack(frequency, -1), jnp.stack(bandwidth, -1)


def harmonic_levels(
    power: jax.Array, hz: np.ndarray, f0: jax.Array, frequency: jax.Array
) -> list[jax.Array]:
    """Level of the first harmonic over that of others, dB, 0 where unvoiced.

    Args:
        power: [..., bins] of a window of three periods or more.
        hz: frequency of each bin.
        f0: [...] in Hz, 0 where unvoiced.
        frequency: [..., 3], formants in Hz.

    Returns:
        H1 - H2, and H1 - A1, H1 - A2, H1 - A3, where A_k is the strongest component within 20 %
        of formant k.
    """
    step = float(hz[1])
    level = DB * jnp.log(power + FLOOR)

    def at(f):
        position = f / step
        low = jnp.clip(position.astype(jnp.int32), 0, len(hz) - 2)
        below, above = (
            jnp.take_along_axis(level, low[..., None] + d, axis=-1)[..., 0] for d in (0, 1)
        )
        return below + (position - low) * (above - below)

    first = at(f0)
    voiced = f0 > 0
    out = [jnp.where(voiced, first - at(2 * f0), 0)]
    bins = hz.astype(np.float32)
    for k in range(FORMANTS):
        centre = frequency[..., k : k + 1]
        near = jnp.abs(bins - centre) <= AROUND * centre
        out.append(jnp.where(voiced, first - jnp.where(near, level, -1e9).max(-1), 0))
    return out
