"""Batches of like lengths, computed at a width that fits them: what padding costs is not paid.

A corpus' longest utterance may be three times its mean. On frames of 10 ms, where a step's time is
that of its padded length, rows are put together by length within windows of some batches, and each
batch is computed at the least of a few widths that holds it. A width is a branch of the compiled
step, so this is for one member at a time: under `vmap` all branches would be computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

Result = TypeVar("Result")

# Shares of the rows whose batches have a width of their own. Each width is compiled.
SHARES = (0.5, 0.8, 0.95, 1.0)
# Batches among which rows are put together by length.
WINDOW = 8
# Widths are multiples of so many steps; one that saves less than a tenth is not worth compiling.
ROUND = 16
LEAST_SAVING = 0.1


def widths(length: np.ndarray) -> tuple[int, ...]:
    """Widths for rows of lengths int [R], rising; the last one holds the longest."""
    longest = int(length.max())
    found = [longest]
    for share in SHARES[-2::-1]:
        width = -(-int(np.quantile(length, share)) // ROUND) * ROUND
        if width <= (1 - LEAST_SAVING) * found[0]:
            found.insert(0, width)
    return tuple(found)


def at_width(
    choices: Sequence[int], longest: jax.Array, function: Callable[[int], Result]
) -> Result:
    """``function(width)`` at the least width that holds `longest` steps.

    Args:
        choices: rising; all results must have the same shapes.
        longest: int, at most the last of them.
        function: of a static width.
    """
    if len(choices) == 1:
        return function(choices[0])
    index = jnp.searchsorted(jnp.asarray(choices[:-1]), longest)
    return jax.lax.switch(index, [lambda w=w: function(w) for w in choices])  # type: ignore[misc]


def put_together(order: jax.Array, length: jax.Array, key: jax.Array, batch_size: int) -> jax.Array:
    """Rows in random order, put together by length within windows.

    Args:
        order: int [steps, B] of a shuffled table; -1 pads, behind all rows.
        length: int [R], steps of a row.
        key: of the order of the batches.
        batch_size: B.

    Returns:
        int [steps, B] of the same rows; batches without a row come last.
    """
    steps = order.shape[0]
    windows = -(-steps // WINDOW)
    flat = jnp.pad(order.reshape(-1), (0, (windows * WINDOW - steps) * batch_size),
                   constant_values=-1)  # fmt: skip
    far = jnp.iinfo(jnp.int32).max
    known = jnp.where(flat >= 0, length[jnp.maximum(flat, 0)], far)
    place = jnp.argsort(known.reshape(windows, -1), axis=1, stable=True)
    together = jnp.take_along_axis(flat.reshape(windows, -1), place, axis=1)
    batches = together.reshape(-1, batch_size)[:steps]
    noise = jax.random.uniform(key, (steps,))
    return batches[jnp.argsort(jnp.where((batches >= 0).any(1), noise, 2.0))]
