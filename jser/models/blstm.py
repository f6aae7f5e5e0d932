"""Bidirectional LSTM by `lax.scan`: inputs projected before the scan, both directions in one.

Or by cuDNN, where `computing.now` says so.

The cell is Hochreiter and Schmidhuber's with a forget gate (Gers et al. 2000), gates in PyTorch's
order: input, forget, cell, output.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jser import computing
from jser.models import cudnn

# The collection of variables that a stream carries from window to window.
STREAM = "stream"


def reverse_valid(x: jax.Array, length: jax.Array) -> jax.Array:
    """Reverse the true steps of each sequence and leave the padding behind them.

    Args:
        x: [B, S, D].
        length: int [B].

    Returns:
        [B, S, D]; its own inverse on the true steps.
    """
    steps = jnp.arange(x.shape[1])[None, :]
    index = jnp.where(steps < length[:, None], length[:, None] - 1 - steps, steps)
    return jnp.take_along_axis(x, index[:, :, None], axis=1)


def lstm_scan(
    gates: jax.Array,
    recurrent: jax.Array,
    mask: jax.Array,
    unroll: int = 1,
    start: tuple[jax.Array, jax.Array] | None = None,
) -> tuple[jax.Array, jax.Array | None]:
    """Run LSTM cells whose input products are already known.

    Args:
        gates: [S, G, B, 4 H], ``W x + b`` of G directions, the gates in the order i, f, g, o.
        recurrent: [G, H, 4 H].
        mask: bool [S, B], False on padding, where the state stands still.
        unroll: steps of the scan in one loop iteration (1 is right on a CPU).
        start: hidden and cell states [G, B, H] before the first step; None: zero.

    Returns:
        Hidden states [S, G, B, H], and cell states of the same shape where `start` is given.
    """
    _, directions, batch, width = gates.shape
    zero = jnp.zeros((directions, batch, width // 4), gates.dtype)

    def step(
        carry: tuple[jax.Array, jax.Array], xs: tuple[jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array], Any]:
        h, c = carry
        x, alive = xs
        # One product a direction: XLA's CPU backend has no fast batched one.
        product = jnp.stack([h[k] @ recurrent[k] for k in range(directions)])
        i, f, g, o = jnp.split(x + product, 4, axis=-1)
        new_c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
        new_h = nn.sigmoid(o) * jnp.tanh(new_c)
        keep = alive[None, :, None]
        h, c = jnp.where(keep, new_h, h), jnp.where(keep, new_c, c)
        return (h, c), h if start is None else (h, c)

    _, found = jax.lax.scan(step, start or (zero, zero), (gates, mask), unroll=unroll)
    return (found, None) if start is None else found


def streamed(
    module: nn.Module, gates: jax.Array, recurrent: jax.Array, mask: jax.Array, unroll: int = 1
) -> jax.Array:
    """`lstm_scan`'s hidden states of one window of a stream, the first direction carried on.

    Where the collection `STREAM` of the module is mutable, its variable ``state`` [2, B, H] (hidden
    and cell state of the first direction before the window) is where the scan starts from; it
    becomes the state after `computing.now().advance` steps, which is that before the next window.
    Other directions start anew with every window.

    Args:
        module: whose variable it is.
        gates, recurrent, mask, unroll: see `lstm_scan`.
    """
    if not module.is_mutable_collection(STREAM) or module.is_initializing():
        return lstm_scan(gates, recurrent, mask, unroll)[0]
    _, directions, batch, width = gates.shape
    zero = jnp.zeros((directions, batch, width // 4), gates.dtype)
    state = module.variable(STREAM, "state", lambda: jnp.stack([zero[0], zero[0]]))
    h, c = (zero.at[0].set(part) for part in state.value)
    hidden, cells = lstm_scan(gates, recurrent, mask, unroll, (h, c))
    assert cells is not None
    last = computing.now().advance - 1
    state.value = jnp.stack([hidden[last, 0], cells[last, 0]])
    return hidden


class BLSTM(nn.Module):
    """One bidirectional layer.

    Attributes:
        units: H, a direction.
        unroll: passed to the scan.
    """

    units: int = 128
    unroll: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, length: jax.Array) -> jax.Array:
        """[B, S, D], int [B] -> [B, S, 2 H]: forward, then backward; zero on padding."""
        h = self.units
        # Not orthogonal: its batched QR under vmap hangs on few cores (jax 0.10). Uniform in
        # +-1/sqrt(H) is PyTorch's choice.
        bound = h**-0.5

        def uniform(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            return jax.random.uniform(key, shape, jnp.float32, -bound, bound)

        def bias(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            # A forget gate that starts open (Jozefowicz et al. 2015).
            del key
            return jnp.zeros(shape).at[:, h : 2 * h].set(1.0)

        kernel = self.param("kernel", uniform, (2, x.shape[-1], 4 * h))
        recurrent = self.param("recurrent", uniform, (2, h, 4 * h))
        offset = self.param("bias", bias, (2, 4 * h))
        mask = jnp.arange(x.shape[1])[None, :] < length[:, None]
        if computing.now().lstm == "cudnn":
            out = cudnn.blstm(x, length, kernel, recurrent, offset)
        else:
            out = _scanned(self, x, length, kernel, recurrent, offset, self.unroll)
        return jnp.where(mask[:, :, None], out, 0.0)


def _scanned(
    module: nn.Module,
    x: jax.Array,
    length: jax.Array,
    kernel: jax.Array,
    recurrent: jax.Array,
    bias: jax.Array,
    unroll: int,
) -> jax.Array:
    """States [B, S, 2 H] by `streamed`; behind the true steps as they fall out."""
    steps = jnp.swapaxes(x, 0, 1), jnp.swapaxes(reverse_valid(x, length), 0, 1)
    gates = jnp.stack([steps[k] @ kernel[k] + bias[k] for k in range(2)], axis=1)
    mask = jnp.arange(x.shape[1])[:, None] < length[None, :]
    hidden = streamed(module, gates, recurrent, mask, unroll)
    forward, backward = jnp.moveaxis(hidden, 0, 2)  # each [B, S, H]
    return jnp.concatenate([forward, reverse_valid(backward, length)], axis=-1)
