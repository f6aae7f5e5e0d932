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

from jser import computing, progress
from jser.frontend import segments
from jser.models import stems
from jser.models.stems import pictures
from jser.records import feature_cache
from jser.training.stem_spec import StemSpec

# Pictures of one call: about ten seconds of speech, whose maps stay in a processor's cache.
CALL_FRAMES = 1024
# Utterances are padded to a multiple of this many frames: a few compiled widths serve them all.
WIDTH_STEP = 64
# Utterances of one version of a corpus, a compiled width, from which on Winograd's tiles gain more
# time than their longer compilation costs (tests/benchmarks/README.md).
FEWEST_A_WIDTH = 300


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

    def taken(self, rows: np.ndarray) -> StepFeatures:
        """Those of rows int [n] alone."""
        if np.array_equal(rows, np.arange(len(self.length))):
            return self
        length = self.length[rows]
        return StepFeatures(
            self.frames[self.places(rows)],
            (np.cumsum(length) - length).astype(np.int32),
            length,
            self.pooled[rows],
        )

    def without_frames(self) -> StepFeatures:
        """The same without what takes the memory: where steps lie, and the rows' statistics."""
        # Not a view, which would keep the frames alive.
        return dataclasses.replace(self, frames=self.frames[:0].copy())

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Where in `frames` the steps of rows int [n] lie: int [sum of their lengths]."""
        return np.concatenate(
            [np.arange(self.offset[r], self.offset[r] + self.length[r]) for r in rows]
        )


# --- pictures ------------------------------------------------------------------------------------


def prepare(static: np.ndarray, spec: StemSpec) -> np.ndarray:
    """Trim silence, set the level and fill up a static log-Mel [T, M] (natural logarithm)."""
    if spec.trim_db > 0:
        start, stop = segments.speech_bounds(static, spec.trim_db)
        static = static[start:stop]
    if spec.level == "peak":
        static = static - static.max()
    return segments.fill_short(static)


def steps_of(length: int, spec: StemSpec) -> int:
    """Steps S that a prepared utterance of `length` frames gives."""
    if spec.picture == "segments":
        return segments.n_segments(length, spec.shift)
    if spec.window == 0:
        return 1
    return jax.core.max_dim(1, -(-(length - spec.window) // spec.shift) + 1)


def utterance_features(
    params: Any, static: jax.Array, length: jax.Array, spec: StemSpec
) -> tuple[jax.Array, jax.Array]:
    """[B, T, M], [B] -> (steps [B, S, D], whole [B, D]) of whole utterances as pictures."""
    images = jax.vmap(lambda x, n: pictures.picture(x, n, spec))(static, length)  # [B, T, M, 3]
    net = stems.get(spec.net)
    taps = net.apply(
        params,
        pictures.enlarged(images, spec),
        length * spec.scale,
        taps=spec.taps,
        pooled=spec.pooled,
    )
    steps = pictures.window_steps(taps, net, spec, steps_of(static.shape[1], spec))
    whole = [pictures.whole(maps, width, spec.pool) for maps, width in taps]
    return steps, jnp.concatenate(whole, axis=-1)


def segment_features(params: Any, cut: jax.Array, spec: StemSpec) -> jax.Array:
    """Segment pictures [B, 64, M, 3] -> [B, D]."""
    taps = stems.get(spec.net).apply(
        params, pictures.squares(cut, spec), taps=spec.taps, pooled=spec.pooled
    )
    return pictures.segment_steps(taps, spec)


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

        if spec.picture == "segments":
            by_segment = jax.jit(functools.partial(segment_features, params, spec=spec))
            each_segment(
                prepared, spec, by_segment, lambda i, s: put(i, s, _over_segments(s, spec))
            )
        else:
            each_utterance(
                prepared, jax.jit(functools.partial(utterance_features, params, spec=spec)), put
            )
    assert frames is not None, "a corpus has at least one utterance"
    assert pooled is not None
    return StepFeatures(frames, offset, length, pooled)


def each_utterance(
    prepared: list[np.ndarray],
    function: Callable[..., tuple[jax.Array, ...]],
    put: Callable[..., None],
) -> None:
    """Call a compiled function on batches of utterances, padded to a few common widths.

    Args:
        prepared: [T_i, M], from `prepare`.
        function: ([B, T, M], true frames [B]) -> arrays with the leading axis B.
        put: takes an utterance's index and its row of each of those arrays.
    """
    lengths = np.array([len(x) for x in prepared])
    # A frame behind each at least: an enlarged picture's last column is made with the next one.
    widths = -(-(lengths + 1) // WIDTH_STEP) * WIDTH_STEP
    tiles = len(prepared) >= FEWEST_A_WIDTH * len(np.unique(widths))
    with computing.by(dataclasses.replace(computing.now(), tiles=tiles)):
        _by_width(prepared, lengths, widths, function, put)


def _by_width(
    prepared: list[np.ndarray],
    lengths: np.ndarray,
    widths: np.ndarray,
    function: Callable[..., tuple[jax.Array, ...]],
    put: Callable[..., None],
) -> None:
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
            made = [np.asarray(a) for a in function(batch, true)]
            for row, j in enumerate(chosen):
                put(int(j), *(a[row] for a in made))


def each_segment(
    prepared: list[np.ndarray],
    spec: StemSpec,
    function: Callable[[np.ndarray], jax.Array],
    put: Callable[[int, np.ndarray], None],
) -> None:
    """Call a compiled function on batches of segments.

    Args:
        prepared: [T_i, M], from `prepare`.
        spec: of pictures and segments.
        function: pictures [B, 64, M, 3] -> [B, D].
        put: takes an utterance's index and its rows [S, D].
    """
    size = max(1, CALL_FRAMES // segments.SEGMENT_FRAMES)
    draw = jax.jit(lambda x, n: pictures.picture(x, n, spec))
    waiting: list[np.ndarray] = []
    owners: list[int] = []
    done: dict[int, list[np.ndarray]] = {}

    def flush() -> None:
        batch = np.stack(waiting + [np.zeros_like(waiting[0])] * (size - len(waiting)))
        out = np.asarray(function(batch))
        for owner, steps in zip(owners, out, strict=False):
            done.setdefault(owner, []).append(steps)
            if len(done[owner]) == steps_of(len(prepared[owner]), spec):
                put(owner, np.stack(done.pop(owner)))
        waiting.clear()
        owners.clear()

    for index, static in enumerate(prepared):
        padded = np.pad(static, ((0, -len(static) % WIDTH_STEP), (0, 0)), "edge")
        image = np.asarray(draw(padded, len(static)))[: len(static)]
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
    return np.where(is_maximum(spec), steps.max(0), steps.mean(0))


@functools.lru_cache
def is_maximum(spec: StemSpec) -> np.ndarray:
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


def joined(parts: list[StepFeatures]) -> StepFeatures:
    """Rows of several features, one behind the other.

    Args:
        parts: at least one; the list is emptied, and each part let go as soon as it is copied, so
            that what is there twice is one part at a time.
    """
    if len(parts) == 1:
        return parts.pop()
    length = np.concatenate([part.length for part in parts])
    pooled = np.concatenate([part.pooled for part in parts])
    like = parts[0].frames
    # Memory that nothing was written to yet is not taken.
    frames = np.empty((sum(len(part.frames) for part in parts), like.shape[1]), like.dtype)
    start = 0
    del like
    while parts:
        part = parts.pop(0).frames
        frames[start : start + len(part)] = part
        start += len(part)
    return StepFeatures(frames, (np.cumsum(length) - length).astype(np.int32), length, pooled)


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
