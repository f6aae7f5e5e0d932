"""Maps at the border between a stem's frozen and tuned blocks, computed once and cached.

As `stem_features`, nothing here depends on labels or on how speakers are split.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jser import progress
from jser.models import stems
from jser.models.stems import pictures
from jser.training import stem_features
from jser.training.stem_features import StepFeatures
from jser.training.stem_spec import StemSpec


def border(spec: StemSpec, train_from: str) -> str | None:
    """The block whose maps are cached; None: the picture itself is the input."""
    return stems.get(spec.net).before(train_from)


def spec_of_maps(spec: StemSpec, train_from: str) -> StemSpec:
    """`spec` as far as it decides the maps before `train_from`, for their key in the cache."""
    ours = StemSpec()
    last = border(spec, train_from) or train_from  # a picture is no block's, but is keyed as one's
    kept = dataclasses.replace(spec, taps=(last,), pooled=True, pool=ours.pool)
    if spec.picture == "utterance":  # columns, whatever windows will be pooled from them
        kept = dataclasses.replace(kept, window=ours.window, shift=ours.shift)
    return kept


def frame_shape(spec: StemSpec, train_from: str, n_mels: int) -> tuple[int, ...]:
    """Shape of a frame, see `jser.models.tuned_stem.TunedStem`."""
    before = border(spec, train_from)
    if before is None:
        return (n_mels,)
    net = stems.get(spec.net)
    if spec.picture == "segments":
        return net.shape(before, spec.input_size, spec.input_size)
    h, _, c = net.shape(before, n_mels * spec.scale, stem_features.WIDTH_STEP * spec.scale)
    return (h, c)


def compute(
    utterances: list[np.ndarray],
    spec: StemSpec,
    train_from: str,
    weights_dir: Path,
    what: str = "maps before the tuned blocks",
) -> StepFeatures:
    """Frames of static log-Mel spectrograms [T_i, M], see `jser.models.tuned_stem.TunedStem`.

    Args:
        utterances: at least one.
        spec: of the stem.
        train_from: first tuned block.
        weights_dir: where `jser weights` keeps weights that come in no package.
        what: label of the bar.

    Returns:
        Rows of frames, without statistics over a whole row.

    Raises:
        InputError: the stem's weights are not there.
    """
    prepared = [stem_features.prepare(x, spec) for x in utterances]
    before = border(spec, train_from)
    if before is None:
        rows = [np.asarray(pictures.grey(jnp.asarray(x), spec)) for x in prepared]
        return _ragged(rows)
    maps_spec = spec_of_maps(spec, train_from)
    params: Any = jax.device_put(maps_spec.params(weights_dir))
    found: dict[int, np.ndarray] = {}

    of_utterances = jax.jit(functools.partial(columns, params, spec=spec, before=before))
    of_segments = jax.jit(functools.partial(maps_of_segments, params, spec=spec, before=before))

    with progress.bar(len(prepared), what, "utterance") as tick:

        def put(index: int, rows: np.ndarray, width: np.ndarray | None = None) -> None:
            found[index] = rows[:width].astype(np.float16)
            tick(1)

        if spec.picture == "segments":
            stem_features.each_segment(prepared, spec, of_segments, put)
        else:
            stem_features.each_utterance(prepared, of_utterances, put)
    return _ragged([found[i] for i in range(len(prepared))])


def columns(
    params: Any, static: jax.Array, length: jax.Array, spec: StemSpec, before: str
) -> tuple[jax.Array, jax.Array]:
    """Columns [B, W, h * C] of the maps of `before`, and the true ones [B]; static [B, T, M]."""
    images = jax.vmap(lambda x, n: pictures.picture(x, n, spec))(static, length)
    images = pictures.enlarged(images, spec)
    net = stems.get(spec.net)
    ((maps, width),) = net.apply(params, images, length * spec.scale, taps=(before,))
    found = jnp.swapaxes(maps, 1, 2)
    return found.reshape(*found.shape[:2], -1), width


def maps_of_segments(params: Any, cut: Any, spec: StemSpec, before: str) -> jax.Array:
    """Maps [S, h * w * C] of `before` of pictures of segments [S, 64, M, 3]."""
    images = pictures.squares(jnp.asarray(cut), spec)
    ((maps, _),) = stems.get(spec.net).apply(params, images, taps=(before,))
    return maps.reshape(maps.shape[0], -1)


def _ragged(rows: list[np.ndarray]) -> StepFeatures:
    length = np.array([len(row) for row in rows], np.int32)
    offset = (np.cumsum(length) - length).astype(np.int32)
    nothing = np.zeros((len(rows), 0), np.float16)
    return StepFeatures(np.concatenate(rows), offset, length, nothing)
