"""Bidirectional LSTM by `lax.scan`: inputs projected before the scan, both directions in one.

Or by cuDNN, where `computing.now` says so.

The cell is Hochreiter and Schmidhuber's with a forget gate (Gers et al. 2000), gates in PyTorch's
order: input, forget, cell, output.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from jser.models import computing, cudnn


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
    gates: jax.Array, recurrent: jax.Array, mask: jax.Array, unroll: int = 1
) -> jax.Array:
    """Run LSTM cells whose input products are already known.

    Args:
        gates: [S, G, B, 4 H], ``W x + b`` of G directions, the gates in the order i, f, g, o.
        recurrent: [G, H, 4 H].
        mask: bool [S, B], False on padding, where the state stands still.
        unroll: steps of the scan in one loop iteration (1 is right on a CPU).

    Returns:
        Hidden states [S, G, B, H].
    """
    _, directions, batch, width = gates.shape
    zero = jnp.zeros((directions, batch, width // 4), gates.dtype)

    def step(
        carry: tuple[jax.Array, jax.Array], xs: tuple[jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        h, c = carry
        x, alive = xs
        # One product a direction: XLA's CPU backend has no fast batched one.
        product = jnp.stack([h[k] @ recurrent[k] for k in range(directions)])
        i, f, g, o = jnp.split(x + product, 4, axis=-1)
        new_c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
        new_h = nn.sigmoid(o) * jnp.tanh(new_c)
        keep = alive[None, :, None]
        h, c = jnp.where(keep, new_h, h), jnp.where(keep, new_c, c)
        return (h, c), h

    _, hidden = jax.lax.scan(step, (zero, zero), (gates, mask), unroll=unroll)
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
            out = _scanned(x, length, kernel, recurrent, offset, self.unroll)
        return jnp.where(mask[:, :, None], out, 0.0)


def _scanned(
    x: jax.Array,
    length: jax.Array,
    kernel: jax.Array,
    recurrent: jax.Array,
    bias: jax.Array,
    unroll: int,
) -> jax.Array:
    """States [B, S, 2 H] by `lstm_scan`; behind the true steps as they fall out."""
    steps = jnp.swapaxes(x, 0, 1), jnp.swapaxes(reverse_valid(x, length), 0, 1)
    gates = jnp.stack([steps[k] @ kernel[k] + bias[k] for k in range(2)], axis=1)
    mask = jnp.arange(x.shape[1])[:, None] < length[None, :]
    hidden = lstm_scan(gates, recurrent, mask, unroll)
    forward, backward = jnp.moveaxis(hidden, 0, 2)  # each [B, S, H]
    return jnp.concatenate([forward, reverse_valid(backward, length)], axis=-1)
