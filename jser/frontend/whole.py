"""Whole recordings in one traced program: what an exported artefact hears with.

The front end's own functions work on blocks of one compiled shape, so that records are built fast.
Here the same mathematics takes padded recordings [B, n] whose size may be symbolic
(`jax.export.symbolic_shape`): one block as long as the recording. Numbers are those of the blocks
to rounding (tested).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jser.frontend import descriptor_sets, descriptors, functionals, segments
from jser.frontend.descriptors import DescriptorSpec
from jser.frontend.log_mel import LogMelSpec, log_mel


def silent_behind(wave: jax.Array, length: jax.Array) -> jax.Array:
    """Recordings [B, n], zero from their true samples int [B] on."""
    return jnp.where(jnp.arange(wave.shape[1]) < length[:, None], wave, 0.0)


def frames_of(length: jax.Array, window: int, hop: int) -> jax.Array:
    """True frames int [B] of recordings of int [B] samples, see `framing.frame_count`."""
    return jnp.maximum(1, 1 + (length - window) // hop)


def levelled(wave: jax.Array, length: jax.Array, level: str) -> jax.Array:
    """Recordings [B, n], silent behind their ends, at a level of `jser.frontend.level.LEVELS`."""
    if level == "recorded":
        return wave
    if level == "peak":
        return wave / jnp.maximum(jnp.abs(wave).max(1, keepdims=True), 1e-9)
    count = jnp.maximum(length, 1)[:, None]
    away = silent_behind(wave - wave.sum(1, keepdims=True) / count, length)
    deviation = jnp.sqrt(jnp.square(away).sum(1, keepdims=True) / count)
    return jnp.where(deviation < 1e-9, 0.0, away / jnp.maximum(deviation, 1e-9))


def log_mels(wave: jax.Array, length: jax.Array, spec: LogMelSpec) -> tuple[jax.Array, jax.Array]:
    """Log-Mel of recordings, see `jser.frontend.log_mel`.

    Args:
        wave: float32 [B, n], silent behind the true samples, n at least a window.
        length: int [B], true samples.
        spec: the front end's specification.

    Returns:
        (float32 [B, T, n_mels], true frames int [B]).
    """
    history = jnp.pad(wave, ((0, 0), (1, 0)))
    return log_mel(history, spec), frames_of(length, spec.window, spec.hop)


def speech_bounds(
    static: jax.Array, frames: jax.Array, threshold_db: float
) -> tuple[jax.Array, jax.Array]:
    """`segments.speech_bounds` of log-Mels [B, T, M] with true frames int [B]: (start, stop)."""
    energy = segments.DB * jax.nn.logsumexp(static, axis=2)
    time = jnp.arange(static.shape[1])
    true = time < frames[:, None]
    loudest = jnp.where(true, energy, -jnp.inf).max(1, keepdims=True)
    loud = true & (energy >= loudest - threshold_db)
    last = jnp.where(loud, time, -1).max(1)
    return jnp.argmax(loud, axis=1), last + 1


def shifted(
    x: jax.Array, start: jax.Array, stop: jax.Array, least: int = 1, behind: int = 0
) -> tuple[jax.Array, jax.Array]:
    """Rows from `start` to `stop` int [B] of x [B, T, ...], at the beginning; the last repeats.

    Args:
        x: [B, T, ...].
        start, stop: of each recording.
        least: frames that a recording has at least, by repeating its last one.
        behind: more of them, which are not counted.

    Returns:
        ([B, max(T, least) + behind, ...], frames int [B]).
    """
    steps = jax.core.max_dim(x.shape[1], least) + behind
    index = jnp.minimum(start[:, None] + jnp.arange(steps), stop[:, None] - 1)
    taken = jax.vmap(lambda rows, i: jnp.take(rows, i, axis=0))(x, index)
    return taken, jnp.maximum(stop - start, least)


def tracked(
    wave: jax.Array, length: jax.Array, spec: DescriptorSpec
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Recordings as one block each, and their pitch; of what the descriptors are made.

    Args:
        wave: float32 [B, n], silent behind the true samples.
        length: int [B], true samples.
        spec: of the descriptors.

    Returns:
        (block [B, m] as `descriptors.raw_columns` wants it, track [B, T, 3], true frames int [B]).
    """
    wave = levelled(wave, length, spec.level)
    before, after = descriptors.margins(spec)
    count = 1 + (wave.shape[1] - spec.window) // spec.hop
    reach = before + (count - 1) * spec.hop + after
    # As many zeros as the last window can reach; what is over is cut off.
    block = jnp.pad(wave, ((0, 0), (before, after)))[:, :reach]
    frames = frames_of(length, spec.window, spec.hop)
    peak = jnp.abs(wave).max(1)
    found = descriptors.candidates_of(block, peak, spec)
    return block, descriptors.track_of(found, frames, spec), frames


def descriptors_of(
    wave: jax.Array, length: jax.Array, spec: DescriptorSpec
) -> tuple[jax.Array, jax.Array]:
    """`descriptors.descriptors` of recordings: (float32 [B, T, D], true frames int [B])."""
    block, track, frames = tracked(wave, length, spec)
    return descriptors.rows_of(block, track, spec), frames


def set_of(
    wave: jax.Array, length: jax.Array, name: str, spec: DescriptorSpec
) -> tuple[jax.Array, jax.Array]:
    """`descriptor_sets.frames` of recordings: (float32 [B, T, D], true frames int [B])."""
    block, track, frames = tracked(wave, length, spec)
    return descriptor_sets.of_block(block, track, frames, name, spec), frames


def voiced_segments(voiced: jax.Array, shortest_gap: int, shortest_region: int) -> jax.Array:
    """`voiced.voiced_segments` of bool [B, T], False behind the ends: 1 where a segment starts."""
    time, end = jnp.arange(voiced.shape[1]), voiced.shape[1]

    def last(there: jax.Array) -> jax.Array:
        return jax.lax.cummax(jnp.where(there, time, -1), axis=1)

    def following(there: jax.Array) -> jax.Array:
        return jax.lax.cummin(jnp.where(there, time, end), axis=1, reverse=True)

    before, after = last(voiced), following(voiced)
    inside = (before >= 0) & (after < end)
    closed = voiced | (inside & (after - before - 1 < shortest_gap))
    # The run that a frame lies in reaches from the last frame outside to the next one.
    length = following(~closed) - last(~closed) - 1
    kept = closed & (length >= shortest_region)
    before, after = last(kept), following(kept)
    middle = (before + 1 + after) // 2
    return (~kept & (before >= 0) & (after < end) & (time == middle)).astype(jnp.float32)


def functionals_of(wave: jax.Array, length: jax.Array, spec: DescriptorSpec) -> jax.Array:
    """`functionals.functionals` of recordings: float32 [B, U]."""
    rows, frames = descriptors_of(wave, length, spec)
    return jax.vmap(lambda x, n: functionals.functionals_of(x, n, spec))(rows, frames)
