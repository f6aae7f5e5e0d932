"""Max-pooling with a gradient of its own, many times as fast as XLA's on a CPU.

XLA's gradient of a windowed maximum, select-and-scatter, goes through the windows one by one; on a
CPU it takes longer than a convolution behind it (tests/benchmarks/pooling.py). Here forward notes
in a byte which place of a window was the highest, and backward gathers: what a place of the input
gets is a sum over the few windows that it lies in, written as shifted slices, which XLA fuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp

Pair = tuple[int, int]
# A place of a window is noted in a byte; the highest byte stands for no window.
MOST_PLACES = 255
_NONE = 255


def max_pool(x: jax.Array, window: Pair, stride: Pair) -> jax.Array:
    """The highest value of each window that lies in x as a whole; windows may overlap.

    The gradient goes to the highest place, of several equal ones to the first, row by row, as with
    `flax.linen.max_pool` and in PyTorch.

    Args:
        x: [B, H, W, C].
        window: rows and columns, `MOST_PLACES` together at most.
        stride: rows and columns from one window to the next, no more than the window has.

    Returns:
        [B, (H - h) // s + 1, (W - w) // t + 1, C]; without rows or columns where x is smaller than
        a window.

    Raises:
        ValueError: window and stride are not so.
    """
    if window[0] * window[1] > MOST_PLACES:
        raise ValueError(f"a window of {window[0]} x {window[1]}: {MOST_PLACES} places at most")
    if stride[0] > window[0] or stride[1] > window[1]:
        raise ValueError(f"windows of {window} that are {stride} apart leave gaps")
    count = _count(x, window, stride)
    if 0 in count:
        return jnp.zeros((len(x), *count, x.shape[-1]), x.dtype)
    return _max_pool(x, window, stride)


def _count(x: jax.Array, window: Pair, stride: Pair) -> Pair:
    """Windows below and beside each other."""
    rows, columns = (
        jax.core.max_dim((n - w) // s + 1, 0)
        for n, w, s in zip(x.shape[1:3], window, stride, strict=True)
    )
    return rows, columns


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _max_pool(x: jax.Array, window: Pair, stride: Pair) -> jax.Array:
    return _forward(x, window, stride)[0]


def _forward(x: jax.Array, window: Pair, stride: Pair) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    places = _places(x, window, stride)
    out = next(places)
    best = jnp.zeros(out.shape, jnp.uint8)
    for number, values in enumerate(places, start=1):
        best = jnp.where(values > out, jnp.uint8(number), best)
        out = jnp.maximum(out, values)
    # Without it backward would find each window's highest place anew, once for each place.
    out, best = jax.lax.optimization_barrier((out, best))
    return out, (best, jnp.zeros((0, *x.shape[1:3], 0), x.dtype))


def _backward(
    window: Pair, stride: Pair, kept: tuple[jax.Array, ...], gradient: jax.Array
) -> tuple[jax.Array]:
    best, like = kept
    (high, wide), (rows, columns) = like.shape[1:3], gradient.shape[1:3]
    # Places of the input by their remainders modulo the stride; each kind lies in the same windows.
    cells = (-(-high // stride[0]), -(-wide // stride[1]))
    before = tuple((w - 1) // s for w, s in zip(window, stride, strict=True))
    around = ((0, 0), (before[0], cells[0] - rows), (before[1], cells[1] - columns), (0, 0))
    gradient = jnp.pad(gradient, around)
    best = jnp.pad(best, around, constant_values=_NONE)

    def of(row: int, column: int) -> jax.Array:
        total = jnp.zeros((), gradient.dtype)
        for i in range(row, window[0], stride[0]):
            for j in range(column, window[1], stride[1]):
                first = (before[0] - i // stride[0], before[1] - j // stride[1])
                cut = (
                    slice(None),
                    slice(first[0], first[0] + cells[0]),
                    slice(first[1], first[1] + cells[1]),
                )
                here = best[cut] == i * window[1] + j
                total = total + jnp.where(here, gradient[cut], jnp.zeros((), gradient.dtype))
        return total

    made = [jnp.stack([of(i, j) for j in range(stride[1])], 3) for i in range(stride[0])]
    whole = jnp.stack(made, 2)
    shape = (len(whole), cells[0] * stride[0], cells[1] * stride[1], whole.shape[-1])
    return (whole.reshape(shape)[:, :high, :wide],)


_max_pool.defvjp(_forward, _backward)


def _places(x: jax.Array, window: Pair, stride: Pair) -> Iterator[jax.Array]:
    """Each place of all windows, row by row: [B, H', W', C]."""
    b, _, _, maps = x.shape
    rows, columns = _count(x, window, stride)
    for i in range(window[0]):
        for j in range(window[1]):
            end = (b, i + stride[0] * (rows - 1) + 1, j + stride[1] * (columns - 1) + 1, maps)
            yield jax.lax.slice(x, (0, i, j, 0), end, (1, *stride, 1))
