"""Convolutions by fewer multiplications, for CPUs (Winograd 1980; Lavin and Gray 2016, CVPR).

A tile of n x n places of the input gives m x m places of the output, m = n - k + 1, through n * n
products of matrices [tiles, inputs] x [inputs, maps] where the plain way has m * m * k * k: 2.25
times fewer for 3 x 3 kernels and tiles of 4, 2.8 times for 5 x 5 and tiles of 6. What it costs is
sums over tiles, so it gains where maps are many. XLA has no such way on a CPU; cuDNN chooses its
own on a GPU.

The matrices are those of Toom and Cook: a product of two polynomials is found from its values at
n - 1 points and at infinity, and a correlation is the transpose of such a product. Points are 0 and
small integers of both signs, so numbers stay of one size: with tiles of 4 results are as exact in
float32 as the plain way's, with tiles of 6 one digit less (tests/models/test_winograd.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jser import computing

# Kernel -> tile. Larger tiles save more products and lose digits.
TILES = {3: 4, 5: 6}
_POINTS = (0, 1, -1, 2, -2)
# Of inputs: with fewer, sums over tiles take longer than the products that are saved.
FEWEST_INPUTS = 64


def pays(kernel: int, stride: int, inputs: int, dtype: Any) -> bool:
    """Whether `conv` is the faster way where this process computes, and loses no digits."""
    return (
        jax.default_backend() == "cpu"
        and computing.now().tiles
        and dtype == jnp.float32
        and kernel in TILES
        and stride == 1
        and inputs >= FEWEST_INPUTS
    )


def matrices(outputs: int, kernel: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A [m, n], B [n, n], G [n, k] with A ((G g) * (B d)) = the correlation of d [n] with g [k].

    Raises:
        ValueError: n = m + k - 1 is more than there are points for.
    """
    tile = outputs + kernel - 1
    if tile - 1 > len(_POINTS):
        raise ValueError(f"a tile of {tile} places: {len(_POINTS) + 1} at most")
    points = np.array(_POINTS[: tile - 1], float)
    a, b, g = np.zeros((outputs, tile)), np.zeros((tile, tile)), np.zeros((tile, kernel))
    for i, point in enumerate(points):
        others = np.delete(points, i)
        a[:, i] = point ** np.arange(outputs)
        b[i, :-1] = np.poly(others)[::-1]
        g[i] = point ** np.arange(kernel) / np.prod(point - others)
    a[-1, -1] = g[-1, -1] = 1
    b[-1] = np.poly(points)[::-1]
    return a, b, g


def conv(x: jax.Array, kernel: jax.Array, padding: tuple[int, int]) -> jax.Array:
    """`jax.lax.conv_general_dilated` of stride 1, with zeros around, by tiles.

    Args:
        x: [B, H, W, C].
        kernel: [k, k, C, maps], k one of `TILES`.
        padding: zeros before and after, in both directions.

    Returns:
        [B, H', W', maps].
    """
    size = kernel.shape[0]
    tile = TILES[size]
    step = tile - size + 1
    a, b, g = (matrix.astype(np.float32) for matrix in matrices(step, size))
    count, inputs, maps = len(x), *kernel.shape[2:]
    out = [n + sum(padding) - size + 1 for n in x.shape[1:3]]
    rows, columns = (-(-n // step) for n in out)
    around = [(padding[0], n * step + size - 1 - padding[0]) for n in (rows, columns)]
    behind = [(p, end - n) for (p, end), n in zip(around, x.shape[1:3], strict=True)]
    x = jnp.pad(x, ((0, 0), *behind, (0, 0)))

    # Where one sum is read by several others it is to be computed once, hence the barriers: XLA
    # would write it into each of them.
    places = [jax.lax.slice_in_dim(x, i, i + step * (rows - 1) + 1, step, 1) for i in range(tile)]
    down = jax.lax.optimization_barrier(_sums(b, places))
    rows_of = jax.lax.optimization_barrier(_sums(g, list(kernel)))  # [n][k, C, maps]
    values = jax.lax.optimization_barrier([_sums(g, list(row)) for row in rows_of])
    products = []
    for row, by_column in zip(down, values, strict=True):
        places = [
            jax.lax.slice_in_dim(row, j, j + step * (columns - 1) + 1, step, 2) for j in range(tile)
        ]
        found = jax.lax.optimization_barrier(_sums(b, places))
        products.append([v.reshape(-1, inputs) @ u for v, u in zip(found, by_column, strict=True)])
    products = jax.lax.optimization_barrier(products)
    across = jax.lax.optimization_barrier([_sums(a, row) for row in products])
    made = [_sums(a, column) for column in zip(*across, strict=True)]  # [place][row]
    shape = (count, rows, columns, maps)
    whole = jnp.stack(
        [jnp.stack([made[j][i].reshape(shape) for j in range(step)], 3) for i in range(step)],
        2,
    )
    return whole.reshape(count, rows * step, columns * step, maps)[:, : out[0], : out[1]]


def _sums(matrix: np.ndarray, terms: Sequence[jax.Array]) -> list[Any]:
    """Each row's weighted sum of the terms."""
    return [
        sum((float(w) * term for w, term in zip(row, terms, strict=True) if w)) for row in matrix
    ]
