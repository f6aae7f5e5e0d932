"""Losses on an embedding, beside the cross-entropy: alike within a class, apart between classes.

Both are weighted means over what counts, as the cross-entropy is, so that a factor before them
means the same in a full batch and in the last one. Rows that do not count have label -1, weight 0
or both; whatever stands in them, even what is not finite, changes nothing.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

MARGIN = 1.0  # of the contrastive loss, in Zhu et al. 2017 as a digest of it has it


def contrastive(
    embedding: jax.Array,
    label: jax.Array,
    weight: jax.Array,
    key: jax.Array,
    margin: jax.Array | float = MARGIN,
) -> jax.Array:
    """Contrastive loss of random pairs of a batch (Hadsell et al. 2006, eq. 4).

    1/2 [y d^2 + (1 - y) max(0, margin - d)^2], d the Euclidean distance of a pair and y whether its
    labels are equal. How pairs are drawn is not given in Zhu et al. 2017; choice of ours: the rows
    that count stand in a circle in random order and each is paired with the next, so that there are
    as many pairs as rows, each row is in two, and none is paired with itself.

    Args:
        embedding: [B, E].
        label: int [B]; -1 does not count.
        weight: [B], at least 0; a pair's is the product of its rows'.
        key: decides the pairs.
        margin: beyond which two classes need not be further apart.

    Returns:
        A scalar, the weighted mean over pairs; 0 where fewer than two rows count.
    """
    counts = (label >= 0) & (weight > 0)
    n = jnp.sum(counts)
    noise = jax.random.uniform(key, counts.shape)
    order = jnp.argsort(jnp.where(counts, noise, 2.0))  # rows that count first
    place = jnp.arange(len(label))
    other = order[jnp.where(place + 1 < n, place + 1, 0)]
    here = place < jnp.where(n > 1, n, 0)
    pair_weight = jnp.where(here, weight[order] * weight[other], 0.0)
    z = jnp.where(counts[:, None], embedding, 0.0)
    square = jnp.sum(jnp.square(z[order] - z[other]), axis=-1)
    apart = square > 0
    # The root has no slope at 0: where a pair coincides, none is asked for.
    distance = jnp.where(apart, jnp.sqrt(jnp.where(apart, square, 1.0)), 0.0)
    pushed = jnp.square(jnp.maximum(margin - distance, 0.0))
    loss = 0.5 * jnp.where(label[order] == label[other], square, pushed)
    return jnp.sum(pair_weight * loss) / jnp.maximum(jnp.sum(pair_weight), 1e-9)


def center(
    embedding: jax.Array, label: jax.Array, weight: jax.Array, centres: jax.Array
) -> jax.Array:
    """Center loss, 1/2 ||z - c_y||^2 (Wen et al. 2016, eq. 2), as a weighted mean.

    The centres are parameters, trained by this loss's own gradient, which is the weighted sum of
    c_y - z over a class, divided by the whole batch's weight. Wen et al. move them by a rule of
    their own (eq. 4), which differs from it in the denominator and has a rate of its own.

    Args:
        embedding: [B, E].
        label: int [B]; -1 does not count.
        weight: [B], at least 0.
        centres: [K, E].

    Returns:
        A scalar; 0 where no row counts.
    """
    counts = (label >= 0) & (weight > 0)
    z = jnp.where(counts[:, None], embedding, 0.0)
    own = jnp.where(counts[:, None], centres[jnp.maximum(label, 0)], 0.0)
    weight = jnp.where(counts, weight, 0.0)
    loss = 0.5 * jnp.sum(jnp.square(z - own), axis=-1)
    return jnp.sum(weight * loss) / jnp.maximum(jnp.sum(weight), 1e-9)
