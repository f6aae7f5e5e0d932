"""What an extreme learning machine reads of an utterance: statistics of its steps' posteriors."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def posterior_statistics(posterior: jax.Array, mask: jax.Array, theta: float) -> jax.Array:
    """Maximum, minimum, mean, and share of steps above theta, of each class.

    Source: Han, Yu and Tashev 2014, Speech emotion recognition using deep neural network and
    extreme learning machine, Interspeech, eq. (4) to (7); there theta is 0.2.

    Args:
        posterior: [B, S, C].
        mask: bool [B, S], True on the steps that count.
        theta: threshold.

    Returns:
        [B, 4 C]: all maxima, all minima, all means, all shares; zeros for a row without a step.
    """
    counts = mask[:, :, None]
    n = jnp.maximum(jnp.sum(mask, axis=1), 1)[:, None]
    statistics = jnp.concatenate(
        [
            jnp.max(jnp.where(counts, posterior, 0.0), axis=1),
            jnp.min(jnp.where(counts, posterior, 1.0), axis=1),
            jnp.sum(jnp.where(counts, posterior, 0.0), axis=1) / n,
            jnp.sum(counts & (posterior > theta), axis=1) / n,
        ],
        axis=-1,
    )
    return jnp.where(jnp.any(mask, axis=1)[:, None], statistics, 0.0)
