"""Losses over batches in which some rows do not count."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def targets(label: jax.Array, n_classes: int, smoothing: jax.Array | float = 0.0) -> jax.Array:
    """Smoothed one-hot targets [B, K] of labels int [B]; a label of -1 gives a row of zeros.

    optax reads -1 as the last class, silently; here it carries no loss at all.
    """
    one_hot = jax.nn.one_hot(label, n_classes)
    smooth = (1.0 - smoothing) * one_hot + smoothing / n_classes
    return jnp.where(label[:, None] >= 0, smooth, 0.0)


def cross_entropy(
    logits: jax.Array, target: jax.Array, weight: jax.Array, normalised: bool = False
) -> jax.Array:
    """Weighted mean of -sum_k target_k ln softmax(logits)_k.

    Args:
        logits: [B, K].
        target: [B, K], rows sum to 1 (or to 0 where the row does not count).
        weight: [B], 0 where the row does not count.
        normalised: `logits` are log-posteriors. Those averaged over an utterance's steps must not
            be normalised again: as they are, the loss is the mean of the steps' own losses.

    Returns:
        A scalar; 0 for a batch without a row that counts.
    """
    log_posterior = logits if normalised else jax.nn.log_softmax(logits)
    loss = -jnp.sum(target * log_posterior, axis=-1)
    return jnp.sum(weight * loss) / jnp.maximum(jnp.sum(weight), 1e-9)


def class_weights(label: jax.Array, n_classes: int) -> jax.Array:
    """Weights [K] inversely proportional to the counts in `label` int [L] (-1: not counted).

    The mean weight of a training utterance is 1; a class that does not occur has weight 0.
    """
    count = jnp.sum(jax.nn.one_hot(label, n_classes), axis=0)
    present = jnp.sum(count > 0)
    return jnp.where(count > 0, jnp.sum(count) / (jnp.maximum(count, 1) * present), 0.0)
