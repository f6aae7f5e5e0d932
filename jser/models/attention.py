"""Masked attention pooling: a sequence becomes one vector, and says where it looked."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

# Finite, so that a sequence without a true step yields numbers and not NaN.
FAR = -1e9
KINDS = ("learned", "self", "mean")


def masked_softmax(scores: jax.Array, mask: jax.Array) -> jax.Array:
    """Softmax over the last axis with exact zeros where `mask` is False.

    Args:
        scores: [..., S].
        mask: bool, broadcastable to `scores`.

    Returns:
        [..., S], sums to 1 over the true steps.
    """
    weights = jax.nn.softmax(jnp.where(mask, scores, FAR), axis=-1)
    return jnp.where(mask, weights, 0.0)


class AttentionPooling(nn.Module):
    """Pool BLSTM outputs over time.

    `kind` is one of

    - ``learned``: alpha_t = softmax(w . h_t), c = sum_t alpha_t h_t (Chen et al. 2018, 3-D
      ACRNN); the default;
    - ``self``: scaled dot-product self-attention with maps Q, K, V, averaged over the queries: how
      two independent readers understood Zhang et al. 2021;
    - ``mean``: no attention, every true step counts the same; the ablation.
    """

    kind: str = "learned"

    @nn.compact
    def __call__(self, x: jax.Array, length: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Pool [B, S, D] with true lengths int [B] into ([B, D], weights [B, S])."""
        mask = jnp.arange(x.shape[1])[None, :] < length[:, None]
        if self.kind == "learned":
            alpha = masked_softmax(nn.Dense(1, name="score")(x)[..., 0], mask)
            return jnp.einsum("bs,bsd->bd", alpha, x), alpha
        count = jnp.maximum(length, 1)[:, None].astype(x.dtype)
        if self.kind == "mean":
            alpha = mask / count
            return jnp.einsum("bs,bsd->bd", alpha, x), alpha
        if self.kind == "self":
            width = x.shape[-1]
            query, key, value = (nn.Dense(width, name=name)(x) for name in ("q", "k", "v"))
            scores = jnp.einsum("bqd,bkd->bqk", query, key) / width**0.5
            alpha = masked_softmax(scores, mask[:, None, :])
            # Mean over the true queries of the weight that each key receives.
            alpha = jnp.sum(jnp.where(mask[:, :, None], alpha, 0.0), axis=1) / count
            return jnp.einsum("bs,bsd->bd", alpha, value), alpha
        raise ValueError(f"attention kind {self.kind!r} is none of learned, self, mean")
