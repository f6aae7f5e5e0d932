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


def cycles(frames: jax.Array, period: jax.Array, longest: int) -> tuple[jax.Array, jax.Array]:
    """Jitter and shimmer of up to four cycles around a frame's middle.

    The largest sample of the middle cycle (of either sign) marks it; two cycles each way the
    sample of that sign that is largest within 0.8 to 1.2 periods marks the next one. A parabola
    places the marks between samples. A mark that is no local maximum, or whose search would leave
    the frame, does not count.

    Args:
        frames: float32 [..., window], of samples that :func:`hush` smoothed.
        period: [...] in samples; 0 where unvoiced.
        longest: samples of the longest period that occurs.

    Returns:
        local jitter (mean absolute difference of neighbouring periods over the mean period) and
        local shimmer (the same of the marks' heights), in percent, [...], 0 where unvoiced.
    """
    width = frames.shape[-1]
    batch = frames.shape[:-1]
    frames = (frames - frames.mean(-1, keepdims=True)).reshape(-1, width)
    period = period.reshape(-1)
    middle = width // 2
    half = -(-longest // 2)
    centre = frames[:, middle - half : middle + half + 1]
    near = np.abs(np.arange(-half, half + 1)) <= 0.5 * period[:, None]
    top, bottom = jnp.where(near, centre, 0).max(-1), jnp.where(near, centre, 0).min(-1)
    frames = jnp.where((top >= -bottom)[:, None], frames, -frames)

    def mark(expected, reach, longest_reach):
        # Only the samples that any period's search can reach are looked at.
        count = 2 * longest_reach + 3
        first = jnp.round(expected).astype(jnp.int32) - longest_reach - 1
        first = jnp.clip(first, 0, width - count)
        cut = jax.vmap(lambda x, i: jax.lax.dynamic_slice(x, (i,), (count,)))(frames, first)
        place = first[:, None] + np.arange(count)
        searched = jnp.abs(place - expected[:, None]) <= reach[:, None]
        searched = (searched & (place >= 1) & (place <= width - 2))[:, 1:-1]
        masked = jnp.where(searched, cut[:, 1:-1], -jnp.inf)
        # Two reductions that vectorise, where argmax would go sample by sample.
        best = masked == masked.max(-1, keepdims=True)
        at = jnp.where(best, np.arange(count - 2), count - 3).min(-1)
        left, here, right = (
            jnp.take_along_axis(cut, at[:, None] + d, axis=1)[:, 0] for d in (0, 1, 2)
        )
        bend = left - 2 * here + right
        shift = jnp.where(bend < 0, 0.5 * (left - right) / jnp.where(bend < 0, bend, -1), 0)
        shift = jnp.clip(shift, -0.5, 0.5)
        is_peak = (here >= left) & (here >= right) & (bend < 0)
        return first + 1 + at + shift, here - 0.25 * (left - right) * shift, is_peak

    reach = -int(-SEARCH * longest // 1)
    start = mark(jnp.full(period.shape, float(middle)), 0.5 * period, half)
    marks = [start]
    for way in (-1, 1):
        at = start[0]
        for _ in range(2):
            found = mark(at + way * period, SEARCH * period, reach)
            marks = [*marks, found] if way > 0 else [found, *marks]
            at = found[0]
    places, heights, there = (jnp.stack(values, -1) for values in zip(*marks, strict=True))
    expected = start[0][:, None] + np.arange(-2, 3) * period[:, None]
    slack = np.array([2, 1, 0, 1, 2]) * SEARCH * period[:, None]
    there &= (expected - slack >= 1) & (expected + slack <= width - 2)
    lengths = places[:, 1:] - places[:, :-1]
    whole = there[:, 1:] & there[:, :-1]

    def local(values, valid):
        mean = (values * valid).sum(-1) / jnp.maximum(valid.sum(-1), 1)
        pairs = valid[:, 1:] & valid[:, :-1]
        change = jnp.abs(values[:, 1:] - values[:, :-1])
        change = (change * pairs).sum(-1) / jnp.maximum(pairs.sum(-1), 1)
        change = jnp.where(period > 0, change / jnp.maximum(mean, 1e-6), 0)
        return 100 * jnp.minimum(change, 1.0).reshape(batch)

    return local(lengths, whole), local(heights, there)
