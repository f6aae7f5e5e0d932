"""Levels of a frozen ImageNet net: one step a tapped block, from the first to the last.

What system C reads (Zhu et al. 2017): of a picture, or of the log-Mel picture of a whole
utterance, global statistics of the maps of several blocks. Blocks have different numbers of maps,
so a level is padded with zeros to the widest; `widths` says what is true. Nothing here depends on
labels or on a split, so one computation serves every fold and seed.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jser import progress
from jser.errors import InputError
from jser.models import stems
from jser.models.stems import pictures
from jser.records import selection
from jser.records.corpus import Corpus
from jser.records.pictures import AT_ONCE, Pictures
from jser.records.selection import Origin
from jser.training import normalisation, stem_features
from jser.training.stem_features import StepFeatures
from jser.training.stem_spec import StemSpec

VERSION = 2
# Pixels in 0..255 of a record.
WHITE = 255.0


def check(spec: StemSpec) -> None:
    """Check that taps are levels: maps of a whole picture, from low to high.

    Raises:
        InputError: segments, a fully connected tap, or taps out of order.
    """
    net = stems.get(spec.net)
    if spec.picture != "utterance":
        raise InputError(
            f"stem.picture: {spec.picture} have no levels of a whole utterance; write utterance"
        )
    places = [net.index(tap) for tap in spec.taps]
    if places != sorted(set(places)):
        raise InputError(
            f"stem.taps: {', '.join(spec.taps)} are not in the order of {net.name}'s blocks, each "
            f"once; write {','.join(net.names[i] for i in sorted(set(places)))}"
        )
    # A fully connected tap is refused where the specification is made, for want of segments.


def widths(spec: StemSpec) -> tuple[int, ...]:
    """True features of each level: maps times statistics."""
    net, side = stems.get(spec.net), spec.input_size
    found = [net.shape(tap, side, side, spec.pooled) for tap in spec.taps]
    return tuple(shape[-1] * len(spec.pool) for shape in found)


def pooled(maps: jax.Array, width: jax.Array, names: tuple[str, ...]) -> jax.Array:
    """Global statistics of maps, over both axes of the picture.

    Args:
        maps: [B, h, w, C], whatever stands behind the true columns.
        width: int [B], true columns.
        names: of ``mean``, ``std``, ``max``.

    Returns:
        [B, len(names) * C], a statistic behind the other.
    """
    true = (jnp.arange(maps.shape[2])[None, :] < width[:, None])[:, None, :, None]
    count = jnp.maximum(width * maps.shape[1], 1).astype(maps.dtype)[:, None]
    mean = jnp.sum(jnp.where(true, maps, 0), axis=(1, 2)) / count
    found = {"mean": mean}
    if "std" in names:
        off = jnp.where(true, jnp.square(maps - mean[:, None, None]), 0)
        found["std"] = jnp.sqrt(jnp.sum(off, axis=(1, 2)) / count + 1e-8)
    if "max" in names:
        found["max"] = jnp.max(jnp.where(true, maps, -jnp.inf), axis=(1, 2))
    return jnp.concatenate([found[name] for name in names], axis=-1)


def _levels(
    params: Any, images: jax.Array, width: jax.Array | None, spec: StemSpec
) -> tuple[jax.Array, jax.Array]:
    """Normalised pictures [B, h, w, 3] -> (levels [B, L, D], unpadded [B, sum of widths])."""
    taps = stems.get(spec.net).apply(params, images, width, taps=spec.taps, pooled=spec.pooled)
    found = [pooled(maps, columns, spec.pool) for maps, columns in taps]
    widest = max(level.shape[-1] for level in found)
    padded = [jnp.pad(level, ((0, 0), (0, widest - level.shape[-1]))) for level in found]
    return jnp.stack(padded, axis=1), jnp.concatenate(found, axis=-1)


# --- pictures -------------------------------------------------------------------------------------


def normalised(pixels: jax.Array, spec: StemSpec) -> jax.Array:
    """Pixels uint8 [B, side, side, 3] as a net reads them: [B, input_size, input_size, 3]."""
    net = stems.get(spec.net)
    shape = (len(pixels), spec.input_size, spec.input_size, 3)
    image = jax.image.resize(pixels.astype(jnp.float32) / WHITE, shape, method="bilinear")
    return (image - np.array(net.mean, np.float32)) / np.array(net.std, np.float32)


def of_pictures(corpus: Pictures, spec: StemSpec, weights_dir: Path, folder: Path) -> StepFeatures:
    """Levels of all pictures of a corpus, from the cache or made and put there.

    Args:
        corpus: of pictures.
        spec: of the net, its taps, `input_size` and `pool`; what it says of sound is not looked at.
        weights_dir: where `jser weights` keeps weights that come in no package.
        folder: of the cache.

    Returns:
        A row a picture, in the order of the corpus.

    Raises:
        InputError: the net's weights are not there, records cannot be read, the disk is full.
    """
    check(spec)
    name = key(spec, corpus.fingerprint, corpus.front_end_hash, weights_dir)
    return stem_features.cached(folder, name, lambda: compute_pictures(corpus, spec, weights_dir))[
        0
    ]


def compute_pictures(corpus: Pictures, spec: StemSpec, weights_dir: Path) -> StepFeatures:
    """Levels of all pictures of a corpus, with a progress bar.

    Raises:
        InputError: the net's weights are not there, or records cannot be read.
    """
    params = jax.device_put(spec.params(weights_dir))
    run = jax.jit(lambda pixels: _levels(params, normalised(pixels, spec), None, spec))
    made = _Rows(len(corpus))
    size = min(AT_ONCE, len(corpus))
    with progress.bar(len(corpus), f"levels of {corpus.name}", "picture") as tick:
        for rows, pixels in corpus.batches(size):
            batch = np.pad(pixels, ((0, size - len(rows)), (0, 0), (0, 0), (0, 0)))
            levels, flat = (np.asarray(a)[: len(rows)] for a in run(batch))
            made.put(rows, levels, flat)
            tick(len(rows))
    return made.features()


# --- speech ---------------------------------------------------------------------------------------


def of_speech(corpus: Corpus, spec: StemSpec, weights_dir: Path, folder: Path) -> StepFeatures:
    """Levels of the log-Mel picture of every utterance, from the cache or made and put there.

    Args:
        corpus: of recordings, built or selected.
        spec: of picture and net.
        weights_dir: where `jser weights` keeps weights that come in no package.
        folder: of the cache.

    Returns:
        A row an utterance, in the order of the corpus.

    Raises:
        InputError: the net's weights are not there, or the disk is full.
    """
    check(spec)

    def of_origin(origin: Origin) -> StepFeatures:
        def make() -> StepFeatures:
            whole = origin.whole()
            static = whole.statics()
            return compute_speech(static, spec, weights_dir, f"levels of {origin.name}")

        name = key(spec, origin.fingerprint, origin.front_end_hash, weights_dir)
        return stem_features.cached(folder, name, make)[0].taken(origin.rows)

    return stem_features.joined([of_origin(origin) for origin in selection.origins(corpus)])


def compute_speech(
    utterances: list[np.ndarray], spec: StemSpec, weights_dir: Path, what: str = "levels"
) -> StepFeatures:
    """Levels of static log-Mel spectrograms [T_i, M], with a progress bar.

    An utterance's levels do not depend on the others (tested to 1e-5).

    Args:
        utterances: at least one.
        spec: of picture and net.
        weights_dir: where `jser weights` keeps weights that come in no package.
        what: label of the bar.

    Raises:
        InputError: the net's weights are not there.
    """
    params = jax.device_put(spec.params(weights_dir))
    prepared = [stem_features.prepare(x, spec) for x in utterances]
    made = _Rows(len(prepared))
    with progress.bar(len(prepared), what, "utterance") as tick:

        def put(index: int, levels: np.ndarray, flat: np.ndarray) -> None:
            made.put(index, levels, flat)
            tick(1)

        run = jax.jit(functools.partial(of_spectrograms, params, spec=spec))
        stem_features.each_utterance(prepared, run, put)
    return made.features()


def of_spectrograms(
    params: Any, static: jax.Array, length: jax.Array, spec: StemSpec
) -> tuple[jax.Array, jax.Array]:
    """[B, T, M] with true frames [B] -> as `_levels`."""
    images = jax.vmap(lambda x, n: pictures.picture(x, n, spec))(static, length)
    return _levels(params, pictures.enlarged(images, spec), length * spec.scale, spec)


# --- both kinds -----------------------------------------------------------------------------------


class _Rows:
    """Levels as they come in.

    In float32, where features of a stem are kept in half precision: a level is one row a recording,
    and some of its columns hardly differ from one recording to the next, so that scaling them would
    make much of a value that rounds the other way elsewhere.
    """

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows
        self._frames: np.ndarray | None = None
        self._pooled: np.ndarray | None = None

    def put(self, rows: np.ndarray | int, levels: np.ndarray, flat: np.ndarray) -> None:
        if self._frames is None or self._pooled is None:
            self._frames = np.zeros((self._n_rows, *levels.shape[-2:]), np.float32)
            self._pooled = np.zeros((self._n_rows, flat.shape[-1]), np.float32)
        self._frames[rows], self._pooled[rows] = levels, flat

    def features(self) -> StepFeatures:
        assert self._frames is not None, "a corpus has at least one row"
        assert self._pooled is not None
        n_levels = self._frames.shape[1]
        return StepFeatures(
            frames=self._frames.reshape(self._n_rows * n_levels, -1),
            offset=np.arange(self._n_rows, dtype=np.int32) * n_levels,
            length=np.full(self._n_rows, n_levels, np.int32),
            pooled=self._pooled,
        )


def key(spec: StemSpec, corpus_fingerprint: str, front_end_hash: str, weights_dir: Path) -> str:
    """Content address of levels: corpus, front end, weights, every field, and how it is pooled.

    Raises:
        InputError: the weights are not there.
    """
    known = spec.key(corpus_fingerprint, front_end_hash, weights_dir)
    return hashlib.sha256(f"levels {VERSION} {known}".encode()).hexdigest()[:24]


def moments(
    steps: StepFeatures, rows: np.ndarray, true: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of each level's own features over some rows, as `normalisation.moments`.

    A column means another map in each level, so each level has figures of its own. Padding stays
    zero: its mean is 0, and so is its scale.

    Args:
        steps: levels.
        rows: int [n], a fold's training rows; no other row is read.
        true: `widths` of the levels.

    Returns:
        (mean float32 [L, D], scale float32 [L, D]).
    """
    frames = steps.frames.reshape(len(steps.length), len(true), -1)
    mean = np.zeros(frames.shape[1:], np.float32)
    scale = np.zeros_like(mean)
    for level, width in enumerate(true):
        found = normalisation.moments(frames[:, level, :width], rows)
        mean[level, :width], scale[level, :width] = found
    return mean, scale


def from_whole(whole: np.ndarray, true: tuple[int, ...]) -> StepFeatures:
    """Levels again, from what is `pooled` of them: all of a row's, one behind the other.

    Args:
        whole: [R, sum of widths].
        true: `widths` of the levels.
    """
    made = _Rows(len(whole))
    levels = np.zeros((len(whole), len(true), max(true)), whole.dtype)
    for level, part in enumerate(np.split(whole, np.cumsum(true)[:-1], axis=1)):
        levels[:, level, : true[level]] = part
    made.put(np.arange(len(whole)), levels, whole)
    return made.features()
