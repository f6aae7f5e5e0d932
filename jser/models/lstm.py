"""LSTM layers in one direction, over the true steps of padded sequences."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from jser.models.blstm import streamed


class LSTM(nn.Module):
    """One layer.

    Attributes:
        units: H.
    """

    units: int

    @nn.compact
    def __call__(self, x: jax.Array, length: jax.Array) -> jax.Array:
        """States [B, S, H] of x [B, S, D]; behind the true steps int [B] the last true state."""
        h = self.units
        # As in `BLSTM`: uniform in +-1/sqrt(H), and a forget gate that starts open.
        bound = h**-0.5

        def uniform(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            return jax.random.uniform(key, shape, jnp.float32, -bound, bound)

        def offset(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            del key
            return jnp.zeros(shape).at[h : 2 * h].set(1.0)

        kernel = self.param("kernel", uniform, (x.shape[-1], 4 * h))
        recurrent = self.param("recurrent", uniform, (h, 4 * h))
        gates = jnp.swapaxes(x, 0, 1) @ kernel + self.param("bias", offset, (4 * h,))
        mask = jnp.arange(x.shape[1])[:, None] < length[None, :]
        hidden = streamed(self, gates[:, None], recurrent[None], mask)
        return jnp.swapaxes(hidden[:, 0], 0, 1)


def last_state(hidden: jax.Array) -> jax.Array:
    """The last true state [B, H] of `LSTM`'s [B, S, H]; zero for a row of length 0."""
    return hidden[:, -1]
