"""The bidirectional LSTM of NVIDIA's library, by `jax.experimental.rnn`.

It knows float32 on a GPU alone and cannot be mapped, so it is for members that train one at a
time. The weights stay those of `blstm.BLSTM`: a checkpoint does not know what computed it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def available() -> bool:
    """Whether this process computes on an NVIDIA GPU."""
    return jax.default_backend() == "gpu" and "NVIDIA" in jax.devices()[0].device_kind


def weights(kernel: jax.Array, recurrent: jax.Array, bias: jax.Array) -> jax.Array:
    """Our weights as cuDNN's one vector; the gates stand in the same order, i, f, g, o.

    Args:
        kernel: [2, D, 4 H].
        recurrent: [2, H, 4 H].
        bias: [2, 4 H]; cuDNN has a second one beside the recurrent product, which is 0.

    Returns:
        [2 (D + H + 2) 4 H]: of each direction W_ih [4 H, D] and W_hh [4 H, H]; then of each
        direction b_ih and b_hh.
    """
    parts: list[jax.Array] = []
    for k in range(2):
        parts += [kernel[k].T.reshape(-1), recurrent[k].T.reshape(-1)]
    for k in range(2):
        parts += [bias[k], jnp.zeros_like(bias[k])]
    return jnp.concatenate(parts)


def blstm(
    x: jax.Array,
    length: jax.Array,
    kernel: jax.Array,
    recurrent: jax.Array,
    bias: jax.Array,
    call: Callable[..., Any] | None = None,
) -> jax.Array:
    """States [B, S, 2 H] of x [B, S, D], forward, then backward; behind length int [B] undefined.

    Args:
        x: [B, S, D], float32.
        length: int [B].
        kernel, recurrent, bias: of `blstm.BLSTM`.
        call: in place of `jax.experimental.rnn.lstm`, for tests without a GPU.
    """
    from jax.experimental import rnn

    width = recurrent.shape[1]
    zero = jnp.zeros((2, len(x), width), x.dtype)
    # cuDNN refuses a row of length 0, as those that fill a batch have.
    states, _, _ = (call or rnn.lstm)(
        x,
        zero,
        zero,
        weights(kernel, recurrent, bias),
        jnp.maximum(length, 1).astype(jnp.int32),
        x.shape[-1],
        width,
        1,
        0.0,
        True,
    )
    return states
