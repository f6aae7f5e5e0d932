"""Voice quality around a known F0: jitter and shimmer of neighbouring cycles."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

# A cycle may be this much shorter or longer than the frame's mean period.
SEARCH = 0.2
# Hann weights over 0.5 ms (at 16 kHz) before cycles are marked: below the first formants nothing
# changes, and noise of 20 dB SNR then adds 0.2 % to jitter where it added 1 %.
HUSH = np.hanning(11)[1:-1]


def hush(samples: jax.Array) -> jax.Array:
    """Moving average of samples [B, n] with the weights HUSH; beyond the ends lies silence."""
    side = len(HUSH) // 2
    padded = jnp.pad(samples, ((0, 0), (side, side)))
    weights = (HUSH / HUSH.sum()).astype(np.float32)
    n = samples.shape[1]
    return sum((w * padded[:, i : i + n] for i, w in enumerate(weights)), jnp.zeros_like(samples))


def cycles(frames: jax.Array, period: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Jitter and shimmer of up to four cycles around a frame's middle.

    The largest sample of the middle cycle (of either sign) marks it; two cycles each way the
    sample of that sign that is largest within 0.8 to 1.2 periods marks the next one. A parabola
    places the marks between samples.

    Args:
        frames: float32 [..., window], of samples that :func:`hush` smoothed.
        period: [...] in samples; 0 where unvoiced.

    Returns:
        local jitter (mean absolute difference of neighbouring periods over the mean period) and
        local shimmer (the same of the marks' heights), [...], 0 where unvoiced.
    """
    width = frames.shape[-1]
    n = np.arange(width, dtype=np.float32)
    frames = frames - frames.mean(-1, keepdims=True)
    middle = width / 2
    near = jnp.abs(n - middle) <= 0.5 * period[..., None]
    top = jnp.where(near, frames, -1e9).max(-1)
    bottom = jnp.where(near, frames, 1e9).min(-1)
    frames = jnp.where((top >= -bottom)[..., None], frames, -frames)
    inside = (n >= 1) & (n <= width - 2)

    def mark(centre, reach):
        window = (jnp.abs(n - centre[..., None]) <= reach[..., None]) & inside
        # Two reductions that vectorise, where argmax would go sample by sample.
        masked = jnp.where(window, frames, -1e9)
        place = jnp.where(masked == masked.max(-1, keepdims=True), n, width - 1.0).min(-1)
        place = place.astype(jnp.int32)
        left, here, right = (
            jnp.take_along_axis(frames, jnp.clip(place + d, 0, width - 1)[..., None], -1)[..., 0]
            for d in (-1, 0, 1)
        )
        bend = left - 2 * here + right
        shift = jnp.where(bend < 0, 0.5 * (left - right) / jnp.where(bend < 0, bend, -1), 0)
        shift = jnp.clip(shift, -0.5, 0.5)
        return place + shift, here - 0.25 * (left - right) * shift

    start = mark(jnp.full(period.shape, middle), 0.5 * period)
    marks = [start]
    for way in (-1, 1):
        at = start[0]
        for _ in range(2):
            step = mark(at + way * period, SEARCH * period)
            marks.append(step) if way > 0 else marks.insert(0, step)
            at = step[0]
    places = jnp.stack([m[0] for m in marks], -1)
    heights = jnp.stack([m[1] for m in marks], -1)
    # A mark counts if its whole search window lies in the frame.
    expected = start[0][..., None] + np.arange(-2, 3) * period[..., None]
    slack = np.array([2, 1, 0, 1, 2]) * SEARCH * period[..., None]
    there = (expected - slack >= 1) & (expected + slack <= width - 2)
    lengths = places[..., 1:] - places[..., :-1]
    whole = there[..., 1:] & there[..., :-1]
    pair = whole[..., 1:] & whole[..., :-1]

    def local(values, valid, pairs):
        mean = (values * valid).sum(-1) / jnp.maximum(valid.sum(-1), 1)
        change = jnp.abs(values[..., 1:] - values[..., :-1])
        change = (change * pairs).sum(-1) / jnp.maximum(pairs.sum(-1), 1)
        return jnp.where(period > 0, change / jnp.maximum(mean, 1e-6), 0)

    return local(lengths, whole, pair), jnp.minimum(local(heights, there, whole), 2.0)
