"""How system A hears: pictures of sound through the frozen stem, and the views of its read-outs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jser.frontend import segments, whole
from jser.frontend.descriptors import DescriptorSpec
from jser.frontend.log_mel import LogMelSpec
from jser.models.stems import pictures
from jser.systems import ears
from jser.systems.ears import Ear, Hear, Heard
from jser.training import boundary, level_features, narrow_view, stem_features
from jser.training.projection import Projection
from jser.training.stem_spec import StemSpec


def make(
    spec: StemSpec,
    views: Sequence[str],
    weights_dir: Path,
    normalisation: str,
    frames: Sequence[Projection],
    pooled: Sequence[Projection],
    train_from: str = "",
) -> Ear:
    """The ear of a stem.

    Args:
        spec: of the stem.
        views: whose read-outs are added, see `fusion.VIEWS`; the stem's own is always there.
        weights_dir: where `jser weights` keeps weights that come in no package.
        normalisation: a mode that needs no speaker.
        frames, pooled: see `Ear`.
        train_from: first block that a network has for itself, tuned; empty: none.

    Raises:
        InputError: the weights are not there.
    """
    heard_by = spec
    if train_from and not views and not pooled:  # nothing reads what the frozen blocks make
        heard_by = boundary.spec_of_maps(spec, train_from)
    params = jax.tree.map(jnp.asarray, heard_by.params(weights_dir))
    hear = _hear(spec, tuple(views), normalisation)
    if train_from:
        frozen = hear if heard_by is spec else None
        hear = _hear_before(spec, train_from, frozen)
    # Where silence is cut off, steps of one window are not those of the next.
    windowed = spec.picture == "segments" or spec.window > 0
    carries = spec.shift if windowed and spec.trim_db == 0 and not train_from else 0
    return Ear(hear, params, tuple(frames), tuple(pooled), carries)


def of_levels(spec: StemSpec, weights_dir: Path) -> Ear:
    """The ear of system C: a step is a level of the net, pooled over the whole recording.

    Raises:
        InputError: the weights are not there.
    """

    def hear(params: Any, wave: jax.Array, length: jax.Array) -> Heard:
        static, count = whole.log_mels(wave, length, LogMelSpec())
        static, first, count = _prepared(static, count, spec)
        levels, _ = level_features.of_spectrograms(params, static, count, spec)
        n = levels.shape[1]
        bounds = jnp.stack([first, first + count], axis=-1)
        return Heard(
            levels,
            jnp.full_like(count, n),
            None,
            {},
            jnp.repeat(bounds[:, None], n, axis=1).astype(jnp.int32),
        )

    return Ear(hear, jax.tree.map(jnp.asarray, spec.params(weights_dir)))


def _hear(spec: StemSpec, views: tuple[str, ...], normalisation: str) -> Hear:
    described = DescriptorSpec(level=spec.level)

    def hear(params: Any, wave: jax.Array, length: jax.Array) -> Heard:
        static, count = whole.log_mels(wave, length, LogMelSpec())
        static, first, count = _prepared(static, count, spec)
        if spec.picture == "segments":
            steps, pooled, steps_there = _by_segment(params, static, count, spec)
        else:
            steps, pooled = stem_features.utterance_features(params, static, count, spec)
            steps_there = _true_steps(count, spec)
        steps, pooled = ears.rounded(steps), ears.rounded(pooled)
        bounds = _bounds(first, count, steps.shape[1], spec)
        if normalisation == "utterance":
            steps = ears.of_utterance(steps, steps_there, None)
        seen = {"stem": pooled}
        if "narrow" in views:
            seen["narrow"] = _narrow(params, wave, length, spec)
        if "descriptors" in views:
            seen["descriptors"] = whole.functionals_of(wave, length, described)
        return Heard(steps, steps_there, pooled, seen, bounds)

    return hear


def _hear_before(spec: StemSpec, train_from: str, frozen: Hear | None) -> Hear:
    """What the blocks from `train_from` on read, with what `frozen` makes for others."""
    before = boundary.border(spec, train_from)

    def hear(params: Any, wave: jax.Array, length: jax.Array) -> Heard:
        static, count = whole.log_mels(wave, length, LogMelSpec())
        static, first, count = _prepared(static, count, spec)
        there = _true_steps(count, spec)
        steps = stem_features.steps_of(static.shape[1], spec)
        if before is None:
            rows, columns = pictures.grey(static, spec), count
        elif spec.picture == "segments":
            cut = _cut(static, count, spec)
            flat = cut.reshape(-1, *cut.shape[2:])
            rows = boundary.maps_of_segments(params, flat, spec, before)
            rows, columns = ears.rounded(rows).reshape(*cut.shape[:2], -1), there
            steps = rows.shape[1]
        else:
            rows, columns = boundary.columns(params, static, count, spec, before)
            rows = ears.rounded(rows)
        bounds = _bounds(first, count, steps, spec)
        heard = Heard(rows, there, None, {}, bounds, columns)
        if frozen is not None:
            beside = frozen(params, wave, length)
            heard = heard._replace(pooled=beside.pooled, views=beside.views)
        return heard

    return hear


def _prepared(
    static: jax.Array, count: jax.Array, spec: StemSpec
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`stem_features.prepare` of log-Mels [B, T, M]: with the first frame kept, and frames [B]."""
    first, stop = jnp.zeros_like(count), count
    if spec.trim_db > 0:
        first, stop = whole.speech_bounds(static, count, spec.trim_db)
    # One frame more, as `stem_features.each_utterance` has.
    static, kept = whole.shifted(static, first, stop, segments.SEGMENT_FRAMES, behind=1)
    if spec.level == "peak":
        # What repeats the last frame changes no maximum.
        static = static - static.max((1, 2), keepdims=True)
    return static, first, kept


def _true_steps(count: jax.Array, spec: StemSpec) -> jax.Array:
    """`stem_features.steps_of` of true frames int [B]."""
    if spec.picture == "segments":
        return jnp.maximum(1, (count - segments.SEGMENT_FRAMES) // spec.shift + 1)
    if spec.window == 0:
        return jnp.ones_like(count)
    return jnp.maximum(1, -(-(count - spec.window) // spec.shift) + 1)


def _bounds(first: jax.Array, count: jax.Array, steps: Any, spec: StemSpec) -> jax.Array:
    """`step_times.step_bounds`; a recording filled up to 64 frames has a step as long as those."""
    window = segments.SEGMENT_FRAMES if spec.picture == "segments" else spec.window
    shift = spec.shift if window else 0
    begin = first[:, None] + jnp.arange(steps) * shift
    stop = (first + count)[:, None]
    end = jnp.minimum(begin + window, stop) if window else jnp.broadcast_to(stop, begin.shape)
    return jnp.stack([jnp.minimum(begin, stop), end], axis=-1).astype(jnp.int32)


def _by_segment(
    params: Any, static: jax.Array, count: jax.Array, spec: StemSpec
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Steps [B, S, D] of segments, their statistics [B, D], true steps [B]."""
    cut = _cut(static, count, spec)
    flat = cut.reshape(-1, *cut.shape[2:])
    steps = stem_features.segment_features(params, flat, spec)
    steps = steps.reshape(*cut.shape[:2], -1)
    there = _true_steps(count, spec)
    true = (jnp.arange(steps.shape[1]) < there[:, None])[:, :, None]
    mean = jnp.where(true, steps, 0).sum(1) / there[:, None]
    largest = jnp.where(true, steps, -jnp.inf).max(1)
    return steps, jnp.where(stem_features.is_maximum(spec), largest, mean), there


def _cut(static: jax.Array, count: jax.Array, spec: StemSpec) -> jax.Array:
    """Pictures of the segments [B, S, 64, M, 3]."""
    images = jax.vmap(lambda x, n: pictures.picture(x, n, spec))(static, count)
    return jax.vmap(lambda x: segments.segment(x, spec.shift))(images)


def _narrow(params: Any, wave: jax.Array, length: jax.Array, spec: StemSpec) -> jax.Array:
    """The view of `narrow_view`: [B, D]."""
    mine = narrow_view.narrow(spec)
    static, count = whole.log_mels(wave, length, narrow_view.FRONT_END)
    static, _, count = _prepared(static, count, mine)
    return ears.rounded(stem_features.utterance_features(params, static, count, mine)[1])
