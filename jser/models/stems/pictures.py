"""Between a spectrogram and a net, and between its maps and the steps of a sequence.

The frozen way (features computed once) and the tuned one (blocks that are part of a member's
model) share these functions, so that both see the same pictures and pool the same windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jser.frontend import log_mel, segments
from jser.models import stems
from jser.models.stems.net import Net


class PictureSpec(Protocol):
    """The settings that are read here; what they mean is said in `jser.training.stem_spec`."""

    @property
    def net(self) -> str: ...  # noqa: D102
    @property
    def picture(self) -> str: ...  # noqa: D102
    @property
    def taps(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def pooled(self) -> bool: ...  # noqa: D102
    @property
    def scale(self) -> int: ...  # noqa: D102
    @property
    def input_size(self) -> int: ...  # noqa: D102
    @property
    def window(self) -> int: ...  # noqa: D102
    @property
    def shift(self) -> int: ...  # noqa: D102
    @property
    def pool(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def channels(self) -> int: ...  # noqa: D102
    @property
    def range_db(self) -> tuple[float, float]: ...  # noqa: D102
    @property
    def delta_db(self) -> float: ...  # noqa: D102


def grey(static: jax.Array, spec: PictureSpec) -> jax.Array:
    """Static log-Mel (natural logarithm) on the picture's scale: 0 is black, 1 white, not clipped.

    On this scale 0 stands for silence, so padding and mixing of pictures need no special value.
    """
    low, high = spec.range_db
    return (static * segments.DB - low) / (high - low)


def static_of(grey: jax.Array, spec: PictureSpec) -> jax.Array:
    """The inverse of `grey`."""
    low, high = spec.range_db
    return (grey * (high - low) + low) / segments.DB


def picture(static: jax.Array, length: jax.Array | int, spec: PictureSpec) -> jax.Array:
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


def enlarged(images: jax.Array, spec: PictureSpec) -> jax.Array:
    """Pictures [B, T, M, 3] as a net reads them: [B, M * scale, T * scale, 3]."""
    b, t, m = images.shape[:3]
    shape = (b, m * spec.scale, t * spec.scale, 3)
    return jax.image.resize(jnp.swapaxes(images, 1, 2), shape, method="bilinear")


def squares(cut: jax.Array, spec: PictureSpec) -> jax.Array:
    """Segments [B, 64, M, 3] as a net reads them: [B, input_size, input_size, 3]."""
    shape = (cut.shape[0], spec.input_size, spec.input_size, 3)
    return jax.image.resize(jnp.swapaxes(cut, 1, 2), shape, method="bilinear")


def pooled_windows(
    maps: jax.Array,
    width: jax.Array,
    start: jax.Array | np.ndarray,
    size: int,
    names: tuple[str, ...],
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
    columns = start[:, None] + jnp.arange(size)[None, :]
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
    return jnp.moveaxis(stacked, 2, 0).reshape(start.shape[0], -1)


def whole(maps: jax.Array, width: jax.Array, names: tuple[str, ...]) -> jax.Array:
    """Statistics [B, D] over all true columns of maps [B, h, w, C] with widths [B]."""
    start, size = np.zeros(1, int), maps.shape[2]
    return jax.vmap(lambda x, n: pooled_windows(x, n, start, size, names)[0])(maps, width)


def window_steps(
    taps: Sequence[tuple[jax.Array, jax.Array]], net: Net, spec: PictureSpec, n_steps: int
) -> jax.Array:
    """Steps [B, n_steps, D] of whole utterances.

    Args:
        taps: maps [B, h, w, C] and true columns [B] of each of `spec.taps`.
        net: the net.
        spec: `window` frames (0: all) and `shift` between two steps.
        n_steps: S.
    """
    steps = []
    for tap, (maps, width) in zip(spec.taps, taps, strict=True):
        if spec.window == 0:
            steps.append(whole(maps, width, spec.pool)[:, None])
            continue
        stride = net.stride(tap, spec.pooled)
        start = jnp.arange(n_steps) * spec.shift * spec.scale // stride
        size = max(1, spec.window * spec.scale // stride)
        steps.append(
            jax.vmap(lambda x, n, a=start, b=size: pooled_windows(x, n, a, b, spec.pool))(
                maps, width
            )
        )
    return jnp.concatenate(steps, axis=-1)


def segment_steps(taps: Sequence[tuple[jax.Array, jax.Array]], spec: PictureSpec) -> jax.Array:
    """Features [B, D] of segments: the statistics of each tap's maps, or its vector as it is."""
    parts = [maps if maps.ndim == 2 else whole(maps, width, spec.pool) for maps, width in taps]
    return jnp.concatenate(parts, axis=-1)
