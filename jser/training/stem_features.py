"""A frozen stem's features: log-Mel pictures through the CNN, computed once and cached.

Nothing here depends on labels or on how speakers are split: the picture's scaling is fixed, so
one computation serves every fold, seed and hyperparameter. What is learned from data (mean,
scale, projection) belongs to a member and comes after.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jser import progress
from jser.frontend import log_mel, segments
from jser.models import stems
from jser.training import feature_cache
from jser.training.stem_spec import StemSpec

# Pictures of one call: about 30 seconds of speech, so that memory does not grow with the corpus.
CALL_FRAMES = 3072
# Utterances are padded to a multiple of this many frames: a few compiled widths serve them all.
WIDTH_STEP = 64


@dataclasses.dataclass(frozen=True)
class StepFeatures:
    """Ragged sequences of stem features on the host.

    Attributes:
        frames: [F, D], all steps of all rows, one behind the other.
        offset: int32 [R].
        length: int32 [R], steps of a row.
        pooled: [R, D], the same statistics over a row's whole length.
    """

    frames: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    pooled: np.ndarray


# --- pictures ------------------------------------------------------------------------------------


def prepare(static: np.ndarray, spec: StemSpec) -> np.ndarray:
    """Trim silence, set the level and fill up a static log-Mel [T, M] (natural logarithm)."""
    if spec.trim_db > 0:
        start, stop = segments.speech_bounds(static, spec.trim_db)
        static = static[start:stop]
    if spec.level == "peak":
        static = static - static.max()
    return segments.fill_short(static)


def picture(static: jax.Array, length: jax.Array, spec: StemSpec) -> jax.Array:
    """Picture [T, M, 3], ImageNet-normalised, of a static log-Mel [T, M] with `length` true frames.

    The scaling is fixed: decibels to 0..1, independent of the data, so that features can be
    computed before anyone knows who is trained on what.
    """
    low, high = spec.range_db
    static = static * segments.DB
    if spec.channels == 1:
        layers = [(static - low) / (high - low)] * 3
    else:
        channels = log_mel.three_channels(static, length)
        layers = [
            (channels[..., 0] - low) / (high - low),
            channels[..., 1] / (2 * spec.delta_db) + 0.5,
            channels[..., 2] / spec.delta_db + 0.5,
        ]
    image = jnp.clip(jnp.stack(layers, axis=-1), 0.0, 1.0)
    net = stems.get(spec.net)
    return (image - np.array(net.mean, np.float32)) / np.array(net.std, np.float32)


def _pooled_windows(
    maps: jax.Array, width: jax.Array, start: np.ndarray, size: int, names: tuple[str, ...]
) -> jax.Array:
    """Statistics over time of windows of maps, frequency kept.

    Args:
        maps: [h, w, C].
        width: true columns.
        start: first column of each of S windows.
        size: columns of a window.
        names: statistics.

    Returns:
        [S, len(names) * h * C].
    """
    columns = start[:, None] + np.arange(size)[None, :]
    true = columns < width
    x = jnp.take(maps, jnp.minimum(columns, maps.shape[1] - 1), axis=1)  # [h, S, size, C]
    weight = true[None, :, :, None].astype(x.dtype)
    count = jnp.maximum(weight.sum(2), 1.0)
    mean = (x * weight).sum(2) / count
    found = {"mean": mean}
    if "std" in names:
        variance = (jnp.square(x - mean[:, :, None]) * weight).sum(2) / count
        found["std"] = jnp.sqrt(variance + 1e-8)
    if "max" in names:
        largest = jnp.max(jnp.where(weight > 0, x, -jnp.inf), axis=2)
        found["max"] = jnp.where(jnp.isfinite(largest), largest, 0)  # a window behind the end
    stacked = jnp.stack([found[name] for name in names])  # [n, h, S, C]
    return jnp.moveaxis(stacked, 2, 0).reshape(len(start), -1)


def steps_of(length: int, spec: StemSpec) -> int:
    """Steps S that a prepared utterance of `length` frames gives."""
    if spec.picture == "segments":
        return segments.n_segments(length, spec.shift)
    if spec.window == 0:
        return 1
    return max(1, -(-(length - spec.window) // spec.shift) + 1)


def _utterance_features(
    params: Any, static: jax.Array, length: jax.Array, spec: StemSpec
) -> tuple[jax.Array, jax.Array]:
    """[B, T, M], [B] -> (steps [B, S, D], whole [B, D]) of whole utterances as pictures."""
    t, m = static.shape[1:]
    images = jax.vmap(lambda x, n: picture(x, n, spec))(static, length)  # [B, T, M, 3]
    images = jnp.swapaxes(images, 1, 2)
    images = jax.image.resize(
        images, (len(images), m * spec.scale, t * spec.scale, 3), method="bilinear"
    )
    net = stems.get(spec.net)
    window, shift = (t, t) if spec.window == 0 else (spec.window, spec.shift)
    first = np.arange(steps_of(t, spec)) * shift
    steps, whole = [], []
    taps = net.apply(params, images, length * spec.scale, taps=spec.taps, pooled=spec.pooled)
    for tap, (maps, width) in zip(spec.taps, taps, strict=True):
        stride = net.stride(tap, spec.pooled)
        start = first * spec.scale // stride
        size = max(1, window * spec.scale // stride)
        steps.append(jax.vmap(_pooler(start, size, spec))(maps, width))
        whole.append(jax.vmap(_pooler(np.zeros(1, int), maps.shape[2], spec))(maps, width)[:, 0])
    return jnp.concatenate(steps, axis=-1), jnp.concatenate(whole, axis=-1)


def _pooler(
    start: np.ndarray, size: int, spec: StemSpec
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    return functools.partial(_pooled_windows, start=start, size=size, names=spec.pool)


def _segment_features(params: Any, cut: jax.Array, spec: StemSpec) -> jax.Array:
    """Segment pictures [B, 64, M, 3] -> [B, D]."""
    images = jax.image.resize(
        jnp.swapaxes(cut, 1, 2), (len(cut), spec.input_size, spec.input_size, 3), method="bilinear"
    )
    net = stems.get(spec.net)
    parts = []
    for maps, width in net.apply(params, images, taps=spec.taps, pooled=spec.pooled):
        if maps.ndim == 2:
            parts.append(maps)
            continue
        pooler = _pooler(np.zeros(1, int), maps.shape[2], spec)
        parts.append(jax.vmap(pooler)(maps, width)[:, 0])
    return jnp.concatenate(parts, axis=-1)


# --- all utterances ------------------------------------------------------------------------------


def compute(
    utterances: list[np.ndarray],
    spec: StemSpec,
    weights_dir: Path,
    what: str = "stem features",
) -> StepFeatures:
    """Stem features of static log-Mel spectrograms [T_i, M], with a progress bar.

    An utterance's features do not depend on the others (tested to 1e-5).

    Args:
        utterances: at least one.
        spec: of the features.
        weights_dir: where `jser weights` keeps weights that come in no package.
        what: label of the bar.

    Raises:
        InputError: the stem's weights are not there.
    """
    params = jax.device_put(spec.params(weights_dir))
    prepared = [prepare(x, spec) for x in utterances]
    length = np.array([steps_of(len(x), spec) for x in prepared], np.int32)
    offset = (np.cumsum(length) - length).astype(np.int32)
    run = _run_segments if spec.picture == "segments" else _run_utterances
    frames: np.ndarray | None = None
    pooled: np.ndarray | None = None
    with progress.bar(len(prepared), what, "utterance") as tick:

        def put(index: int, steps: np.ndarray, whole: np.ndarray) -> None:
            nonlocal frames, pooled
            if frames is None or pooled is None:
                # float16 keeps three digits, more than the picture's 8 bits would, in half the
                # memory.
                frames = np.zeros((int(length.sum()), steps.shape[1]), np.float16)
                pooled = np.zeros((len(prepared), steps.shape[1]), np.float16)
            frames[offset[index] : offset[index] + length[index]] = steps[: length[index]]
            pooled[index] = whole
            tick(1)

        run(prepared, spec, params, put)
    assert frames is not None, "a corpus has at least one utterance"
    assert pooled is not None
    return StepFeatures(frames, offset, length, pooled)


# Takes an utterance's index, its steps [>= S, D] and the statistics of its whole length [D].
Put = Callable[[int, np.ndarray, np.ndarray], None]


def _run_utterances(prepared: list[np.ndarray], spec: StemSpec, params: Any, put: Put) -> None:
    compiled = jax.jit(functools.partial(_utterance_features, spec=spec))
    lengths = np.array([len(x) for x in prepared])
    widths = -(-lengths // WIDTH_STEP) * WIDTH_STEP
    for width in np.unique(widths):
        members = np.flatnonzero(widths == width)
        size = max(1, CALL_FRAMES // int(width))
        for i in range(0, len(members), size):
            chosen = members[i : i + size]
            batch = np.stack(
                [np.pad(prepared[j], ((0, width - lengths[j]), (0, 0)), "edge") for j in chosen]
                + [np.zeros((width, prepared[0].shape[1]), np.float32)] * (size - len(chosen))
            )
            true = np.pad(lengths[chosen], (0, size - len(chosen)), constant_values=1)
            steps, whole = (np.asarray(a) for a in compiled(params, batch, true))
            for row, j in enumerate(chosen):
                put(int(j), steps[row], whole[row])


def _run_segments(prepared: list[np.ndarray], spec: StemSpec, params: Any, put: Put) -> None:
    size = max(1, CALL_FRAMES // segments.SEGMENT_FRAMES)
    compiled = jax.jit(functools.partial(_segment_features, spec=spec))
    pictures = jax.jit(lambda x, n: picture(x, n, spec))
    waiting: list[np.ndarray] = []
    owners: list[int] = []
    done: dict[int, list[np.ndarray]] = {}

    def flush() -> None:
        batch = np.stack(waiting + [np.zeros_like(waiting[0])] * (size - len(waiting)))
        out = np.asarray(compiled(params, batch))
        for owner, steps in zip(owners, out, strict=False):
            done.setdefault(owner, []).append(steps)
            if len(done[owner]) == steps_of(len(prepared[owner]), spec):
                stacked = np.stack(done.pop(owner))
                put(owner, stacked, _over_segments(stacked, spec))
        waiting.clear()
        owners.clear()

    for index, static in enumerate(prepared):
        padded = np.pad(static, ((0, -len(static) % WIDTH_STEP), (0, 0)), "edge")
        image = np.asarray(pictures(padded, len(static)))[: len(static)]
        for cut in np.asarray(segments.segment(jnp.asarray(image), spec.shift)):
            waiting.append(cut)
            owners.append(index)
            if len(waiting) == size:
                flush()
    if waiting:
        flush()


def _over_segments(steps: np.ndarray, spec: StemSpec) -> np.ndarray:
    """Whole-utterance statistics [D] from those of its segments [S, D].

    The maps hold, tap by tap, one block a statistic: means of means and of deviations, maxima of
    maxima; of a vector, the mean. Segments overlap, so this is close to the utterance's own and
    not the same.
    """
    return np.where(_is_maximum(spec), steps.max(0), steps.mean(0))


@functools.lru_cache
def _is_maximum(spec: StemSpec) -> np.ndarray:
    """bool [D]: which of a segment's features are maxima."""
    net = stems.get(spec.net)
    parts = []
    for tap in spec.taps:
        shape = net.shape(tap, spec.input_size, spec.input_size, spec.pooled)
        if len(shape) == 1:
            parts.append(np.zeros(shape, bool))
            continue
        h, _, c = shape
        parts += [np.full(h * c, name == "max") for name in spec.pool]
    return np.concatenate(parts)


def cached(folder: Path, key: str, make: Callable[[], StepFeatures]) -> tuple[StepFeatures, bool]:
    """Features from the cache, or made and put there; the flag says whether they were there.

    Raises:
        InputError: the disk is full.
    """
    names = [field.name for field in dataclasses.fields(StepFeatures)]
    arrays, was_there = feature_cache.load_or_make(
        folder, key, names, lambda: dataclasses.asdict(make()), "stem features"
    )
    return StepFeatures(**arrays), was_there
