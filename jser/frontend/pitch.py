"""Fundamental frequency and harmonics-to-noise ratio by autocorrelation and a best path.

Source: Boersma 1993, Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound, IFA Proceedings 17, 97-110. The autocorrelation of a
windowed frame is divided by that of the window; its local maxima are candidates for the period;
one path through the candidates of all frames, with costs for jumps of an octave and for changes
between voiced and unvoiced, decides (Viterbi). Costs and thresholds are the paper's.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

# Score of a candidate that is not there: no path takes it.
NEVER = -1e3


@dataclasses.dataclass(frozen=True)
class PitchSpec:
    """What decides F0 and voicing.

    Attributes:
        window: samples of the Hann window (800 = 50 ms: three periods of the lowest F0).
        n_fft: FFT length, at least window + longest period, so that no lag wraps around.
        f0_min: lowest F0, Hz.
        f0_max: highest F0, Hz.
        candidates: periods kept of each frame.
        voicing: strength (0..1) at which a candidate equals the unvoiced one.
        silence: frames whose peak lies below this share of the recording's tend to unvoiced.
        octave: cost of a candidate an octave lower; prefers the highest of equal ones.
        jump: cost of a jump of an octave from one frame to the next, at a hop of 10 ms.
        change: cost of a change between voiced and unvoiced, at a hop of 10 ms.
    """

    window: int = 800
    n_fft: int = 1152
    f0_min: float = 60.0
    f0_max: float = 600.0
    candidates: int = 6
    voicing: float = 0.45
    silence: float = 0.03
    octave: float = 0.01
    jump: float = 0.35
    change: float = 0.14


def window_and_autocorrelation(spec: PitchSpec, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Hann window [window] and its normalised autocorrelation at lags 0 .. lags - 1, float32."""
    n = np.arange(spec.window)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (n + 0.5) / spec.window)
    power = np.abs(np.fft.rfft(window, 2 * spec.window)) ** 2
    auto = np.fft.irfft(power)[:lags]
    return window.astype(np.float32), (auto / auto[0]).astype(np.float32)


def candidates(
    frames: jax.Array, peak: jax.Array, spec: PitchSpec, sample_rate: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Candidates for the period of every frame.

    Args:
        frames: float32 [..., window], not windowed.
        peak: [...] or broadcastable, the highest absolute sample of the whole recording.
        spec: what to look for.
        sample_rate: Hz.

    Returns:
        lag [..., K] in samples, strength [..., K] (autocorrelation at that lag, 0..1; NEVER where
        a frame has fewer candidates), and unvoiced [...], the score of the unvoiced candidate.
    """
    low = int(sample_rate / spec.f0_max)
    high = int(np.ceil(sample_rate / spec.f0_min))
    window, window_auto = window_and_autocorrelation(spec, high + 2)
    frames = frames - frames.mean(-1, keepdims=True)
    local = jnp.abs(frames).max(-1)
    spectrum = jnp.fft.rfft(frames * window, n=spec.n_fft)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    auto = jnp.fft.irfft(power, n=spec.n_fft)
    zero = auto[..., :1]
    r = auto[..., low - 1 : high + 2] / jnp.where(zero > 0, zero, 1) / window_auto[low - 1 :]
    left, middle, right = r[..., :-2], r[..., 1:-1], r[..., 2:]
    # The parabola through a maximum and its neighbours gives the period between samples.
    curvature = left - 2 * middle + right
    shift = 0.5 * (left - right) / jnp.where(curvature < 0, curvature, -1)
    height = middle - 0.25 * (left - right) * shift
    height = jnp.where(height > 1, 1 / height, height)  # the paper's remedy for short windows
    lag = np.arange(low, high + 1, dtype=np.float32)
    is_peak = (middle > left) & (middle >= right) & (middle > 0.5 * spec.voicing)
    score = jnp.where(is_peak, height - spec.octave * np.log2(spec.f0_min / sample_rate * lag), -1)
    best, index = jax.lax.top_k(score, spec.candidates)
    strength = jnp.take_along_axis(height, index, axis=-1)
    found = best > -1
    period = index + low + jnp.where(found, jnp.take_along_axis(shift, index, axis=-1), 0)
    strength = jnp.where(found, strength, NEVER)
    quiet = 2 - local / jnp.maximum(peak, 1e-9) * (1 + spec.voicing) / spec.silence
    return period, strength, spec.voicing + jnp.maximum(0.0, quiet)


def best_path(
    lag: jax.Array,
    strength: jax.Array,
    unvoiced: jax.Array,
    length: jax.Array,
    spec: PitchSpec,
    sample_rate: int,
) -> jax.Array:
    """The candidate of each frame on the best path.

    Args:
        lag, strength: [T, K] of :func:`candidates`; unvoiced: [T].
        length: number of true frames; rows behind it are not read.
        spec: costs.
        sample_rate: Hz.

    Returns:
        int32 [T]: 0..K-1, or K for unvoiced; without meaning behind `length`.
    """
    octave = jnp.log2(spec.f0_min / sample_rate * lag)
    voiced_score = jnp.where(strength > NEVER, strength - spec.octave * octave, NEVER)
    score = jnp.concatenate([voiced_score, unvoiced[:, None]], axis=1)
    k = lag.shape[1]
    is_unvoiced = np.arange(k + 1) == k
    change = spec.change * (is_unvoiced[:, None] != is_unvoiced[None])
    both = ~is_unvoiced[:, None] & ~is_unvoiced[None]
    octave = jnp.pad(octave, ((0, 0), (0, 1)))

    def forward(carry, frame):
        total, before = carry
        here, now, true = frame
        jump = spec.jump * jnp.abs(before[:, None] - now[None]) * both + change
        through = total[:, None] - jump
        came_from = jnp.argmax(through, axis=0)
        # Padding neither scores nor moves: the path ends where the recording does.
        came_from = jnp.where(true, came_from, np.arange(k + 1))
        total = jnp.where(true, through.max(axis=0) + here, total)
        return (total, jnp.where(true, now, before)), came_from

    true = jnp.arange(lag.shape[0]) < length
    (total, _), came_from = jax.lax.scan(
        forward, (score[0], octave[0]), (score[1:], octave[1:], true[1:])
    )

    def backward(state, pointers):
        return pointers[state], state

    first, states = jax.lax.scan(backward, jnp.argmax(total), came_from, reverse=True)
    return jnp.concatenate([first[None], states]).astype(jnp.int32)


def harmonics_to_noise(strength: jax.Array) -> jax.Array:
    """Harmonics-to-noise ratio in dB of an autocorrelation peak: 10 log10(r / (1 - r))."""
    r = jnp.clip(strength, 1e-2, 1 - 1e-4)
    return 10 * jnp.log10(r / (1 - r))
