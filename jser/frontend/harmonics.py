"""Descriptors of a voice's partials: how much of a frame is harmonic, and how it is spread.

Source: Peeters et al. 2011, The Timbre Toolbox: Extracting audio descriptors from musical signals,
J. Acoust. Soc. Am. 130(5), section on harmonic descriptors: energies, noiseness, inharmonicity,
tristimulus, odd-to-even ratio. Decibels, floors and how a partial is found are choices of ours.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jser.frontend.spectral import DB

PARTIALS = 20
NAMES = (
    "harmonic_energy_db", "noise_energy_db", "noiseness", "inharmonicity",
    "tristimulus_1", "tristimulus_2", "tristimulus_3", "odd_to_even_db",
)  # fmt: skip
# A partial is looked for this share of F0 around its place: nothing there belongs to a neighbour.
AROUND = 0.25
# Share of an energy below which a part of it is not resolved by window and parabola: -40 dB.
RESOLVED = 1e-4
# Mean square of -100 dB of full scale.
SILENT = 1e-10


def partials(
    power: jax.Array, step: float, f0: jax.Array, f0_max: float, seconds: float
) -> tuple[jax.Array, jax.Array]:
    """The strongest bin near each multiple of F0, placed by a parabola through the logarithm.

    How far the power at the maximum lies above that of the bin is known from the Hann window.

    Args:
        power: [..., bins] of a window of three periods or more.
        step: Hz between bins.
        f0: [...] in Hz, 0 where unvoiced.
        f0_max: highest F0 that occurs.
        seconds: length of the window.

    Returns:
        Frequency in Hz and power at the maximum, each [..., 20]; both 0 of partials that do not
        lie whole below the Nyquist frequency, and of unvoiced frames.
    """
    bins = power.shape[-1]
    number = np.arange(1, PARTIALS + 1, dtype=np.float32)
    nominal = f0[..., None] * number / step
    reach = AROUND * f0[..., None] / step
    there = (f0[..., None] > 0) & (nominal + reach < bins - 2)
    # Only the bins that any F0's search can reach, and a neighbour on each side, are looked at.
    side = int(np.ceil(AROUND * f0_max / step)) + 1
    middle = jnp.clip(jnp.round(nominal).astype(jnp.int32), 1, bins - 2)
    place = middle[..., None] + np.arange(-side, side + 1)
    inside = jnp.abs(place - nominal[..., None]) <= jnp.maximum(reach, 0.5)[..., None]
    inside &= (place >= 1) & (place <= bins - 2)
    flat = jnp.clip(place, 0, bins - 1).reshape(*place.shape[:-2], -1)
    near = jnp.take_along_axis(power, flat, axis=-1).reshape(place.shape)
    masked = jnp.where(inside, near, -1.0)
    # Two reductions that vectorise, where argmax would go bin by bin.
    best = masked == masked.max(-1, keepdims=True)
    at = jnp.clip(jnp.where(best & inside, place, bins).min(-1), 1, bins - 2)
    left, here, right = (
        jnp.log(jnp.take_along_axis(power, at + d, axis=-1) + 1e-20) for d in (-1, 0, 1)
    )
    bend = left - 2 * here + right
    is_peak = (here >= left) & (here >= right) & (bend < 0)
    shift = jnp.where(is_peak, 0.5 * (left - right) / jnp.where(is_peak, bend, -1), 0)
    away = jnp.clip(shift, -0.5, 0.5) * step * seconds
    height = jnp.exp(here) * jnp.square((1 - away**2) / jnp.sinc(away))
    return jnp.where(there, (at + shift) * step, 0), jnp.where(there, height, 0)


def harmonic(
    frames: jax.Array, f0: jax.Array, sample_rate: int, n_fft: int, f0_max: float
) -> list[jax.Array]:
    """The descriptors `NAMES`, each [...], of frames around a known F0.

    With partials h = 1..20 of amplitude a_h at f_h, and E the mean square of the windowed frame
    over that of the window:

    - harmonic energy E_H = sum a_h^2 / 2 and noise energy E - E_H, in dB of full scale, neither
      less than -40 dB of E; noiseness, the share of the noise in E;
    - inharmonicity 2 / F0 ``sum |f_h - h F0| a_h^2 / sum a_h^2``, 0 to 0.5;
    - tristimulus: shares of a_1, of a_2 to a_4 and of a_5 to a_20 in sum a_h;
    - odd-to-even ratio: sum of a_h^2 over odd h over that of even h, dB, between -40 and 40.

    An unvoiced frame has no partials: all its energy is noise (noiseness 1), its harmonic energy
    the least that could be seen, and the others are 0.

    Args:
        frames: float32 [..., window], not windowed; the window is a Hann one.
        f0: [...] in Hz, 0 where unvoiced.
        sample_rate: Hz.
        n_fft: FFT length.
        f0_max: highest F0 that occurs.
    """
    window = np.hanning(frames.shape[-1]).astype(np.float32)
    frames = (frames - frames.mean(-1, keepdims=True)) * window
    spectrum = jnp.fft.rfft(frames, n=n_fft)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    seconds = frames.shape[-1] / sample_rate
    frequency, height = partials(power, sample_rate / n_fft, f0, f0_max, seconds)
    # A sine of amplitude a has a maximum of height (a sum(w) / 2)^2.
    square = 4 * height / float(window.sum()) ** 2
    amplitude = jnp.sqrt(square)
    whole = jnp.square(frames).sum(-1) / float(np.square(window).sum())
    voiced = f0 > 0
    harmonic_energy = square.sum(-1) / 2
    noise = jnp.clip(whole - harmonic_energy, RESOLVED * whole, whole)
    number = np.arange(1, PARTIALS + 1, dtype=np.float32)
    away = jnp.abs(frequency - number * f0[..., None])
    of_all = jnp.maximum(square.sum(-1), 1e-20)
    inharmonicity = 2 / jnp.where(voiced, f0, 1) * (away * square).sum(-1) / of_all
    parts = [amplitude[..., :1], amplitude[..., 1:4], amplitude[..., 4:]]
    sum_of_all = jnp.maximum(amplitude.sum(-1), 1e-10)
    odd, even = (square[..., first::2].sum(-1) + RESOLVED * of_all for first in (0, 1))
    others = [inharmonicity, *(p.sum(-1) / sum_of_all for p in parts)]
    others.append(DB * (jnp.log(odd) - jnp.log(even)))
    return [
        DB * jnp.log(jnp.maximum(harmonic_energy, RESOLVED * whole) + SILENT),
        DB * jnp.log(noise + SILENT),
        jnp.where(voiced & (whole > SILENT), noise / jnp.maximum(whole, SILENT), 1),
        *(jnp.where(voiced, x, 0) for x in others),
    ]
